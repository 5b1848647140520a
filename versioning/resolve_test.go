package versioning

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const golang = "docker.io/library/golang:1.26"

// digest is a digest that begins with some hexadecimal digits.
func digest(hex string) string { return "sha256:" + hex + strings.Repeat("0", 64-len(hex)) }

// shop is a request for three images and a root image, all of them as the
// developers' ring has them; testers has an older release.
func shop() Request {
	held := Release{
		Project: "acme/shop", Root: "deploy",
		Images: map[string]Image{
			"base":   {Version: v("1.4.2"), Revision: digest("ba"), Platforms: []string{"linux/amd64", "linux/arm64"}, Externals: map[string]string{golang: digest("60")}},
			"api":    {Version: v("0.3.1"), Revision: digest("a1"), Platforms: []string{"linux/amd64"}, Dependencies: map[string]Version{"base": v("1.4.2")}},
			"mailer": {Version: v("0.2.0"), Revision: digest("3a")},
			"deploy": {Version: v("0.4.0"), Revision: digest("de"), Dependencies: map[string]Version{"base": v("1.4.2"), "api": v("0.3.1"), "mailer": v("0.2.0")}},
		},
		Externals: map[string]External{"postgres": {"docker.io/library/postgres:17", digest("17")}},
		Retired:   map[string]Version{"cart": v("0.5.0")},
		Parents:   []Parent{{v("0.3.9"), digest("d3")}},
		Commit:    "c0ffee",
	}
	older := Release{Root: "deploy", Images: map[string]Image{
		"base": {Version: v("1.3.0")}, "api": {Version: v("0.2.0")}, "mailer": {Version: v("0.2.0")}, "deploy": {Version: v("0.3.0")},
		"cart": {Version: v("0.4.0"), Revision: digest("ca")}, "search": {Version: v("0.7.0"), Revision: digest("5e")},
	}}
	return Request{
		Project: "acme/shop", Registry: "registry.example.com", Root: "deploy", Commit: "decade",
		Images: []Source{
			{Name: "base", Revision: digest("ba"), Platforms: []string{"linux/arm64", "linux/amd64"}, Externals: map[string]string{golang: digest("60")}},
			{Name: "api", Revision: digest("a1"), Platforms: []string{"linux/amd64"}, Dependencies: []string{"base"}},
			{Name: "mailer", Revision: digest("3a")},
			{Name: "deploy", Revision: digest("de")},
		},
		Externals: map[string]External{"postgres": {"docker.io/library/postgres:17", digest("17")}},
		State: State{
			Ring: "developers", Rings: fourRings,
			Current: &Placed{"developers", digest("d4"), held}, Next: &Placed{"testers", digest("d2"), older},
		},
	}
}

