package versioning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The rings that every project has, before and after those that it declares,
// and the word that stands for no ring at all.
const (
	Ante = "ante"
	Post = "post"
	None = "none"
)

// Placed is a release and the ring that has it.
type Placed struct {
	Ring    string
	Digest  string // of the root image, sha256:<hex>
	Release Release
}

// State is what a build has to know about the rings. [Select] makes it.
type State struct {
	Ring  string
	Rings []string // in order, ante and post included
	// Current is what the build continues: the release in Ring or, where that
	// is empty, in the nearest later ring, or else in the nearest earlier one.
	// Nil if no ring has anything.
	Current *Placed
	// Next is the release of the nearest later ring that has one, post
	// included; nil if there is none.
	Next *Placed
}

// RingError says that a ring cannot be built against.
type RingError struct {
	Ring  string
	Rings []string // those that can
}

// Error says why, and which rings there are.
func (e *RingError) Error() string {
	choice := "choose one of " + strings.Join(e.Rings, ", ")
	if e.Ring == Post {
		return "nothing is built against post, releases only get there by a shift: " + choice
	}
	return fmt.Sprintf("there is no ring %q: %s", e.Ring, choice)
}

// Rings returns the declared rings with ante before and post after them.
func Rings(declared []string) []string {
	return append(append([]string{Ante}, declared...), Post)
}

// Unread says which rings have to be read before [Select] can answer, given
// those that were: read has a key for each of them, and nil for an empty one.
// It is empty when nothing more is needed. At first it names the ring and the
// next one; if that does not decide, all the others that may, so that they can
// be read at once.
func Unread(rings []string, ring string, read map[string]*Placed) ([]string, error) {
	at, err := position(rings, ring)
	if err != nil {
		return nil, err
	}
	unread := func(some []string) []string {
		return slices.DeleteFunc(slices.Clone(some), func(name string) bool {
			_, done := read[name]
			return done
		})
	}
	if first := unread(rings[at : at+2]); len(first) > 0 {
		return first, nil
	}
	switch {
	case nearest(rings[at+1:at+2], read) != nil:
		return nil, nil
	case read[ring] != nil:
		return unread(rings[at+1:]), nil
	}
	return unread(rings), nil
}

// Select finds current and next of a ring. Rings are in order, ante first and
// post last; placed has the rings that have a release, and may have nil for
// those that do not. The error is a [*RingError].
func Select(rings []string, ring string, placed map[string]*Placed) (State, error) {
	at, err := position(rings, ring)
	if err != nil {
		return State{}, err
	}
	state := State{Ring: ring, Rings: slices.Clone(rings), Current: placed[ring]}
	state.Next = nearest(rings[at+1:], placed)
	if state.Current == nil {
		state.Current = state.Next
	}
	if state.Current == nil {
		earlier := slices.Clone(rings[:at])
		slices.Reverse(earlier)
		state.Current = nearest(earlier, placed)
	}
	return state, nil
}

// Outer reports whether the ring lies behind the first declared one. There the
// recorded digests of externals are used, and a taken version means a hotfix.
func (s State) Outer() bool { return slices.Index(s.Rings, s.Ring) > 1 }

// position finds a ring that can be built against, so one with a later ring.
func position(rings []string, ring string) (int, error) {
	at := slices.Index(rings, ring)
	if at < 0 || ring == Post || at == len(rings)-1 {
		buildable := slices.DeleteFunc(slices.Clone(rings), func(name string) bool { return name == Post })
		return 0, &RingError{Ring: ring, Rings: buildable}
	}
	return at, nil
}

func nearest(rings []string, placed map[string]*Placed) *Placed {
	for _, ring := range rings {
		if placed[ring] != nil {
			return placed[ring]
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
