package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// RingOutcome is what an operation on rings does, dry or not. Its lists are never nil.
type RingOutcome struct {
	Project   string `json:"project"`
	Operation string `json:"operation"`
	// Changes are the rings whose release changes, in their order.
	Changes []RingChange `json:"changes"`
	// Held are the rings that are held afterwards, in their order.
	Held []HeldRing `json:"held"`
	// Dropped are releases that no ring has any more, nor one that contains them.
	Dropped []ReleaseName `json:"dropped"`
	// Undone is the shift that is undone, or the newest of them; nil if none is.
	Undone *UndoneShift `json:"undone,omitempty"`
	// AlsoUndone are the others, the newest first.
	AlsoUndone []UndoneShift `json:"alsoUndone,omitempty"`
	// Record is the number of its record, 0 if none was written.
	Record uint64 `json:"-"`
}

// RingChange is what becomes of a ring.
type RingChange struct {
	Ring string `json:"ring"`
	// From and To are nil for nothing.
	From *ReleaseName `json:"from,omitempty"`
	To   *ReleaseName `json:"to,omitempty"`
	// Images are those whose version differs, by name.
	Images []ImageChange `json:"images"`
	// Place is To as the log has it; see [Project.Images].
	Place records.Place `json:"-"`
}

// ReleaseName is a release by version and digest of its root image.
type ReleaseName struct {
	Version versioning.Version `json:"version"`
	Digest  string             `json:"digest"`
}

// ImageChange is an image that has another version; zero (absent) for none.
type ImageChange struct {
	Image string             `json:"image"`
	From  versioning.Version `json:"from,omitzero"`
	To    versioning.Version `json:"to,omitzero"`
}

// HeldRing is a ring that shifts leave alone.
type HeldRing struct {
	Ring   string `json:"ring"`
	Reason string `json:"reason,omitempty"`
}

// UndoneShift is a shift by its record.
type UndoneShift struct {
	Record uint64   `json:"record"`
	By     string   `json:"by"`    // who, when and why, in one line
	Rings  []string `json:"rings"` // where it is undone, in their order
	// Gone says that its record cannot be read, so that what lay below it is unknown.
	Gone bool `json:"gone,omitempty"`
}

// describe says what a change does.
func (r *ringer) describe(ctx context.Context, newest records.Record, c change) (RingOutcome, error) {
	outcome := RingOutcome{
		Project: r.project.name, Operation: r.name,
		Changes: []RingChange{}, Held: []HeldRing{}, Dropped: []ReleaseName{},
	}
	places := map[string]records.Place{}
	for _, change := range c.plan.Changes {
		places[change.From.Digest], places[change.To.Digest] = change.From, change.To
	}
	if err := r.read(ctx, newest, places); err != nil {
		return outcome, err
	}
	for _, change := range c.plan.Changes {
		outcome.Changes = append(outcome.Changes, RingChange{
			Ring: change.Ring, From: nameOf(change.From), To: nameOf(change.To),
			Images: compare(r.versions[change.From.Digest], r.versions[change.To.Digest]),
			Place:  change.To,
		})
	}
	for _, ring := range r.options.Rings {
		if hold, held := c.record.Holds[ring]; held {
			outcome.Held = append(outcome.Held, HeldRing{ring, hold.Reason})
		}
	}
	for _, place := range c.plan.Dropped {
		outcome.Dropped = append(outcome.Dropped, *nameOf(place))
	}
	if len(c.undone) > 0 {
		outcome.Undone, outcome.AlsoUndone = &c.undone[0], c.undone[1:]
	}
	return outcome, nil
}

// read reads the versions of releases, each once.
func (r *ringer) read(ctx context.Context, newest records.Record, places map[string]records.Place) error {
	digests := slices.Sorted(maps.Keys(places))
	return r.project.pace.Each(len(digests), func(i int) error {
		versions, err := r.versionsOf(ctx, newest, places[digests[i]])
		r.driver.mu.Lock()
		defer r.driver.mu.Unlock()
		r.versions[digests[i]] = versions
		return err
	})
}

func nameOf(place records.Place) *ReleaseName {
	if place.Empty() {
		return nil
	}
	return &ReleaseName{place.Version, place.Digest}
}

