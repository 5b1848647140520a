package versioning

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/show"
)

// DiscardError says that releases would be replaced by others that do not
// descend from them, so that what was made for their ring would be lost there.
type DiscardError struct {
	Changes []RingChange // at least one, in the order of the rings; From is what would be lost
	// Containing are, by ring of Changes, the nearest ring further in whose release
	// descends from what would be lost, and that release; those that have one.
	Containing map[string]Containing
	// First is a shift that brings a containing release nearer and loses nothing; nil if
	// some ring has none, or if that cannot be.
	First *ShiftRequest
}

// Containing is a release and the ring that has it.
type Containing struct {
	Ring  string
	Place Place
}

// discards returns an error if the plan replaces a release by one that does not
// descend from it, in another ring than those where it may; else nil.
func (s RingState) discards(plan RingPlan, may []string) *DiscardError {
	lost := &DiscardError{Containing: map[string]Containing{}}
	for _, change := range plan.Changes {
		if change.To.Descends(change.From) || slices.Contains(may, change.Ring) {
			continue
		}
		lost.Changes = append(lost.Changes, change)
		for i := slices.Index(s.Rings, change.Ring) - 1; i >= 0; i-- {
			if place := s.Table[s.Rings[i]]; place.Descends(change.From) {
				lost.Containing[change.Ring] = Containing{s.Rings[i], place}
				break
			}
		}
	}
	if len(lost.Changes) == 0 {
		return nil
	}
	return lost
}

// firstly looks for a smaller shift, of a shift that began with the ring of an index:
// up to before the first ring that would lose something.
func (s RingState) firstly(lost *DiscardError, first int, may []string) *ShiftRequest {
	if len(lost.Containing) < len(lost.Changes) {
		return nil
	}
	ring := lost.Changes[0].Ring
	containing := lost.Containing[ring]
	from, last := slices.Index(s.Rings, containing.Ring), slices.Index(s.Rings, ring)-1
	if from >= last {
		return nil
	}
	request := ShiftRequest{From: s.Rings[min(first, from)], To: s.Rings[last], Discard: slices.DeleteFunc(slices.Clone(may), func(name string) bool {
		at := slices.Index(s.Rings, name)
		return at <= min(first, from) || at > last
	})}
	plan, err := Shift(s, request)
	if err != nil || !plan.Table[s.Rings[from+1]].Same(containing.Place) {
		return nil
	}
	if request.From == s.Rings[1] {
		request.From = ""
	}
	return &request
}

// Error names the rings, what they have, what would replace it, and the ways on.
func (e *DiscardError) Error() string {
	var lost, discard, merge, set []string
	for _, change := range e.Changes {
		text := fmt.Sprintf("%s has %s, and %s does not descend from it", change.Ring, change.From.text(change.To), change.To.text(change.From))
		discard = append(discard, "--discard "+change.Ring)
		if containing, found := e.Containing[change.Ring]; found {
			text += fmt.Sprintf(", but %s in %s does", containing.Place.Version, containing.Ring)
			set = append(set, fmt.Sprintf("`quoit set %s %s`", change.Ring, containing.Place.Version))
		} else {
			merge = append(merge, "--merge "+change.Ring)
		}
		lost = append(lost, text)
	}
	giveUp := "give it up with " + strings.Join(discard, " ")
	switch {
	case len(merge) > 0:
		return fmt.Sprintf("%s: %s, or contain it in a new build with quoit build %s", strings.Join(lost, "; "), giveUp, strings.Join(merge, " "))
	case e.First != nil:
		return fmt.Sprintf("%s: let %s come nearer first with `%s`, or %s",
			strings.Join(lost, "; "), e.Containing[e.Changes[0].Ring].Place.Version, e.First.command(), giveUp)
	}
	return fmt.Sprintf("%s: place that there with %s, or %s", strings.Join(lost, "; "), strings.Join(set, " and "), giveUp)
}

// command is the shift as it is written.
func (r ShiftRequest) command() string {
	command := "quoit shift"
	if r.From != "" {
		command += " --from " + r.From
	}
	if r.To != "" {
		command += " --to " + r.To
	}
	for _, ring := range r.Discard {
		command += " --discard " + ring
	}
	return command
}

// text is the version, and the digest too where the other's version is equal.
func (p Place) text(other Place) string {
	if p.Version != other.Version {
		return p.Version.String()
	}
	return fmt.Sprintf("%s (%s)", p.Version, show.Digest(p.Digest))
}
