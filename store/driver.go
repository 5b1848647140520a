package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

const (
	// linger is how long an interrupted command goes on that others may carry
	// through, and lingerEach, how long a single batch of its requests.
	linger     = 5 * time.Second
	lingerEach = time.Second
)

// driver carries out what a [records.Machine] asks for. One driver may run
// several machines, one after the other; it keeps the manifests that it has read.
type driver struct {
	project *Project
	// first states that nobody has written to the log yet, for registries that
	// deny whatever is not there.
	first bool
	// rank orders requests of one batch: those of a smaller one come first; nil: all at once.
	rank func(records.Request) int
	// saw is told of every request that has an answer, one call at a time; may be nil.
	saw func(records.Request, records.Response)
	// lost is told of every tag whose write has no answer; may be nil.
	lost func(records.Content)
	// whole reads ring tags with what they name, which is about to be written
	// elsewhere.
	whole  bool
	reader bool // it writes nothing
	log    *records.Log

	held  atomic.Int64 // bytes of manifests
	waits waits

	mu        sync.Mutex
	manifests map[records.Content]registry.Manifest
	opened    map[string]records.Sealed // records that were read, by digest
	pushed    map[string]bool           // configs of records
	tries     map[records.Content]tries // of tags that may move
	wrote     bool                      // something to the log
	refusal   error                     // the last one to overwrite a tag
	exposed   bool                      // the last machine's operation is in the log, or may get there
	proof     records.Proof
	pages     registry.Pages // of the listing that is being read
}

func newDriver(p *Project) *driver {
	d := &driver{
		project: p, manifests: map[records.Content]registry.Manifest{}, opened: map[string]records.Sealed{},
		pushed: map[string]bool{}, tries: map[records.Content]tries{},
		waits: waits{unit: p.pace.Backoff, since: map[uint64]time.Time{}},
	}
	d.log = records.NewLog(source{d})
	return d
}

// run lets a machine come to its end. When ctx ends before the operation is out,
// it stops there; after that it goes on for a few seconds.
func (d *driver) run(ctx context.Context, m *records.Machine) records.Result {
	var deadline time.Time
	for {
		requests, more := m.Next()
		if !more {
			d.exposed = m.Exposed()
			return m.Result()
		}
		if ctx.Err() != nil && deadline.IsZero() {
			deadline = time.Now().Add(linger)
		}
		if ctx.Err() != nil && (!m.Exposed() || time.Now().After(deadline)) {
			m.Stop(registry.Interrupted(ctx, nil))
			continue
		}
		batch, stop := ctx, context.CancelFunc(func() {})
		if m.Exposed() {
			batch, stop = lingering(ctx, lingerEach)
		}
		responses, err := d.batch(batch, requests)
		stop()
		switch undone := new(undoneError); {
		case errors.As(err, &undone):
			m.Decline(undone.error)
		case err != nil:
			m.Stop(err)
		default:
			m.Took(responses)
		}
	}
}

// lingering is a context that ends a while after another one.
func lingering(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(while, cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	return longer, func() { stop(); cancel() }
}

// batch carries out requests, as many at a time as the project may.
func (d *driver) batch(ctx context.Context, requests []records.Request) ([]records.Response, error) {
	responses := make([]records.Response, len(requests))
	for _, indices := range d.levels(requests) {
		err := d.project.pace.Each(len(indices), func(i int) (err error) {
			at := indices[i]
			responses[at], err = d.carry(ctx, requests[at])
			if err == nil {
				d.tell(requests[at], responses[at])
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return responses, nil
}

func (d *driver) tell(request records.Request, response records.Response) {
	if d.saw == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saw(request, response)
}

// levels sorts the indices of requests by their ranks.
func (d *driver) levels(requests []records.Request) [][]int {
	byRank := map[int][]int{}
	var ranks []int
	for i, request := range requests {
		rank := 0
		if d.rank != nil {
			rank = d.rank(request)
		}
		if byRank[rank] == nil {
			ranks = append(ranks, rank)
		}
		byRank[rank] = append(byRank[rank], i)
	}
	slices.Sort(ranks)
	var levels [][]int
	for _, rank := range ranks {
		levels = append(levels, byRank[rank])
	}
	return levels
}

// unsettled says of an error what becomes of an operation that is in the log or may
// get there.
func (d *driver) unsettled(result records.Result, err error) error {
	if d.exposed {
		result.Err = err
		return d.unknown(result)
	}
	return err
}

// unknown is for a command that ended when others could carry it through.
func (d *driver) unknown(result records.Result) error {
	unknown := &UnknownError{Err: result.Err}
	if failed := new(registry.RequestError); d.refusal != nil && !errors.As(result.Err, &failed) {
		unknown.Err = fmt.Errorf("%w: %w", result.Err, d.refusal)
	}
	if result.Record != nil {
		unknown.Record = result.Record.Record.Sequence
	}
	return unknown
}

// newID is the random name of one operation.
func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