// compare returns the images of two releases whose versions differ.
func compare(from, to map[string]versioning.Version) []ImageChange {
	all := maps.Clone(from)
	if all == nil {
		all = map[string]versioning.Version{}
	}
	maps.Copy(all, to)
	changes := []ImageChange{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if from[name] != to[name] {
			changes = append(changes, ImageChange{name, from[name], to[name]})
		}
	}
	return changes
}

// heldRings are the rings that are held, sorted.
func heldRings(record records.Record) []string { return slices.Sorted(maps.Keys(record.Holds)) }

// shownImages is how many images of a change are named to people.
const shownImages = 4

// String is the outcome for people: a table of the rings that change, what is
// held, and what is in no ring any more. A line feed ends it.
func (o RingOutcome) String() string {
	var b strings.Builder
	switch {
	case len(o.Changes) == 0 && o.Undone == nil && (o.Operation == records.OpShift || o.Operation == records.OpSet):
		fmt.Fprintln(&b, "nothing to do")
	case len(o.Held) == 0 && o.Operation == records.OpUnhold:
		fmt.Fprintln(&b, "no ring is held")
	}
	if len(o.Changes) > 0 {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RING\tFROM\tTO\tCHANGES")
		for _, change := range o.Changes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", change.Ring, change.From, change.To, change.images())
		}
		w.Flush() // into memory
	}
	if o.Undone != nil {
		fmt.Fprintf(&b, "undone%s: %s\n", o.Undone.in(o.AlsoUndone), o.Undone)
	}
	for _, undone := range o.AlsoUndone {
		fmt.Fprintf(&b, "undone%s: %s\n", undone.in(o.AlsoUndone), undone)
	}
	for _, held := range o.byReason() {
		fmt.Fprintf(&b, "held: %s, %s: end it with `quoit unhold %s`\n", strings.Join(held.rings, ", "), held.reason, strings.Join(held.rings, " "))
	}
	for _, dropped := range o.Dropped {
		fmt.Fprintf(&b, "dropped: %s is no longer in any ring (`quoit set RING %[1]s` places it)\n", dropped.Version)
	}
	return b.String()
}

// in names the rings if there are more shifts than one.
func (u UndoneShift) in(others []UndoneShift) string {
	if len(others) == 0 {
		return ""
	}
	return " in " + strings.Join(u.Rings, ", ")
}

// String is the shift with who made it.
func (u UndoneShift) String() string {
	if u.Gone {
		return fmt.Sprintf("the shift of %s, so it is not known which shifts lay below it: `quoit set RING VERSION` goes further back", u.By)
	}
	return "the shift by " + u.By
}

// heldTogether are rings that are held for one reason.
type heldTogether struct {
	reason string
	rings  []string
}

func (o RingOutcome) byReason() []heldTogether {
	var all []heldTogether
	for _, held := range o.Held {
		at := slices.IndexFunc(all, func(h heldTogether) bool { return h.reason == held.Reason })
		if at < 0 {
			at = len(all)
			all = append(all, heldTogether{reason: held.Reason})
		}
		all[at].rings = append(all[at].rings, held.Ring)
	}
	return all
}

// String is the version, or a dash for nothing.
func (n *ReleaseName) String() string {
	if n == nil {
		return "-"
	}
	return n.Version.String()
}

func (c RingChange) images() string {
	if c.From == nil || c.To == nil {
		return fmt.Sprintf("%d images", len(c.Images))
	}
	var said []string
	for _, image := range c.Images {
		if len(said) == shownImages && len(c.Images) > shownImages+1 {
			said = append(said, fmt.Sprintf("and %d more", len(c.Images)-shownImages))
			break
		}
		said = append(said, image.String())
	}
	return strings.Join(said, ", ")
}

// String is the image with what becomes of it, in one word or an arrow.
func (c ImageChange) String() string {
	switch {
	case c.From.IsZero():
		return fmt.Sprintf("%s %s (new)", c.Image, c.To)
	case c.To.IsZero():
		return fmt.Sprintf("%s %s (gone)", c.Image, c.From)
	}
	return fmt.Sprintf("%s %s → %s", c.Image, c.From, c.To)
}
