package records

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// history is a run of concurrent commands on a simulated registry, drawn from a
// seed: delays, lost replies, requests that are carried out later or twice,
// crashes, foreign pushes, listings that lag, pages, tags that do not move.
type history struct {
	*numbers
	rng       *rand.Rand
	world     world
	now       int
	view      int // how much of the log a listing shows at least
	lagging   bool
	page      int
	order     string // of the tags in a listing
	immutable bool
	faults    int // of a hundred requests, how many have no answer
	foreign   []Content
	flying    []flight
	commands  []*command
	decisions []decision                                          // records, in the order of their numbers
	planned   map[string]uint64                                   // by the ID of a shift or an unshift: the record that it was planned on
	mistake   func(h *history, newest Record) (string, Operation) // a planted one
	trace     []string
	variant   func(*Machine, []Response) bool
	landings  int                 // Puts that were carried out after nobody waited for them any more
	older     map[string][]Sealed // logs of schema 1, one of which it begins with; may be nil
	offset    int                 // of the IDs of commands
	counted   map[string]int      // what happened, over all histories
	hasty     bool                // commands do not wait for an upgrade
	unhinted  bool                // a write of the hint was lost
}

// command is one run of quoit.
type command struct {
	id         int
	kind       string
	machine    *Machine
	operation  Operation
	start, end int
	crashed    bool
	got        []Response
	waits      int // requests without an answer yet
	requests   int
	old        bool // it is one of schema 1
}

// flight is a request under way; by is nil if nobody waits for it any more.
type flight struct {
	request Request
	by      *command
	slot    int // in the batch
	lost    bool
	until   int // not before
}

type decision struct {
	at     int
	sealed Sealed
}

func newHistory(seed uint64) *history {
	h := &history{numbers: newNumbers(), rng: rand.New(rand.NewPCG(seed, 1)), planned: map[string]uint64{}}
	h.lagging = h.rng.IntN(2) == 0
	h.order = []string{"lexical", "lexical", "oldest", "newest"}[h.rng.IntN(4)]
	h.page = []int{1000, 50, 10, 10, 3}[h.rng.IntN(5)]
	if h.order != "lexical" {
		h.page = max(h.page, 10) // every listing shows the whole log
	}
	h.immutable = h.rng.IntN(3) == 0
	h.faults = []int{0, 0, 3, 15}[h.rng.IntN(4)]
	return h
}

// run starts the commands of K concurrent writers, and lets things happen.
func (h *history) run() error {
	writers := 2 + h.rng.IntN(7)
	total := writers + h.rng.IntN(writers+3)
	crashes := h.rng.IntN(3)
	if h.older != nil {
		h.thaw()
	} else if h.rng.IntN(2) == 0 {
		if err := h.begun(); err != nil {
			return err
		}
		total += len(h.commands)
	}
	for h.now++; ; h.now++ {
		live := h.live()
		switch {
		case len(h.commands) < total && len(live) < writers && (len(live) == 0 || h.rng.IntN(12) == 0):
			h.begin(h.draw())
		case len(live) == 0 && len(h.flying) == 0:
			return h.judge()
		case crashes > 0 && len(live) > 0 && h.rng.IntN(60) == 0:
			crashes--
			h.crash(live[h.rng.IntN(len(live))])
		case h.rng.IntN(200) == 0 && len(h.foreign) < 2:
			h.push()
		default:
			if err := h.something(live); err != nil {
				return err
			}
		}
		if h.now > 400_000 {
			return fmt.Errorf("no end after %d events", h.now)
		}
	}
}

func (h *history) live() []*command {
	return slices.DeleteFunc(slices.Clone(h.commands), func(c *command) bool { return c.crashed || c.machine.ended })
}

func (h *history) log(format string, values ...any) {
	h.trace = append(h.trace, fmt.Sprintf("%5d ", h.now)+fmt.Sprintf(format, values...))
}

func (h *history) begin(kind string, operation Operation) {
	c := &command{id: len(h.commands) + 1, kind: kind, operation: operation, start: h.now}
	c.machine, _ = New(Options{Operation: operation, Signature: signature(c.id + h.offset), Rings: simulated})
	c.machine.seal, c.machine.variant = h.seal, h.variant
	if h.older != nil {
		h.age(c)
	}
	h.commands = append(h.commands, c)
	h.log("%d begins: %s", c.id, kind)
}

