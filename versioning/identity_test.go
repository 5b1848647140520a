package versioning

import (
	"slices"
	"testing"
)

// Golden: another identity for the same image would let every adoption fail.
func TestIdentityIsFrozen(t *testing.T) {
	image := Image{
		Version: v("1.2.3"), Revision: "sha256:ab", Platforms: []string{"linux/arm64", "linux/amd64"},
		Dependencies: map[string]Version{"base": v("1.0.0")}, Externals: map[string]string{"alpine:3": "sha256:cd"},
	}
	if got, want := Identity(image), "sha256:5ca780e26c702b9b6c9fb9f256511bb05863c6452a509bef541d78fac5c0582a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	release := Release{
		Root: "deploy", Images: map[string]Image{"deploy": image}, Externals: map[string]External{"db": {"postgres:17", "sha256:ef"}},
		Retired: map[string]Version{"old": v("0.1.0")}, Parents: []Parent{{v("1.2.2"), "sha256:01"}}, Commit: "c0ffee",
	}
	if got, want := release.Identity("deploy"), "sha256:f276424a19ce74059d858b2c2573af0a35e6b689d1d6ebe27ef16cede9ef0713"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestIdentityCoversEverythingButTheVersion(t *testing.T) {
	base := func() (Image, Release) {
		image := Image{Revision: "a", Platforms: []string{"p", "q"}, Dependencies: map[string]Version{"d": v("1.0.0")}, Externals: map[string]string{"e": "f"}}
		return image, Release{Root: "r", Externals: map[string]External{"x": {"y", "z"}}, Retired: map[string]Version{"o": v("0.1.0")}, Parents: []Parent{{v("0.2.0"), "g"}}}
	}
	identity := func(edit func(*Image, *Release)) string {
		image, release := base()
		edit(&image, &release)
		if release.Images == nil {
			release.Images = map[string]Image{}
		}
		release.Images["r"] = image
		return release.Identity("r")
	}
	same := identity(func(*Image, *Release) {})
	for name, edit := range map[string]func(*Image, *Release){
		"its version":            func(i *Image, _ *Release) { i.Version = v("9.9.9") },
		"the order of platforms": func(i *Image, _ *Release) { slices.Reverse(i.Platforms) },
		"the commit":             func(_ *Image, r *Release) { r.Source, r.Commit = "s", "c" },
	} {
		if identity(edit) != same {
			t.Errorf("%s is part of the identity", name)
		}
	}
	seen := map[string]string{same: "nothing"}
	for name, edit := range map[string]func(*Image, *Release){
		"the revision":               func(i *Image, _ *Release) { i.Revision = "b" },
		"a platform":                 func(i *Image, _ *Release) { i.Platforms = []string{"p"} },
		"two platforms as one":       func(i *Image, _ *Release) { i.Platforms = []string{"p q"} },
		"a dependency":               func(i *Image, _ *Release) { i.Dependencies = nil },
		"a dependency's version":     func(i *Image, _ *Release) { i.Dependencies = map[string]Version{"d": v("1.0.1")} },
		"an external":                func(i *Image, _ *Release) { i.Externals = map[string]string{"ef": ""} },
		"an external's digest":       func(i *Image, _ *Release) { i.Externals = map[string]string{"e": "g"} },
		"an external of the release": func(_ *Image, r *Release) { r.Externals = nil },
		"its digest":                 func(_ *Image, r *Release) { r.Externals = map[string]External{"x": {"y", "zz"}} },
		"a retired image":            func(_ *Image, r *Release) { r.Retired = nil },
		"what another image needs when it runs": func(_ *Image, r *Release) {
			r.Images = map[string]Image{"x": {Runtime: []string{"y"}}}
		},
		"a parent":          func(_ *Image, r *Release) { r.Parents = nil },
		"a parent's digest": func(_ *Image, r *Release) { r.Parents = []Parent{{v("0.2.0"), ""}} },
	} {
		got := identity(edit)
		if other, taken := seen[got]; taken {
			t.Errorf("%s gives the same identity as %s", name, other)
		}
		seen[got] = name
	}
}

// What an image needs when it runs is not what it was made from.
func TestIdentityWithoutRunTimeDependencies(t *testing.T) {
	image := Image{Revision: "a", Dependencies: map[string]Version{"d": v("1.0.0")}}
	same := Identity(image)
	image.Dependencies["m"], image.Runtime = v("2.0.0"), []string{"m"}
	if Identity(image) != same {
		t.Error("what an image needs when it runs is part of its identity")
	}
}
