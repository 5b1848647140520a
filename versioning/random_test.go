package versioning

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/internal/dose"
)

// Everything that can happen to a project, in any order, over wide worlds.
func TestRandomWorlds(t *testing.T) {
	for range dose.Of(1, 1, 500) { // times rapid's own count
		rapid.Check(t, func(t *rapid.T) {
			w := newWorld(map[string][]string{"lib": {"base"}, "api": {"base", "lib"}, "web": {"lib"}})
			w.edit("base", 1)
			t.Repeat(actions(w))
		})
	}
}

func actions(w *world) map[string]func(*rapid.T) {
	ring := rapid.SampledFrom(w.rings)
	image := rapid.SampledFrom(order)
	version := rapid.Custom(func(t *rapid.T) Version {
		return Version{rapid.Uint64Max(2).Draw(t, "major"), rapid.Uint64Max(6).Draw(t, "minor"), rapid.Uint64Max(3).Draw(t, "patch")}
	})
	return map[string]func(*rapid.T){
		"edit": func(t *rapid.T) { w.edit(image.Draw(t, "image"), rapid.IntRange(1, 3).Draw(t, "revision")) },
		"depend": func(t *rapid.T) { // what comes later is not made from it, and not needed by it
			at := rapid.IntRange(1, 3).Draw(t, "image")
			w.runs[order[at]] = rapid.SliceOfDistinct(rapid.SampledFrom(order[:at]), rapid.ID).Draw(t, "runtime")
		},
		"remove": func(t *rapid.T) { delete(w.sources, rapid.SampledFrom(order[:4]).Draw(t, "image")) },
		"floor": func(t *rapid.T) {
			name := image.Draw(t, "image")
			if source, present := w.sources[name]; present {
				source.Floor = version.Draw(t, "floor")
				w.sources[name] = source
			}
		},
		"foreign": func(t *rapid.T) { w.foreign(image.Draw(t, "image"), version.Draw(t, "version")) },
		"shift":   func(t *rapid.T) { w.shift(ring.Draw(t, "from"), ring.Draw(t, "to")) },
		"empty":   func(t *rapid.T) { w.empty(ring.Draw(t, "ring")) },
		"set": func(t *rapid.T) {
			var releases []Version
			for version, what := range w.registry[rootImage] {
				if what.identity != "" {
					releases = append(releases, version)
				}
			}
			if len(releases) > 0 {
				slices.SortFunc(releases, Version.Compare)
				w.set(ring.Draw(t, "ring"), rapid.SampledFrom(releases).Draw(t, "release"))
			}
		},
		"build": func(t *rapid.T) { fail(t, w.build(wish(t, w))) },
		"void":  func(t *rapid.T) { fail(t, w.void(wish(t, w))) },
	}
}

// wish draws a build in a ring that can be built against, maybe with a major,
// a rebuild or a release of another ring to contain.
func wish(t *rapid.T, w *world) Request {
	request, err := w.request(rapid.SampledFrom(w.rings[:4]).Draw(t, "ring"))
	fail(t, err)
	i := rapid.IntRange(0, len(request.Images)-1).Draw(t, "asked for")
	request.Images[i].Major = rapid.IntRange(0, 9).Draw(t, "major") == 0
	request.Images[i].Rebuild = rapid.IntRange(0, 9).Draw(t, "rebuild") == 0
	if other := w.placed(rapid.SampledFrom(w.rings).Draw(t, "merge")); other != nil {
		request.Merge = []Placed{*other}
	}
	return request
}

func fail(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// In the first ring, where nothing is in the way, the build after a shift bumps
// the minor and those after it the patch; and never does anything collide.
func TestAfterAShiftTheMinorThenThePatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(map[string][]string{"lib": {"base"}, "api": {"lib"}})
		next := 1
		edit := func(t *rapid.T) {
			next++ // sources that come back could be adopted, which is another matter
			w.edit(rapid.SampledFrom([]string{"base", "lib", "api", rootImage}).Draw(t, "image"), next)
		}
		t.Repeat(map[string]func(*rapid.T){
			"edit": edit, "edit more": edit,
			"shift": func(t *rapid.T) { w.shift("developers", rapid.SampledFrom(w.rings[2:]).Draw(t, "to")) },
			"build": func(t *rapid.T) {
				request, err := w.request("developers")
				fail(t, err)
				p, err := Resolve(request, w.lookup)
				fail(t, err)
				for _, image := range p.Images {
					if want := expected(request.State, image); image.Version != want || image.Adopted {
						t.Fatalf("%s is %s, want %s", image.Name, image.Version, want)
					}
				}
				if len(p.Warnings) > 0 {
					t.Fatalf("warnings: %v", p.Warnings)
				}
				fail(t, w.build(request))
			},
		})
	})
}

func expected(state State, image ImagePlan) Version {
	switch {
	case !image.Changed:
		return image.Previous
	case image.Previous.IsZero():
		return Version{Minor: 1}
	case state.Next != nil && state.Next.Release.Images[image.Name].Version == image.Previous:
		return image.Previous.plusMinor(1)
	}
	return image.Previous.plusPatch()
}

// The order in which the caller lists things is not part of a plan.
func TestAPlanDoesNotDependOnTheOrderOfLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := shop()
		request.Images[1].Revision = rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "revision")
		request.Images[3].Dependencies = []string{"api"} // the root's are not looked at
		want, err := Changes(request)
		fail(t, err)
		shuffled := request
		shuffled.Images = slices.Clone(request.Images)
		base := &shuffled.Images[0]
		base.Platforms = rapid.Permutation(base.Platforms).Draw(t, "platforms")
		at := rapid.IntRange(0, 3).Draw(t, "root at")
		root := shuffled.Images[3]
		shuffled.Images = slices.Insert(shuffled.Images[:3], at, root)
		got, err := Changes(shuffled)
		fail(t, err)
		if want.String() != got.String() {
			t.Fatalf("%s\n%s", want, got)
		}
	})
}
