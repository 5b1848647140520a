package versioning

import "fmt"

// Set places one release in one ring, which may be post, or held: a hold is
// against shifts. A plan without changes means that the ring has it already,
// and there is nothing to do. A [*DiscardError] stops it, unless discard is
// given, if the release does not descend from the one that it would replace.
// Other errors are a [*RingError] for a ring that there is not, and one for a
// place without a release.
func Set(state RingState, ring string, place Place, discard bool) (RingPlan, error) {
	if err := state.known(ring); err != nil {
		return RingPlan{}, err
	}
	if place.Empty() {
		return RingPlan{}, fmt.Errorf("there is no release to set %s to: choose a version that was published", ring)
	}
	plan := state.plan(map[string]Place{ring: place}, nil)
	var may []string
	if discard {
		may = []string{ring}
	}
	if lost := state.discards(plan, may); lost != nil {
		return RingPlan{}, lost
	}
	return plan, nil
}
