package versioning

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxRelease is the greatest number that a release has.
const MaxRelease = 99_999_999

// Lineage is a set of release numbers as sorted, disjoint intervals that do not
// touch: "1-40,57", "" for none. It is a string so that a [Place] compares with
// ==, and only this one form of a set is valid. An invalid lineage counts as an
// empty one: it is nobody's descendant, so it replaces nothing unasked.
type Lineage string

// interval is a range of numbers, both ends in it.
type interval struct{ first, last uint64 }

// Valid reports whether l is canonical: numbers from 1 to [MaxRelease], no
// zeros in front, 1-2 and not 1,2, 1 and not 1-1.
func (l Lineage) Valid() bool {
	_, valid := l.intervals()
	return valid
}

// Has reports whether n is in the set.
func (l Lineage) Has(n uint64) bool {
	intervals, _ := l.intervals()
	return slices.ContainsFunc(intervals, func(i interval) bool { return i.first <= n && n <= i.last })
}

// Union returns the numbers that are in either set.
func (l Lineage) Union(other Lineage) Lineage {
	mine, _ := l.intervals()
	others, _ := other.intervals()
	return lineageOf(append(mine, others...))
}

// With returns the set with n in it. A number that no release can have, 0 or
// above [MaxRelease], is left out.
func (l Lineage) With(n uint64) Lineage {
	intervals, _ := l.intervals()
	if n >= 1 && n <= MaxRelease {
		intervals = append(intervals, interval{n, n})
	}
	return lineageOf(intervals)
}

// intervals returns nil and false for an invalid lineage.
func (l Lineage) intervals() ([]interval, bool) {
	if l == "" {
		return nil, true
	}
	var all []interval
	for part := range strings.SplitSeq(string(l), ",") {
		first, last, isRange := strings.Cut(part, "-")
		i := interval{release(first), release(first)}
		if isRange {
			i.last = release(last)
		}
		if i.first == 0 || i.last < i.first || isRange && i.last == i.first ||
			len(all) > 0 && i.first <= all[len(all)-1].last+1 {
			return nil, false
		}
		all = append(all, i)
	}
	return all, true
}

// release reads a number as lineages have it, 0 if it is none.
func release(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > MaxRelease || strconv.FormatUint(n, 10) != text {
		return 0
	}
	return n
}

// lineageOf sorts the intervals in place and joins those that touch.
func lineageOf(intervals []interval) Lineage {
	slices.SortFunc(intervals, func(a, b interval) int { return cmp.Compare(a.first, b.first) })
	var joined []interval
	for _, i := range intervals {
		if end := len(joined) - 1; end >= 0 && i.first <= joined[end].last+1 {
			joined[end].last = max(joined[end].last, i.last)
			continue
		}
		joined = append(joined, i)
	}
	var parts []string
	for _, i := range joined {
		if i.first == i.last {
			parts = append(parts, fmt.Sprint(i.first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", i.first, i.last))
		}
	}
	return Lineage(strings.Join(parts, ","))
}