// draw makes an operation by what is there now, as a plan does.
func (h *history) draw() (string, Operation) {
	newest, count := h.numbers.newest(h.world)
	has := newest.Record.After
	if h.mistake != nil && h.rng.IntN(3) == 0 {
		if kind, operation := h.mistake(h, newest.Record); operation != nil {
			return kind, operation
		}
	}
	if newest.Record.Schema == 1 && h.rng.IntN(2) == 0 {
		return "upgrade", upgrade(upgraderOf(h.log1()), newest.Digest)
	}
	switch h.rng.IntN(16) {
	case 0:
		return "settle", nil
	case 1, 2:
		return h.drawShift(count)
	case 3:
		if len(newest.Record.Tops) > 0 {
			return h.drawUnshift(newest.Record)
		}
	case 4:
		return h.drawHold(newest.Record)
	case 5, 6:
		if has["dev"].Digest != "" {
			sequence := uint64(1 + h.rng.IntN(count))
			record := h.store[h.look(h.world, Repository, Name{Sequence: sequence}.String())].Record
			ring := h.ring()
			return fmt.Sprintf("set %s as in record %d", ring, sequence), h.back(ring, record.After[ring])
		}
	}
	ring := []string{"dev", "dev", "users"}[h.rng.IntN(3)]
	minor := 1
	for h.look(h.world, "deploy", fmt.Sprintf("0.%d.0", minor)) != "" {
		minor++
	}
	v := fmt.Sprintf("0.%d.0", minor)
	return "publish " + v + " to " + ring, build(ring, v, has[ring].Digest, len(h.commands))
}

// build is a publish of two images with contents of its own.
func build(ring, v, expected string, id int) Operation {
	return func(newest Record) (Record, error) {
		if newest.After[ring].Digest != expected {
			return Record{}, movedError{ring}
		}
		digest := sha(fmt.Sprint(v, id))
		images := map[string]Image{
			"deploy": {Version: version(v), Digest: digest, New: true},
			"api":    {Version: version(v), Digest: sha(fmt.Sprint("api", v, id)), New: true},
		}
		record := newest.Following(OpPublish)
		record.Releases++
		place := Place{Root: "deploy", Version: version(v), Digest: digest, Record: newest.Sequence + 1, Release: record.Releases}
		if held := newest.After[ring]; held.Release > 0 {
			place.Lineage = held.Lineage.With(held.Release)
		}
		record.After[ring], record.Images = place, images
		record.Assign(newest, place.Release)
		return record, nil
	}
}

// place places a release, or nothing, whatever is there.
func place(ring string, place Place) Operation {
	if place.Root == "" {
		place.Root = "deploy"
	}
	return func(newest Record) (Record, error) {
		record := newest.Following(OpSet)
		record.After[ring] = place
		return record, nil
	}
}

// back places a release that was in a ring, by the record that published it.
func (h *history) back(ring string, was Place) Operation {
	set := place(ring, was)
	digest := h.look(h.world, Repository, Name{Sequence: was.Record}.String())
	return func(newest Record) (Record, error) {
		record, err := set(newest)
		if was.Record > 0 {
			record.Digests = map[uint64]string{was.Record: digest}
		}
		return record, err
	}
}

// crash stops a command; what it has sent may still be carried out.
func (h *history) crash(c *command) {
	c.crashed = true
	h.log("%d crashes", c.id)
	for i := range h.flying {
		if h.flying[i].by == c {
			h.flying[i].by = nil
		}
	}
}

// push lets somebody else write a version that is about to be written.
func (h *history) push() {
	for _, c := range h.live() {
		for _, r := range c.machine.asked {
			if _, foreign := ParseName(r.Tag); foreign || r.Repository == Repository || !isVersion(r.Tag) || h.look(h.world, r.Repository, r.Tag) != "" {
				continue
			}
			tag := Content{r.Repository, r.Tag, sha(fmt.Sprint("foreign", h.now))}
			h.foreign = append(h.foreign, tag)
			h.write(&h.world, tag)
			h.log("somebody pushes %s:%s", tag.Repository, tag.Tag)
			return
		}
	}
}

func isVersion(tag string) bool { return len(tag) > 2 && tag[0] == '0' }
