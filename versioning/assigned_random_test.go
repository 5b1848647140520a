package versioning

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// assignment is a log that remembers every version for ever, and what its newest record
// says of them.
type assignment struct {
	assigned Assigned
	releases []map[string]Version // by number, from 1
	burnt    map[string][]Version
	held     []uint64
}

func (a *assignment) ever(image string) []Version {
	versions := slices.Clone(a.burnt[image])
	for _, release := range a.releases {
		if v, has := release[image]; has {
			versions = append(versions, v)
		}
	}
	return versions
}

// hold lets rings have some releases, of which some may come back after long.
func (a *assignment) hold(numbers ...uint64) {
	for _, number := range numbers {
		if slices.Contains(a.held, number) {
			continue
		}
		ever := map[string][]Version{}
		for image := range a.releases[number-1] {
			ever[image] = a.ever(image)
		}
		a.assigned = a.assigned.Recall(number, a.releases[number-1], ever)
	}
	a.held = numbers
	a.assigned = a.assigned.Of(a.held...)
}

// check compares with what was assigned, version by version.
func (a *assignment) check(t *rapid.T, image string) {
	ever := a.ever(image)
	highest := func(of func(Version) bool) (high Version, found bool) {
		for _, v := range ever {
			if of(v) {
				high, found = latest(high, v), true
			}
		}
		return high, found
	}
	holds := func(line Version) bool {
		return slices.ContainsFunc(a.held, func(number uint64) bool {
			v, has := a.releases[number-1][image]
			return has && v.line() == line
		})
	}
	for _, v := range everyVersion() {
		taken, known := a.assigned.Taken(image, v), a.assigned.Knows(image, v)
		if slices.Contains(ever, v) && !taken {
			t.Fatalf("%s %s was assigned and is free in %v", image, v, a.assigned[image])
		}
		major, any := highest(func(w Version) bool { return w.Major == v.Major })
		last, _ := highest(func(w Version) bool { return w.line() == v.line() })
		exact := !any || v.line().Compare(major.line()) >= 0 || holds(v.line())
		if exact && (!known || taken != (v.Compare(last) <= 0)) {
			t.Fatalf("%s %s is taken: %v, known: %v in %v, the highest of its line was %s", image, v, taken, known, a.assigned[image], last)
		}
		if !known && !taken {
			t.Fatalf("%s %s is free in a line that is not known", image, v)
		}
	}
}

func everyVersion() (all []Version) {
	for major := range uint64(3) {
		for minor := range uint64(6) {
			for patch := range uint64(5) {
				all = append(all, Version{major, minor, patch})
			}
		}
	}
	return all[1:] // 0.0.0 is no version
}

// What was assigned is never free again, and what is known is exact.
func TestAssignedRemembers(t *testing.T) {
	images := []string{"api", "web"}
	check(t, func(t *rapid.T) {
		a := &assignment{burnt: map[string][]Version{}}
		some := rapid.Custom(func(t *rapid.T) []uint64 {
			numbers := rapid.SliceOfN(rapid.Uint64Range(1, uint64(len(a.releases))), 0, 4).Draw(t, "releases")
			slices.Sort(numbers)
			return slices.Compact(numbers)
		})
		free := func(image string) (all []Version) {
			for _, v := range everyVersion() {
				if !a.assigned.Taken(image, v) {
					all = append(all, v)
				}
			}
			return all
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				release := map[string]Version{}
				for _, image := range images {
					if versions := free(image); len(versions) > 0 && rapid.Bool().Draw(t, image) {
						release[image] = rapid.SampledFrom(versions).Draw(t, "new")
					} else if len(a.held) > 0 { // as a release has it that a ring has
						if v, has := a.releases[rapid.SampledFrom(a.held).Draw(t, "of")-1][image]; has {
							release[image] = v
						}
					}
				}
				a.releases = append(a.releases, release)
				number := uint64(len(a.releases))
				a.assigned = a.assigned.With(number, release)
				a.held = append(a.held, number)
				a.hold(rapid.SampledFrom([][]uint64{a.held, a.held[1:], {number}, a.held[:len(a.held)-1]}).Draw(t, "held")...)
			},
			"hold": func(t *rapid.T) {
				if len(a.releases) > 0 {
					a.hold(some.Draw(t, "held")...)
				}
			},
			"burn": func(t *rapid.T) {
				image := rapid.SampledFrom(images).Draw(t, "image")
				versions := free(image)
				if len(versions) == 0 {
					return
				}
				v := rapid.SampledFrom(versions).Draw(t, "version")
				tags := rapid.SliceOf(rapid.SampledFrom(everyVersion())).Draw(t, "tags")
				after := a.assigned.Burn(image, v, tags)
				for _, w := range everyVersion() {
					was, is := a.assigned.Taken(image, w), after.Taken(image, w)
					if was && !is {
						t.Fatalf("burning %s frees %s", v, w)
					}
					if is && !was && slices.Contains(append(tags, v), w) {
						a.burnt[image] = append(a.burnt[image], w)
					}
				}
				if !after.Taken(image, v) {
					t.Fatalf("%s is free", v)
				}
				a.assigned = after.Of(a.held...)
			},
			"": func(t *rapid.T) {
				for _, image := range images {
					a.check(t, image)
				}
			},
		})
	})
}

