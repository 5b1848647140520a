package versioning

import (
	"cmp"
	"maps"
	"slices"
	"sync"
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

// Lookup answers by the log alone: a taken version has the identity that a release of
// held says, which are those that rings have, and none if no release has it. Held is
// asked once, and only when a version is taken.
func (a Assigned) Lookup(held func() ([]Release, error)) Lookup {
	held = sync.OnceValues(held)
	return func(image string, v Version) (string, bool, error) {
		if !a.Taken(image, v) {
			return "", false, nil
		}
		releases, err := held()
		if err != nil {
			return "", false, err
		}
		for _, release := range releases {
			if release.Images[image].Version == v {
				return release.Identity(image), true, nil
			}
		}
		return "", true, nil
	}
}

// With returns a with versions of images, by name, which the release of that number
// has; 0 if none does. A version of a line that a does not know ([Assigned.Knows]) is left
// out, as what is above it would be free then: see [Assigned.Recall].
func (a Assigned) With(release uint64, versions map[string]Version) Assigned {
	with := a.clone()
	for image, v := range versions {
		if a.Knows(image, v) {
			with[image] = a.with(release, image, v)
		}
	}
	return with
}

// Recall returns a with versions of images, by name, which the release of that number has,
// when a ring gets it back. Of a line that a knows no longer the tags of its image show what
// was assigned; those that others pushed count too, but for those that
// [Assigned.WithTags] leaves out.
func (a Assigned) Recall(release uint64, versions map[string]Version, tags map[string][]Version) Assigned {
	with := a.clone()
	for image, v := range versions {
		if !a.Knows(image, v) {
			v = v.last(tags[image])
		}
		with[image] = a.with(release, image, v)
	}
	return with
}

// last is the highest of a version and of those tags of its line that are within reach.
func (v Version) last(tags []Version) Version {
	last := v
	for _, tag := range slices.SortedFunc(slices.Values(tags), Version.Compare) {
		if tag.line() == v.line() && tag.Compare(last) > 0 && tag.Patch-last.Patch <= reach {
			last = tag
		}
	}
	return last
}

func (a Assigned) clone() Assigned {
	if a == nil {
		return Assigned{}
	}
	return maps.Clone(a)
}

func (a Assigned) with(release uint64, image string, v Version) []Line {
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
	return lines
}

// WithTags returns a with what the tags of images show: the highest version of each
// line that a knows, and of each major. It is for images of which the log does not know
// all that was assigned. Tags that others pushed count too, so numbers may be passed over,
// but not so many that none would be left: a tag that is more than 1,000 minors, or patches,
// above the one before it is left out.
func (a Assigned) WithTags(tags map[string][]Version) Assigned {
	with := a.clone()
	for image := range tags {
		sorted := a.within(image, tags[image])
		for i, v := range sorted {
			_, found := with.find(image, v)
			if highest := i+1 == len(sorted) || sorted[i+1].Major != v.Major; found || highest && with.Knows(image, v) {
				with[image] = with.with(0, image, v)
			}
		}
	}
	return with
}

// reach is how far above what is there a tag counts.
const reach = 1000

// within are the tags that are within reach, and the versions that a knows, sorted.
func (a Assigned) within(image string, tags []Version) []Version {
	all := slices.Clone(tags)
	for _, line := range a[image] {
		all = append(all, line.Version)
	}
	slices.SortFunc(all, Version.Compare)
	near, last := all[:0], Version{}
	for _, v := range all {
		if v.Major != last.Major {
			last = Version{Major: v.Major}
		}
		minors, patches := v.Minor-last.Minor, v.Patch
		if minors == 0 {
			patches -= last.Patch
		}
		if minors <= reach && patches <= reach || a.Taken(image, v) {
			near, last = append(near, v), v
		}
	}
	return near
}

// Burn returns a in which a version counts as assigned that was free but has a tag, by
// which somebody else took it. So do those that may be chosen instead and have a tag, too:
// the next choice has none, unless one is added.
func (a Assigned) Burn(image string, v Version, tags []Version) Assigned {
	there := map[Version]bool{v: true}
	for _, tag := range tags {
		there[tag] = true
	}
	burn := func(v Version) {
		for ; there[v]; v = v.plusMinor(1) {
			for there[v.plusPatch()] {
				v = v.plusPatch()
			}
			a = a.With(0, map[string]Version{image: v})
		}
	}
	burn(v)
	for _, line := range a[image] {
		burn(line.Version.plusPatch())  // a hotfix
		burn(line.Version.plusMinor(1)) // what [chooser.nextMinor] comes to
	}
	return a
}

// Of returns a without the lines that neither are the highest of their major nor may be
// in one of the releases with these numbers. What may come back without a look at tags has
// to be among them: also what a publish displaces, until it cannot be void any more.
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
