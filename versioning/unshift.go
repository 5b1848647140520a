package versioning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Unshift undoes in each of the rings the newest shift S that moved it and was not
// undone there, and holds these rings. Without names it undoes the newest shift that can
// be undone in any ring, in all rings where it can, and holds only these. Everything is
// read before anything is changed:
//
//   - If the ring also gave in S, and S is still the newest shift to undo in the ring
//     that it gave to, it takes what that ring has now, if that equals or descends from
//     what it had before S itself: so a hotfix that was made there comes along.
//   - Otherwise it takes what it had before S. If that is nothing, it becomes empty and
//     keeps only its root.
//
// Held rings are undone like others, as somebody says so. Rings that are no longer
// declared stay as they are. What lay below the undone shifts is for the caller to add
// to the plan's Tops: it is in their records.
//
// Shifts that are undone right after each other leave what was there before them, in
// whatever order the rings are named.
//
// Errors are a [*RingError] and an [*UnshiftError].
func Unshift(state RingState, rings []string) (RingPlan, error) {
	if err := state.known(rings...); err != nil {
		return RingPlan{}, err
	}
	if len(rings) == 0 {
		if rings = state.newestShift(); len(rings) == 0 {
			return RingPlan{}, &UnshiftError{}
		}
	}
	undone, gives, stuck := map[string]Top{}, map[string]Place{}, []StuckRing{}
	for _, ring := range state.Rings {
		if !slices.Contains(rings, ring) {
			continue
		}
		undone[ring], gives[ring] = state.Tops[ring], state.returns(ring)
		if why := state.sticks(ring, gives[ring]); why != "" {
			stuck = append(stuck, StuckRing{Ring: ring, Why: why, Top: undone[ring], Has: state.Table[ring], Back: gives[ring]})
		}
	}
	if len(stuck) > 0 {
		return RingPlan{}, &UnshiftError{Stuck: stuck}
	}
	plan := state.plan(gives, rings)
	plan.Undone = undone
	maps.DeleteFunc(plan.Tops, func(ring string, _ Top) bool { return slices.Contains(rings, ring) })
	return plan, nil
}

// newestShift returns the declared rings in which the newest shift can be undone.
func (s RingState) newestShift() (rings []string) {
	newest := uint64(0)
	for _, ring := range s.Rings {
		newest = max(newest, s.Tops[ring].Record)
	}
	for _, ring := range s.Rings {
		if newest > 0 && s.Tops[ring].Record == newest {
			rings = append(rings, ring)
		}
	}
	return rings
}

// returns is what a ring gets when its newest shift is undone.
func (s RingState) returns(ring string) Place {
	top := s.Tops[ring]
	for to, other := range s.Tops {
		if other.Record == top.Record && other.From == ring && s.Table[to].Descends(top.Displaced) {
			return s.Table[to]
		}
	}
	return top.Displaced
}

// sticks says why the newest shift of a ring cannot be undone, "" if it can.
func (s RingState) sticks(ring string, back Place) Why {
	top, found := s.Tops[ring]
	switch has := s.Table[ring]; {
	case !found:
		return NoShift
	case !has.Descends(top.Given):
		return Replaced
	case has.Same(back):
		return Unchanged
	case !back.Empty() && s.Pruned.Has(back.Release):
		return Pruned
	}
	return ""
}

// Why is a reason not to undo a shift in a ring.
type Why string

// The reasons.
const (
	NoShift   Why = "no shift"  // none is left to undo
	Replaced  Why = "replaced"  // the ring has something else than what descends from what the shift gave it
	Unchanged Why = "unchanged" // the ring would keep what it has
	Pruned    Why = "pruned"    // what it would get back was given up
)

// StuckRing is a ring in which a shift cannot be undone.
type StuckRing struct {
	Ring string
	Why  Why
	Top  Top   // the shift, zero if there is none
	Has  Place // what the ring has
	Back Place // what it would get
	// Moved says which record moved the ring last, like "the set by ann at noon (record
	// 17)", "" if it is not known: for the caller to fill in.
	Moved string
}

// UnshiftError says that nothing is undone, in no ring: in some it cannot be.
type UnshiftError struct {
	Stuck []StuckRing // in order; none if no ring has a shift to undo
}

// Error says why, which record moved each ring last, and what to do instead.
func (e *UnshiftError) Error() string {
	if len(e.Stuck) == 0 {
		return "there is no shift to undo in any ring: `quoit history` shows what was done, and `quoit set RING VERSION` places a release"
	}
	var all []string
	for _, stuck := range e.Stuck {
		all = append(all, stuck.String())
	}
	return strings.Join(all, "; ")
}

// String is the ring's part of the message.
func (r StuckRing) String() string {
	has, version := "is empty", "VERSION"
	if !r.Has.Empty() {
		has = "has " + r.Has.Version.String()
	}
	if r.Moved != "" {
		has += " by " + r.Moved
	}
	shift := fmt.Sprintf("the shift of record %d", r.Top.Record)
	var why string
	switch r.Why {
	case NoShift:
		why = "no shift that moved it is left to undo"
	case Replaced:
		why = fmt.Sprintf("this does not descend from %s, which %s gave it", r.Top.Given.text(r.Has), shift)
		if !r.Back.Empty() && !r.Back.Same(r.Has) {
			version = r.Back.Version.String()
		}
	case Unchanged:
		why = fmt.Sprintf("it would keep that if %s were undone", shift)
	case Pruned:
		why = fmt.Sprintf("%s, which it had before %s, was pruned", r.Back.Version, shift)
	}
	return fmt.Sprintf("%s %s, and %s: place a release with `quoit set %s %s`", r.Ring, has, why, r.Ring, version)
}
