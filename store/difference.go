package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Difference is a ring's tag that does not name what the log says. Nothing is decided by
// such a tag; it is named, as others may believe it.
type Difference struct {
	Ring      string             `json:"ring"`
	Reference string             `json:"reference"`        // the tag
	Got       string             `json:"got,omitempty"`    // the digest that it names, "" if it is not there
	Wanted    string             `json:"wanted,omitempty"` // the digest that the log says, "" if no record gave the ring anything
	Version   versioning.Version `json:"version,omitzero"` // of the release that the log says, zero for none
	Mover     string             `json:"mover,omitempty"`  // who the log says moved the ring last, "" if that is not found soon
	Next      string             `json:"next"`             // what mends it
}

// Problem says what is wrong, in the words that all commands have for it.
func (d Difference) Problem() string {
	problem := "it is not there"
	if d.Got != "" {
		problem = "it is " + d.Got
	}
	switch {
	case d.Wanted == "":
		return problem + ", and ring " + d.Ring + " has nothing by the log"
	case d.Version.IsZero():
		problem += ", and ring " + d.Ring + " is empty by the log"
	default:
		problem += fmt.Sprintf(", and ring %s has %s by the log, %s", d.Ring, d.Version, d.Wanted)
	}
	if d.Mover != "" {
		problem += ", moved by " + d.Mover
	}
	return problem
}

// String is the difference in one line: the tag, the problem, and what mends it.
func (d Difference) String() string { return d.Reference + ": " + d.Problem() + ": " + d.Next }

// DifferenceError ends what would have written a ring's tag that somebody else has moved.
type DifferenceError struct{ Differences []Difference } // at least one

// Error names them all.
func (e *DifferenceError) Error() string {
	var all []string
	for _, difference := range e.Differences {
		all = append(all, difference.String())
	}
	return strings.Join(all, "; ")
}

// looksAgain is how often tags are compared with a log that grows meanwhile.
const looksAgain = 20

