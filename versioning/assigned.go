package versioning

import (
	"cmp"
	"slices"
)

// Assigned says which versions of each image a log has assigned, by the image's name,
// as far as the choice of the next one needs it: a line for the highest minor of each
// major, and for every other minor that a ring still has. Lines are sorted. It is never
// changed in place, so two records may share one.
type Assigned map[string][]Line

// Line is one minor of an image.
type Line struct {
	// Version is the highest one that was assigned in it; those below count as assigned.
	Version Version `json:"version"`
	// First and Last are the numbers of the first and the last release that have an
	// image of the line, 0 if none is known.
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
}

// Taken reports whether a version counts as assigned: it is not above the highest one
// of its line, or its line is not known and lies below the highest of its major.
func (a Assigned) Taken(image string, v Version) bool {
	at, found := a.find(image, v)
	if found {
		return v.Compare(a[image][at].Version) <= 0
	}
	return a.below(image, at, v)
}

// Knows reports whether a version's line is known, or lies above all of its major. What
// was assigned in any other line is not in a any more: [Assigned.Taken] says yes for all
// of it.
func (a Assigned) Knows(image string, v Version) bool {
	at, found := a.find(image, v)
	return found || !a.below(image, at, v)
}

// With returns a with one version more, which the release of that number has; 0 if no
// release does.
func (a Assigned) With(image string, v Version, release uint64) Assigned {
	with := Assigned{}
	for name, lines := range a {
		with[name] = lines
	}
	at, found := a.find(image, v)
	lines := slices.Clone(a[image])
	if !found {
		lines = slices.Insert(lines, at, Line{Version: v})
	}
	line := &lines[at]
	line.Version = latest(line.Version, v)
	if release > 0 {
		line.First, line.Last = min(cmp.Or(line.First, release), release), max(line.Last, release)
	}
	with[image] = lines
	return with
}

// Of returns a without the lines that neither are the highest of their major nor may be
// in one of the releases with these numbers.
func (a Assigned) Of(releases ...uint64) Assigned {
	kept := Assigned{}
	for image, lines := range a {
		for i, line := range lines {
			highest := i+1 == len(lines) || lines[i+1].Version.Major != line.Version.Major
			held := slices.ContainsFunc(releases, func(n uint64) bool { return n > 0 && line.First <= n && n <= line.Last })
			if highest || held {
				kept[image] = append(kept[image], line)
			}
		}
	}
	return kept
}

// find returns where the line of a version is, or would be.
func (a Assigned) find(image string, v Version) (at int, found bool) {
	return slices.BinarySearchFunc(a[image], v.line(), func(line Line, v Version) int { return line.Version.line().Compare(v) })
}

// below reports whether a line that would be at an index has a later one of its major
// behind it.
func (a Assigned) below(image string, at int, v Version) bool {
	return at < len(a[image]) && a[image][at].Version.Major == v.Major
}