// What an image needs when it runs is no reason to make it anew, however long the chain.
func TestRunTimeDependencies(t *testing.T) {
	chain := func() Request { // web → api → mailer, when they run; api is made from base
		r := shop()
		mailer, api, deploy := r.Images[2], r.Images[1], r.Images[3]
		api.Runtime = []string{"mailer"}
		r.Images = []Source{r.Images[0], mailer, api, {Name: "web", Revision: digest("eb"), Runtime: []string{"api", "mailer"}}, deploy}
		r.State.Current.Release = mustResolve(t, r, nothing).Release()
		return r
	}
	for name, test := range map[string]struct {
		edit func(*Request)
		want []string
		deps map[string]string // by image: those that the release has
	}{
		"nothing changes": {func(*Request) {}, nil, map[string]string{"api": "map[base:1.4.2 mailer:0.2.0] [mailer]"}},
		"the first of a chain": {func(r *Request) { r.Images[1].Revision = digest("3b") }, []string{
			"mailer 0.3.0; revision: sources changed: sha256:3a000000… → sha256:3b000000…",
			"deploy 0.4.2; release: mailer 0.2.0 → 0.3.0",
		}, map[string]string{"api": "map[base:1.4.2 mailer:0.3.0] [mailer]", "web": "map[api:0.3.1 mailer:0.3.0] [api mailer]"}},
		"one in the middle": {func(r *Request) { r.Images[2].Revision = digest("a2") }, []string{
			"api 0.3.2; revision: sources changed: sha256:a1000000… → sha256:a2000000…",
			"deploy 0.4.2; release: api 0.3.1 → 0.3.2",
		}, map[string]string{"web": "map[api:0.3.2 mailer:0.2.0] [api mailer]"}},
		"what one in the middle is made from": {func(r *Request) { r.Images[0].Revision = digest("bb") }, []string{
			"base 1.4.3; revision: sources changed: sha256:ba000000… → sha256:bb000000…",
			"api 0.3.2; dependency: base 1.4.2 → 1.4.3",
			"deploy 0.4.2; release: api 0.3.1 → 0.3.2; release: base 1.4.2 → 1.4.3",
		}, nil},
		"it is made from what it also needs when it runs": {func(r *Request) { r.Images[0].Revision, r.Images[2].Runtime = digest("bb"), []string{"base", "mailer"} }, []string{
			"base 1.4.3; revision: sources changed: sha256:ba000000… → sha256:bb000000…",
			"api 0.3.2; dependency: base 1.4.2 → 1.4.3",
			"deploy 0.4.2; release: api 0.3.1 → 0.3.2; release: base 1.4.2 → 1.4.3",
		}, map[string]string{"api": "map[base:1.4.3 mailer:0.2.0] [mailer]"}},
		"one more and one fewer is nothing by itself": {func(r *Request) { r.Images[3].Runtime = []string{"base"} }, nil, map[string]string{
			"web": "map[api:0.3.1 mailer:0.2.0] [api mailer]",
		}},
		"one more and one fewer is told when something is released": {func(r *Request) { r.Images[4].Revision, r.Images[3].Runtime = digest("df"), []string{"base"} }, []string{
			"deploy 0.4.2; revision: sources changed: sha256:de000000… → sha256:df000000…",
		}, map[string]string{"web": "map[base:1.4.2] [base]"}},
		"what it needed goes": {func(r *Request) {
			r.Images[2].Runtime, r.Images[3].Runtime = nil, []string{"api"}
			r.Images = append(r.Images[:1:1], r.Images[2:]...)
		}, []string{
			"deploy 0.4.2; release: mailer retires after 0.2.0",
		}, map[string]string{"api": "map[base:1.4.2] []", "web": "map[api:0.3.1] [api]"}},
		"it is made from what it needed": {func(r *Request) { r.Images[2].Dependencies, r.Images[2].Runtime = []string{"base", "mailer"}, nil }, []string{
			"api 0.3.2; dependency: now needs mailer 0.2.0",
			"deploy 0.4.2; release: api 0.3.1 → 0.3.2",
		}, nil},
		"a release that does not tell which is which": {func(r *Request) { untold(r.State.Current.Release) }, nil, nil},
		"the same, and what is needed changes": {func(r *Request) { untold(r.State.Current.Release); r.Images[1].Revision = digest("3b") }, []string{
			"mailer 0.3.0; revision: sources changed: sha256:3a000000… → sha256:3b000000…",
			"deploy 0.4.2; release: mailer 0.2.0 → 0.3.0",
		}, map[string]string{"api": "map[base:1.4.2 mailer:0.3.0] [mailer]"}},
	} {
		t.Run(name, func(t *testing.T) {
			request := chain()
			test.edit(&request)
			plan := mustResolve(t, request, nothing)
			if diff := cmp.Diff(test.want, summary(plan)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			for name, want := range test.deps {
				image, _ := plan.Image(name)
				if got := fmt.Sprint(image.Dependencies, image.Runtime); got != want {
					t.Errorf("%s has %s, want %s", name, got, want)
				}
			}
			if current := request.State.Current.Release; test.want == nil && !cmp.Equal(current, plan.Release(), equateEmpty) {
				t.Errorf("the release is another one (-current +plan):\n%s", cmp.Diff(current, plan.Release(), equateEmpty))
			}
		})
	}
}

// untold makes a release one of before.
func untold(release Release) {
	for name, image := range release.Images {
		image.Runtime = nil
		release.Images[name] = image
	}
}

// summary lists what changes: name, version and the reasons of each image.
func summary(p Plan) []string {
	var lines []string
	for _, name := range p.Changed() {
		image, _ := p.Image(name)
		line := name + " " + image.Version.String()
		for _, reason := range image.Reasons {
			line += "; " + reason.Kind + ": " + reason.Detail
		}
		lines = append(lines, line)
	}
	return lines
}

func TestReasons(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*Request)
		want []string
	}{
		"nothing changes":                      {func(*Request) {}, nil},
		"another commit with the same sources": {func(r *Request) { r.Commit = "facade" }, nil},
		"sources, and what depends on them": {func(r *Request) { r.Images[0].Revision = digest("bb12345678") }, []string{
			"base 1.4.3; revision: sources changed: sha256:ba000000… → sha256:bb123456…",
			"api 0.3.2; dependency: base 1.4.2 → 1.4.3",
			"deploy 0.4.1; release: api 0.3.1 → 0.3.2; release: base 1.4.2 → 1.4.3",
		}},
		"sources of the root image": {func(r *Request) { r.Images[3].Revision = digest("df") }, []string{
			"deploy 0.4.1; revision: sources changed: sha256:de000000… → sha256:df000000…",
		}},
		"a dependency more, another less": {func(r *Request) {
			r.Images = []Source{r.Images[0], r.Images[2], r.Images[1], r.Images[3]}
			r.Images[2].Dependencies = []string{"mailer"}
		}, []string{
			"api 0.3.2; dependency: no longer needs base 1.4.2; dependency: now needs mailer 0.2.0",
			"deploy 0.4.1; release: api 0.3.1 → 0.3.2",
		}},
		"an external with another digest": {func(r *Request) { r.Images[0].Externals = map[string]string{golang: digest("61")} }, []string{
			"base 1.4.3; external: " + golang + " sha256:60000000… → sha256:61000000…",
			"api 0.3.2; dependency: base 1.4.2 → 1.4.3",
			"deploy 0.4.1; release: api 0.3.1 → 0.3.2; release: base 1.4.2 → 1.4.3",
		}},
		"an external more, another less": {func(r *Request) { r.Images[0].Externals = map[string]string{"alpine": digest("a1")} }, []string{
			"base 1.4.3; external: now reads alpine sha256:a1000000…; external: no longer reads " + golang + " sha256:60000000…",
			"api 0.3.2; dependency: base 1.4.2 → 1.4.3",
			"deploy 0.4.1; release: api 0.3.1 → 0.3.2; release: base 1.4.2 → 1.4.3",
		}},
		"a platform is missing": {func(r *Request) { r.Images[2].Platforms = []string{"linux/arm64", "linux/amd64"} }, []string{
			"mailer 0.3.0; platform: 0.2.0 has no linux/amd64; platform: 0.2.0 has no linux/arm64",
			"deploy 0.4.1; release: mailer 0.2.0 → 0.3.0",
		}},
		"a platform is no longer wanted": {func(r *Request) { r.Images[0].Platforms = []string{"linux/amd64"} }, nil},
		"a floor that rose":              {func(r *Request) { r.Images[2].Floor = v("5.2.0") }, []string{"mailer 5.2.0; floor: the manifest wants 5.2.0 or later", "deploy 0.4.1; release: mailer 0.2.0 → 5.2.0"}},
		"a floor that is reached":        {func(r *Request) { r.Images[2].Floor = v("0.2.0") }, nil},
		"a major":                        {func(r *Request) { r.Images[2].Major = true }, []string{"mailer 1.0.0; major: a major was asked for", "deploy 0.4.1; release: mailer 0.2.0 → 1.0.0"}},
		"a rebuild":                      {func(r *Request) { r.Images[1].Rebuild = true }, []string{"api 0.3.2; rebuild: a rebuild was asked for", "deploy 0.4.1; release: api 0.3.1 → 0.3.2"}},
		"all that can happen to one image": {func(r *Request) {
			r.Images[1] = Source{Name: "api", Revision: digest("a2"), Platforms: []string{"linux/riscv64"}, Externals: map[string]string{"alpine": digest("a1")}, Floor: v("0.9.0"), Major: true, Rebuild: true}
		}, []string{
			"api 1.0.0; revision: sources changed: sha256:a1000000… → sha256:a2000000…; dependency: no longer needs base 1.4.2; external: now reads alpine sha256:a1000000…; " +
				"platform: 0.3.1 has no linux/riscv64; floor: the manifest wants 0.9.0 or later; major: a major was asked for; rebuild: a rebuild was asked for",
			"deploy 0.4.1; release: api 0.3.1 → 1.0.0",
		}},
		"a new image": {func(r *Request) { r.Images = append(r.Images, Source{Name: "web", Revision: digest("eb")}) }, []string{
			"web 0.1.0; new: first version, welcome aboard",
			"deploy 0.4.1; release: web 0.1.0 joins",
		}},
		"an image is removed": {func(r *Request) { r.Images = append(r.Images[:2:2], r.Images[3]) }, []string{
			"deploy 0.4.1; release: mailer retires after 0.2.0",
		}},
		"a retired image returns, the next ring has an older one": {func(r *Request) { r.Images = append(r.Images, Source{Name: "cart", Revision: digest("ca")}) }, []string{
			"cart 0.5.1; new: welcome back, its last version was 0.5.0",
			"deploy 0.4.1; release: cart 0.5.1 joins",
		}},
		"an image that only the next ring has, just as it is there": {func(r *Request) { r.Images = append(r.Images, Source{Name: "search", Revision: digest("5e")}) }, []string{
			"deploy 0.4.1; release: search 0.7.0 joins",
		}},
		"an image that only the next ring has, changed": {func(r *Request) { r.Images = append(r.Images, Source{Name: "search", Revision: digest("5f")}) }, []string{
			"search 0.8.0; revision: sources changed: sha256:5e000000… → sha256:5f000000…",
			"deploy 0.4.1; release: search 0.8.0 joins",
		}},
		"externals of the manifest": {func(r *Request) {
			r.Externals = map[string]External{"postgres": {"docker.io/library/postgres:17", digest("18")}, "redis": {"docker.io/library/redis:8", digest("8")}}
		}, []string{
			"deploy 0.4.1; release: external postgres: docker.io/library/postgres:17 sha256:17000000… → docker.io/library/postgres:17 sha256:18000000…; " +
				"release: external redis joins: docker.io/library/redis:8 sha256:80000000…",
		}},
		"an external of the manifest is removed": {func(r *Request) { r.Externals = nil }, []string{
			"deploy 0.4.1; release: external postgres leaves: docker.io/library/postgres:17 sha256:17000000…",
		}},
		"a hotfix is contained": {func(r *Request) { r.Merge = []Placed{*r.State.Next} }, []string{"deploy 0.4.1; merge: contains 0.3.0 of testers"}},
		"what is contained already": {func(r *Request) {
			r.Merge = []Placed{{Ring: "users", Release: Release{Root: "x", Images: map[string]Image{"x": {Version: v("0.3.9")}}}}, *r.State.Current}
		}, nil},
		"another root image": {func(r *Request) { r.Root = "mailer" }, []string{
			"deploy 0.4.1; dependency: no longer needs api 0.3.1; dependency: no longer needs base 1.4.2; dependency: no longer needs mailer 0.2.0",
			"mailer 0.3.0; release: mailer is the root image now, deploy was it; release: deploy 0.4.0 → 0.4.1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			request := shop()
			test.edit(&request)
			if diff := cmp.Diff(test.want, summary(mustResolve(t, request, nothing))); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMajorIsNotRepeatedBeforeAShift(t *testing.T) {
	request := shop()
	request.State.Next.Release.Images["base"] = Image{Version: v("0.9.0")}
	request.Images[0].Major = true
	plan := mustResolve(t, request, nothing)
	want := []string{"base: no second major, 1.4.2 is above the next ring's 0.9.0 already"}
	if diff := cmp.Diff(want, plan.Warnings); diff != "" || len(plan.Changed()) > 0 {
		t.Errorf("%v changed, warnings (-want +got):\n%s", plan.Changed(), diff)
	}
}

func TestRetiredImages(t *testing.T) {
	request := shop()
	request.Images = append(request.Images[:2:2], request.Images[3], Source{Name: "cart", Revision: digest("ca")})
	plan := mustResolve(t, request, nothing)
	if diff := cmp.Diff(map[string]Version{"mailer": v("0.2.0")}, plan.Retired); diff != "" {
		t.Errorf("mailer retires and cart is back (-want +got):\n%s", diff)
	}
}

func TestTheReleaseOfAPlan(t *testing.T) {
	request := shop()
	unchanged := mustResolve(t, request, nothing)
	if diff := cmp.Diff(request.State.Current.Release, unchanged.Release(), equateEmpty); diff != "" {
		t.Errorf("nothing changed, but the release did (-want +got):\n%s", diff)
	}
	request.Images[1].Revision = digest("a2")
	request.Merge = []Placed{*request.State.Next}
	release := mustResolve(t, request, nothing).Release()
	want := []Parent{{v("0.4.0"), digest("d4")}, {v("0.3.0"), digest("d2")}}
	if diff := cmp.Diff(want, release.Parents); diff != "" {
		t.Errorf("parents (-want +got):\n%s", diff)
	}
	if release.Commit != "decade" || release.Version() != v("0.4.1") || release.Images["base"].Version != v("1.4.2") {
		t.Errorf("the new release is %+v", release)
	}
	digests := map[string]string{golang: digest("60"), "docker.io/library/postgres:17": digest("17")}
	if diff := cmp.Diff(digests, release.Digests()); diff != "" {
		t.Errorf("digests (-want +got):\n%s", diff)
	}
}

func TestAFirstBuild(t *testing.T) {
	request := shop()
	request.State = State{Ring: "developers", Rings: fourRings}
	request.Images[0].Floor = v("3.0.0")
	request.Images[3].Major = true
	plan := mustResolve(t, request, nothing)
	want := []string{
		"base 3.0.0; new: first version, welcome aboard; floor: the manifest wants 3.0.0 or later",
		"api 0.1.0; new: first version, welcome aboard",
		"mailer 0.1.0; new: first version, welcome aboard",
		"deploy 1.0.0; new: first version, welcome aboard; major: a major was asked for",
	}
	if diff := cmp.Diff(want, summary(plan)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if plan.Current != nil || plan.Next != nil || len(plan.Parents) > 0 || len(plan.Retired) > 0 {
		t.Errorf("a first build has a past: %+v", plan)
	}
}

func TestAnEmptyRingContinuesTheLaterOne(t *testing.T) {
	request := shop()
	request.State.Current = request.State.Next
	request.Images = []Source{{Name: "search", Revision: digest("5f")}, {Name: "deploy"}}
	plan := mustResolve(t, request, nothing)
	want := []string{"search 0.8.0", "deploy 0.4.0"}
	for i, line := range summary(plan) {
		if !strings.HasPrefix(line, want[i]+";") {
			t.Errorf("got %s, want %s", line, want[i])
		}
	}
}

func TestAdoption(t *testing.T) {
	request := shop()
	request.Images[0].Revision = digest("bb")
	forecast := mustResolve(t, request, nothing)
	identity := map[string]string{}
	for _, image := range forecast.Images {
		identity[image.Name] = image.Identity
	}
	for name, test := range map[string]struct{ exist, adopted, built string }{
		"nothing was published":               {"", "", "base 1.4.3, api 0.3.2, deploy 0.4.1"},
		"a publish that was interrupted":      {"base api", "base 1.4.3, api 0.3.2", "deploy 0.4.1"},
		"only the ring was not moved":         {"base api deploy", "base 1.4.3, api 0.3.2, deploy 0.4.1", ""},
		"not upon a dependency that is built": {"api", "", "base 1.4.3, api 0.4.0, deploy 0.4.1"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := mustResolve(t, request, func(image string, version Version) (string, bool, error) {
				planned, _ := forecast.Image(image)
				exists := strings.Contains(" "+test.exist+" ", " "+image+" ") && version == planned.Version
				return identity[image], exists, nil
			})
			var adopted, built []string
			for _, name := range plan.Changed() {
				image, _ := plan.Image(name)
				if image.Adopted {
					adopted = append(adopted, name+" "+image.Version.String())
				} else {
					built = append(built, name+" "+image.Version.String())
				}
			}
			got := []string{strings.Join(adopted, ", "), strings.Join(built, ", ")}
			if diff := cmp.Diff([]string{test.adopted, test.built}, got); diff != "" {
				t.Errorf("adopted, built (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestsOutOfOrder(t *testing.T) {
	images := func(sources ...Source) Request { return Request{Root: "deploy", Images: sources} }
	for name, test := range map[string]struct {
		request Request
		want    string
	}{
		"a need that comes later": {images(Source{Name: "api", Dependencies: []string{"base"}}, Source{Name: "base"}, Source{Name: "deploy"}), `image "api" needs "base", which does not come before it`},
		"a need of the root":      {images(Source{Name: "deploy"}, Source{Name: "api", Dependencies: []string{"deploy"}}), `image "api" needs "deploy", which does not come before it`},
		"an image twice":          {images(Source{Name: "api"}, Source{Name: "api"}, Source{Name: "deploy"}), `image "api" has to be in the request exactly once`},
		"the root twice":          {images(Source{Name: "deploy"}, Source{Name: "deploy"}), `image "deploy" has to be in the request exactly once`},
		"no root":                 {images(Source{Name: "api"}), `image "deploy" has to be in the request exactly once`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Resolve(test.request, nothing)
			order := new(OrderError)
			if !errors.As(err, &order) || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAReasonSaysInFieldsWhatItsSentenceSays(t *testing.T) {
	for _, c := range []struct {
		reason Reason
		want   string
	}{
		{Reason{Kind: ReasonNew}, "first version, welcome aboard"},
		{Reason{Kind: ReasonNew, From: "1.2.3"}, "welcome back, its last version was 1.2.3"},
		{Reason{Kind: ReasonDependency, Subject: "base", To: "0.1.0"}, "now needs base 0.1.0"},
		{Reason{Kind: ReasonDependency, Subject: "base", From: "0.1.0"}, "no longer needs base 0.1.0"},
		{Reason{Kind: ReasonExternal, Subject: "alpine:3", From: "sha256:00112233445566", To: "sha256:99887766554433"}, "alpine:3 sha256:00112233… → sha256:99887766…"},
		{Reason{Kind: ReasonRelease, Subject: "external db", To: "postgres:17 sha256:00112233445566"}, "external db joins: postgres:17 sha256:00112233…"},
		{Reason{Kind: ReasonRelease, From: "deploy", To: "site"}, "site is the root image now, deploy was it"},
		{Reason{Kind: ReasonMerge, Subject: "users", To: "1.0.1"}, "contains 1.0.1 of users"},
	} {
		if got := c.reason.told().Detail; got != c.want {
			t.Errorf("%+v: %q, want %q", c.reason, got, c.want)
		}
	}
}
