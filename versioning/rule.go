package versioning

// wanted is the table of versions: what a changed image should become, if
// nobody has that version yet. C is its current version, n that in the next
// ring; either may be zero, for none.
func wanted(source Source, c, n Version) Version {
	if c.IsZero() {
		return first(source)
	}
	v := c.plusPatch()
	switch {
	case majorDue(source, c, n):
		v = latest(c, n).plusMajor()
	case behind(c, n):
		v = n.plusMinor(1)
	}
	// The floor only ever raises: a floor below what the other rings have
	// must not lead to a version below theirs.
	return latest(v, source.Floor)
}

// first is the version of an image that never had one.
func first(source Source) Version {
	v := Version{Minor: 1}
	if !source.Floor.IsZero() {
		v = source.Floor
	}
	if source.Major {
		v = latest(v, Version{Major: 1})
	}
	return v
}

// majorDue reports whether a major that was asked for is still to come: asking
// again until the next shift is no second one. Without a next ring nothing
// tells an old major from a new one, so there each request is one.
func majorDue(source Source, c, n Version) bool {
	return source.Major && (n.IsZero() || c.Major <= n.Major)
}

// behind reports whether the next ring has the minor of c or a later one, so
// that patches of c are that ring's.
func behind(c, n Version) bool {
	return !n.IsZero() && n.line().Compare(c.line()) >= 0
}

// hotfix is the version to try when the wanted one is taken, zero for none: a
// patch of c, where c contains what the next ring has, and so would the patch.
//
// That is so when both rings have the same version. It is also so when c is
// already such a patch, but only an outer ring goes on with patches then: the
// first ring would never leave its minor again.
func hotfix(source Source, c, n, wanted Version, outer bool) Version {
	patch := c.plusPatch()
	contains := c == n || outer && c.line() == n.line() && c.Compare(n) > 0
	if n.IsZero() || !contains || wanted != n.plusMinor(1) || patch.Compare(source.Floor) < 0 {
		return Version{}
	}
	return patch
}
