// Package records is the core of the log: what a record says, how its tags are
// named, how writers agree on the next one over a plain registry, how a log is
// read, and what is wrong with one that somebody else wrote to. docs/log.md is
// its specification; the names of its steps are those of the code.
//
// It does no I/O, has no clock and no randomness. To append a record, make a
// [Machine] of an [Operation] and carry out what [Machine.Next] asks for until it
// is over: that is all that a driver does, be it the one on a registry (package store), or a
// simulator that tries every order in which writers may come and die. To read,
// make a [Log] of a [Source], which looks up tags. [Verify] judges a whole log.
package records

import (
	"maps"
	"slices"
	"time"

	"github.com/quoitbuild/quoit/versioning"
)

// Schema is the number of the record's JSON form that this package writes, and
// the newest one that it reads. It rises when an older reader would go wrong;
// fields and operations that an older reader may pass over come without. A record of
// schema 1 has no Digests, Tops, Under and Assigned, but Undo and Below.
const Schema = 2

// MaxRecord is how many bytes the JSON of a record may have: enough for about
// ten thousand images.
const MaxRecord = 2 << 20

// Record is one entry of the log.
type Record struct {
	Schema int `json:"schema"`
	// Sequence counts from 1, without gaps.
	Sequence uint64 `json:"sequence"`
	// Parent is the digest of the record before, "" for the first.
	Parent    string `json:"parent,omitempty"`
	Operation string `json:"operation"` // one of OpPublish and so on, or a newer one
	// Of is the sequence of the record that this one takes back or keeps.
	Of uint64 `json:"of,omitempty"`
	Signature
	// Before is the table that the operation found, After the one it leaves.
	// After has every ring of Before.
	Before Table `json:"before"`
	After  Table `json:"after"`
	// Holds are the rings that are held, Unheld the holds that this record ends.
	Holds  map[string]Hold `json:"holds,omitempty"`
	Unheld map[string]Hold `json:"unheld,omitempty"`
	// Releases is how many releases have a number, see [Place].
	Releases uint64 `json:"releases,omitempty"`
	// Pruned are the numbers of the releases that were given up, see [OpPrune]. No
	// ring of After has one.
	Pruned versioning.Lineage `json:"pruned,omitempty"`
	// Undo is, in schema 1, the newest shift that can be undone, nil if there is none.
	Undo *Shifted `json:"undo,omitempty"`
	// Below is, of a shift in schema 1, what Undo was before it.
	Below *Shifted `json:"below,omitempty"`
	// Tops are, by the ring, the newest shifts that can be undone there.
	Tops map[string]versioning.Top `json:"tops,omitempty"`
	// Under are, of a shift, the Tops of the rings that it moved as they were before it;
	// a ring without one has no entry.
	Under map[string]versioning.Top `json:"under,omitempty"`
	// Assigned are the versions of images that were assigned, as far as it matters for
	// the choice of the next ones.
	Assigned versioning.Assigned `json:"assigned,omitempty"`
	// Digests are those of the earlier records that this one names, by their numbers: the
	// publishes of places in its tables and in Tops and Under, and the shifts of these.
	// The [Machine] fills them in. One that is missing is not known.
	Digests map[uint64]string `json:"digests,omitempty"`
	// Gates are what was run before a release was moved, in order.
	Gates []Gate `json:"gates,omitempty"`
	// Required are, of a publish, the gates that its release has to pass, in the order of
	// their rings; at most [MaxRequired].
	Required []Required `json:"required,omitempty"`
	// Images are all images of the release that a publish made, by name.
	Images map[string]Image `json:"images,omitempty"`
	// Parents are the releases that this one descends from.
	Parents []versioning.Parent `json:"parents,omitempty"`
	// Ancestors are, of a publish, the newest commits that its commit descends from, so
	// that an older one is known where the commit itself is not; at most 100 are written.
	Ancestors []string `json:"ancestors,omitempty"`
	// Older says that a publish took back commits of the release before, on request.
	Older bool `json:"older,omitempty"`
	// Taken are the version tags for which a publish is void.
	Taken []Content `json:"taken,omitempty"`
}

// Signature says who made a record.
type Signature struct {
	// ID is the command's own: no two commands may have the same, or one of them
	// would take the other's record for its own. See [Format] for its form.
	ID      string `json:"id"`
	Actor   string `json:"actor"`
	Message string `json:"message,omitempty"`
	Source  string `json:"source,omitempty"`
	Commit  string `json:"commit,omitempty"`
	// Dirty says that the sources differed from the commit.
	Dirty bool `json:"dirty,omitempty"`
	// Time is for people; nothing is decided by it. UTC, whole seconds.
	Time time.Time `json:"time"`
}

// What rings have, by the rules that move it.
type (
	Table = versioning.Table
	Place = versioning.Place
)