// Whatever tags others push: after one burn the next choice has no tag.
func TestAfterABurnTheChoiceIsFree(t *testing.T) {
	check(t, func(t *rapid.T) {
		version := rapid.Custom(func(t *rapid.T) Version {
			return Version{rapid.Uint64Max(2).Draw(t, "major"), rapid.Uint64Max(9).Draw(t, "minor"), rapid.Uint64Max(3).Draw(t, "patch")}
		})
		numbers, a := rapid.SliceOf(version).Draw(t, "assigned"), Assigned{}
		for n, v := range numbers {
			a = a.With(uint64(n+1), map[string]Version{"api": v})
		}
		if rapid.Bool().Draw(t, "forget") {
			a = a.Of(rapid.Uint64Max(9).Draw(t, "held"))
		}
		tags := rapid.SliceOf(version).Draw(t, "tags")
		wants := []Version{version.Draw(t, "wanted"), {}}
		if lines := a["api"]; len(lines) > 0 && rapid.Bool().Draw(t, "outer") {
			wants[1] = rapid.SampledFrom(lines).Draw(t, "current").Version.plusPatch()
		}
		choose := func() Version {
			c := chooser{name: "api", lookup: a.Lookup(func() ([]Release, error) { return nil, nil })}
			v, _, err := c.choose(wants[0], wants[1])
			fail(t, err)
			return v
		}
		if wants[0].IsZero() {
			return
		}
		if v := choose(); slices.Contains(tags, v) {
			a = a.Burn("api", v, tags)
		}
		if v := choose(); slices.Contains(tags, v) {
			t.Fatalf("%s has a tag", v)
		}
	})
}

// Tags count as assigned, and what lies below the highest of their major.
func TestAssignedByTags(t *testing.T) {
	a := Assigned{}.With(1, map[string]Version{"api": v("0.1.1")}).With(2, map[string]Version{"api": v("0.3.0")})
	a = a.WithTags(map[string][]Version{"api": {v("0.1.4"), v("0.2.7"), v("1.2.0"), v("1.1.9"), v("0.3.2")}, "web": {v("0.2.0")}})
	for text, want := range map[string]bool{
		"0.1.4": true, "0.1.5": false, "0.2.9": true, "0.3.2": true, "0.3.3": false, "0.4.0": false,
		"1.1.10": true, "1.2.0": true, "1.2.1": false, "2.0.0": false,
	} {
		if got := a.Taken("api", v(text)); got != want {
			t.Errorf("%s: taken %v, want %v", text, got, want)
		}
	}
	if a.Taken("web", v("0.3.0")) || !a.Taken("web", v("0.2.0")) {
		t.Errorf("web: %v", a["web"])
	}
}
