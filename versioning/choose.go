package versioning

import "fmt"

// Lookup tells whether a version of an image exists, and its identity as its
// label says; "" for an image that is not ours, which is equal to no other. An
// error is one of reading, never "not found".
type Lookup func(image string, version Version) (identity string, exists bool, err error)

// fit is what a look-up says of a version for one image.
type fit int

const (
	taken  fit = iota // somebody else's
	free              // nobody's
	same              // exactly what would be built
	former            // the same, by the first scheme of revisions
)

// chooser finds the version of one changed image.
type chooser struct {
	name     string
	identity string
	// settled says that all dependencies exist. If one is still to be built,
	// what exists was made with another build of it, equal identity or not.
	settled bool
	lookup  Lookup
	former  string // the identity by the first scheme of revisions, "" if it is not known
}

// choose returns the wanted version, else the hotfix (zero for none), else the
// next free minor; the first that is free or already holds just this image.
func (c chooser) choose(wanted, hotfix Version) (Version, fit, error) {
	for _, v := range []Version{wanted, hotfix} {
		if v.IsZero() {
			continue
		}
		if found, err := c.try(v); err != nil || found != taken {
			return v, found, err
		}
	}
	return c.nextMinor(wanted)
}

// nextMinor looks 1, 2, 4 … minors after a taken version, then halves the gap.
// Every version that it passes over was found taken, and what it finds is found
// again after an interrupted publish, by the same steps.
func (c chooser) nextMinor(after Version) (Version, fit, error) {
	low, high, most := uint64(0), uint64(1), maxNumber-after.Minor
	for ; ; low, high = high, min(2*high, most) {
		if low == most {
			return Version{}, taken, fmt.Errorf("image %q: every minor tried after %s is taken: set its version: to something free", c.name, after)
		}
		found, err := c.try(after.plusMinor(high))
		if err != nil || found == same || found == former {
			return after.plusMinor(high), found, err
		}
		if found == free {
			break
		}
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		found, err := c.try(after.plusMinor(middle))
		if err != nil || found == same || found == former {
			return after.plusMinor(middle), found, err
		}
		if found == free {
			high = middle
		} else {
			low = middle
		}
	}
	return after.plusMinor(high), free, nil
}

func (c chooser) try(v Version) (fit, error) {
	if !v.bounded() {
		return taken, fmt.Errorf("image %q: there is no version after its last one, its numbers have 15 digits already", c.name)
	}
	identity, exists, err := c.lookup(c.name, v)
	switch {
	case err != nil:
		return taken, fmt.Errorf("looking up %s %s: %w", c.name, v, err)
	case !exists:
		return free, nil
	case c.settled && identity == c.identity:
		return same, nil
	case c.settled && identity != "" && identity == c.former:
		return former, nil
	}
	return taken, nil
}