// Hold says that a ring takes and gives nothing in a shift.
type Hold struct {
	Record uint64 `json:"record"` // which says who, and when
	Reason string `json:"reason,omitempty"`
}

// Shifted is a shift that can be undone, with those of its moves that were not.
type Shifted struct {
	Record uint64            `json:"record"`
	Moves  []versioning.Move `json:"moves"`
}

// Gate is what an image of a release said before the release was moved.
type Gate struct {
	Ring   string `json:"ring"` // before which it stands
	Image  string `json:"image"`
	Digest string `json:"digest,omitempty"` // "" if it was skipped, and the release has no such image
	Passed bool   `json:"passed"`
	// Skipped says why it was not run; "" if it was.
	Skipped string `json:"skipped,omitempty"`
}

// Bounds of what a record says of the gates that its release has to pass.
const (
	MaxRequired = 100
	MaxCommand  = 8 << 10 // bytes of one command, all of its words together
)

// Required is a gate that a release has to pass before a ring takes it: an image of
// the release itself, by name.
type Required struct {
	Ring    string   `json:"ring"`
	Image   string   `json:"image"`
	Command []string `json:"command,omitempty"` // none: what the image itself runs
	Network bool     `json:"network,omitempty"`
	Secrets []string `json:"secrets,omitempty"` // their names
	Timeout int      `json:"timeout"`           // seconds
}

// Image is one image of a published release.
type Image struct {
	Version versioning.Version `json:"version"`
	Digest  string             `json:"digest"`
	// New images get their version's tag by this record; the others have it.
	New bool `json:"new,omitempty"`
	// Account is the digest of the image, in the log's repository, that says what this one
	// was made of; "" if that was not kept. It may be gone.
	Account string `json:"account,omitempty"`
}

// Content is a tag and what it names; without a digest it is absent.
type Content struct {
	Repository string `json:"repository"` // the image's name, or [Repository]
	Tag        string `json:"tag"`
	Digest     string `json:"digest,omitempty"`
}

// Following is the beginning of the record after this one: everything stays as
// it is.
func (r Record) Following(operation string) Record {
	after := maps.Clone(r.After)
	if after == nil {
		after = Table{}
	}
	return Record{
		Operation: operation, After: after, Holds: maps.Clone(r.Holds), Releases: r.Releases, Pruned: r.Pruned, Undo: r.Undo,
		Tops: maps.Clone(r.Tops), Assigned: r.Assigned,
	}
}

// names are the numbers of the earlier records that this one names.
func (r Record) names() []uint64 {
	var named []uint64
	name := func(number uint64) {
		if number > 0 && number < r.Sequence {
			named = append(named, number)
		}
	}
	for _, table := range []Table{r.Before, r.After} {
		for _, place := range table {
			name(place.Record)
		}
	}
	for _, tops := range []map[string]versioning.Top{r.Tops, r.Under} {
		for _, top := range tops {
			name(top.Record)
			name(top.Given.Record)
			name(top.Displaced.Record)
		}
	}
	return named
}

// know fills in the digests of what a record names, on top of the newest one. Those
// that the record has already are what its operation has read itself.
func (r *Record) know(newest Sealed) {
	digests := map[uint64]string{}
	for _, number := range r.names() {
		switch own, earlier := r.Digests[number], newest.Record.Digests[number]; {
		case number == newest.Record.Sequence:
			digests[number] = newest.Digest
		case earlier != "":
			digests[number] = earlier
		case own != "":
			digests[number] = own
		}
	}
	r.Digests = digests
}

// Versions are the version tags that the record assigns, sorted by image.
func (r Record) Versions() []Content {
	var tags []Content
	for _, name := range sortedKeys(r.Images) {
		if image := r.Images[name]; image.New {
			tags = append(tags, Content{name, image.Version.String(), image.Digest})
		}
	}
	return tags
}

// Moved are the rings for which the table after is another than before, sorted.
func (r Record) Moved() []string {
	var moved []string
	for _, ring := range sortedKeys(r.After) {
		if before, found := r.Before[ring]; !found || before != r.After[ring] {
			moved = append(moved, ring)
		}
	}
	return moved
}

// TagOf is a ring's tag as a table wants it; an empty ring's names [Nothing].
func TagOf(table Table, ring string) Content {
	place := table[ring]
	if place.Digest == "" {
		return Content{place.Root, ring, Nothing().Digest}
	}
	return Content{place.Root, ring, place.Digest}
}

// outermost sorts rings: those of the order from its end, then the others.
func outermost(rings, order []string) []string {
	rings = slices.Clone(rings)
	slices.Sort(rings)
	slices.SortStableFunc(rings, func(a, b string) int { return slices.Index(order, b) - slices.Index(order, a) })
	return rings
}