// Differences compares the tags of some rings with what the log says: a difference is a
// digest that no record ever gave that ring, or any if every tag should follow the newest
// record. Root is the name of the root image, for rings that the log does not know. It is
// a HEAD for each ring; if one differs, it is looked at once more a moment later, as a
// writer may have been at it. Errors are those of [Project.History].
func Differences(ctx context.Context, p *Project, s State, root string, rings []string) ([]Difference, error) {
	d, rested := p.reader(), false
	for range looksAgain {
		differing, err := d.differing(ctx, s, root, rings)
		if err != nil || len(differing) == 0 {
			return nil, err
		}
		now, err := p.State(ctx, rings...)
		switch {
		case err != nil:
			return nil, err
		case now.Newest.Digest != s.Newest.Digest:
			s = now
		case rested:
			return d.differences(ctx, s, differing), nil
		default:
			rested = true
			if err := registry.Rest(ctx, p.pace.Backoff/4); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// differing are the rings' tags that do not name what they should.
func (d *driver) differing(ctx context.Context, s State, root string, rings []string) ([]records.Found, error) {
	table := s.Newest.Record.After
	if s.Origin != "" {
		table = s.Rings()
	}
	tags := make([]records.Found, len(rings))
	err := d.project.pace.Each(len(rings), func(i int) error {
		tag := records.Content{Repository: root, Tag: rings[i]}
		if place, known := table[rings[i]]; known {
			tag = records.TagOf(table, rings[i])
			tag.Repository = place.Root
		}
		got, _, err := d.repository(tag.Repository).Head(ctx, tag.Tag)
		tags[i] = records.Found{Content: records.Content{Repository: tag.Repository, Tag: tag.Tag, Digest: got}, Wanted: tag.Digest}
		return err
	})
	if err != nil {
		return nil, err
	}
	var differing []records.Found
	for _, tag := range tags {
		nothing := (tag.Digest == "" || records.IsNothing(tag.Digest)) && (tag.Wanted == "" || records.IsNothing(tag.Wanted))
		if !nothing && tag.Digest != tag.Wanted {
			differing = append(differing, tag)
		}
	}
	if len(differing) == 0 || s.Closed || s.Newest.Digest == "" {
		return differing, nil
	}
	return d.unexplained(ctx, s.Newest, differing)
}

// unexplained leaves out what writers of the log may have to move yet.
func (d *driver) unexplained(ctx context.Context, newest records.Sealed, differing []records.Found) ([]records.Found, error) {
	done := records.Name{Mark: records.Done, Sequence: newest.Record.Sequence, Value: newest.Digest}
	found, err := source{d}.Heads(ctx, done.String())
	if err != nil || found[0] != "" {
		return differing, err
	}
	var left []records.Found
	for _, tag := range differing {
		had := tag.Wanted != "" && (tag.Digest == "" || records.IsNothing(tag.Digest))
		for sealed, err := range d.log.Back(ctx, newest) {
			if had || err != nil { // what is gone gave nothing to anybody
				break
			}
			had = sealed.Record.After[tag.Tag].Digest == tag.Digest || sealed.Record.Before[tag.Tag].Digest == tag.Digest
		}
		if !had {
			left = append(left, tag)
		}
	}
	return left, nil
}

// differences describes them for people.
func (d *driver) differences(ctx context.Context, s State, differing []records.Found) []Difference {
	var all []Difference
	for _, tag := range differing {
		difference := Difference{
			Ring: tag.Tag, Reference: d.repository(tag.Repository).Reference(tag.Tag), Got: tag.Digest, Wanted: tag.Wanted,
			Version: s.Newest.Record.After[tag.Tag].Version,
		}
		switch {
		case s.Origin != "" && tag.Wanted == "":
			mark := d.repository(records.Repository).Reference(records.RingName(tag.Tag))
			difference.Next = "if the ring was copied, " + mark + " is lost: copy it again, or put it back with `quoit repair --from COPY`; else take the tag away"
		case s.Origin != "":
			difference.Version = s.Rings()[tag.Tag].Version
			difference.Next = "copy it again, or put it back with `quoit repair`"
		case tag.Wanted == "":
			difference = d.unknownTo(tag)
		default:
			if mover := d.mover(ctx, s.Newest, tag.Tag); mover != nil {
				difference.Mover = credit(*mover)
			}
			difference.Next = mend
		}
		all = append(all, difference)
	}
	return all
}

// unknownTo is the difference of a ring's tag of which no record says anything.
func (d *driver) unknownTo(tag records.Found) Difference {
	return Difference{
		Ring: tag.Tag, Reference: d.repository(tag.Repository).Reference(tag.Tag), Got: tag.Digest,
		Next: fmt.Sprintf("see what that is and take it over with `quoit take-over %s`, or take the tag away", tag.Tag),
	}
}

// foreign is for tags that the log does not explain.
func (d *driver) foreign(ctx context.Context, result records.Result) error {
	var rings []records.Found
	for _, tag := range result.Tags {
		if _, known := result.Newest.Record.After[tag.Tag]; known || tag.Wanted == "" {
			rings = append(rings, tag)
		}
	}
	if len(rings) == 0 {
		return d.unsettled(result, d.putBack(result.Tags[0]))
	}
	return d.unsettled(result, &DifferenceError{d.differences(ctx, State{Newest: result.Newest}, rings)})
}

// untaken ends what would use rings that have something of which no record says anything.
func (d *driver) untaken(tags ...records.Found) *DifferenceError {
	e := &DifferenceError{}
	for _, tag := range tags {
		e.Differences = append(e.Differences, d.unknownTo(tag))
	}
	return e
}

// unused looks that no ring has anything, as there is no log yet.
func (d *driver) unused(ctx context.Context, root string, rings []string) error {
	digests := make([]string, len(rings))
	err := d.project.pace.Each(len(rings), func(i int) (err error) {
		digests[i], _, err = d.repository(root).Head(ctx, rings[i])
		return err
	})
	if err != nil {
		return err
	}
	var tags []records.Found
	for i, digest := range digests {
		if digest != "" && !records.IsNothing(digest) {
			tags = append(tags, records.Found{Content: records.Content{Repository: root, Tag: rings[i], Digest: digest}})
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return d.untaken(tags...)
}

// maxWalk is how many records are searched for who moved a ring.
const maxWalk = 50

// mover is the record that moved a ring last; nil if it is not found soon, or cannot be
// read: what it is for does without it.
func (d *driver) mover(ctx context.Context, newest records.Sealed, ring string) *records.Record {
	if _, known := newest.Record.After[ring]; !known {
		return nil
	}
	left := maxWalk
	for sealed, err := range d.log.Back(ctx, newest) {
		if err != nil {
			return nil
		}
		if before, found := sealed.Record.Before[ring]; !found || before != sealed.Record.After[ring] {
			return &sealed.Record
		}
		if left--; left == 0 {
			break
		}
	}
	return nil
}

// mend is the command that lets a tag name what the log says.
const mend = "put it back with `quoit repair`"

// putBack is for a tag that does not name what the log says.
func (d *driver) putBack(tag records.Found) error {
	repository := d.repository(tag.Repository)
	return &ForeignError{
		Reference: repository.Reference(tag.Tag), Wanted: tag.Wanted, Got: cmp.Or(tag.Digest, "nothing"),
		Hint: mend,
	}
}
