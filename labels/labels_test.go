package labels

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/versioning"
)

func digestOf(hex string) string { return "sha256:" + hex + strings.Repeat("0", 64-len(hex)) }

// shop is a release with something in every field.
func shop() versioning.Release {
	one, two := versioning.Version{Major: 1}, versioning.Version{Minor: 2, Patch: 3}
	return versioning.Release{
		Project: "acme/shop", Root: "deploy",
		Images: map[string]versioning.Image{
			"base":   {Version: one, Revision: digestOf("ba"), Platforms: []string{"linux/amd64", "linux/arm/v7"}, Externals: map[string]string{"docker.io/library/golang:1.26": digestOf("60")}},
			"api":    {Version: two, Revision: digestOf("a1"), Platforms: []string{"linux/amd64"}, Dependencies: map[string]versioning.Version{"base": one}},
			"deploy": {Version: two, Revision: digestOf("de"), Dependencies: map[string]versioning.Version{"base": one, "api": two}},
		},
		Externals: map[string]versioning.External{"postgres": {Reference: "docker.io/library/postgres:17", Digest: digestOf("17")}},
		Retired:   map[string]versioning.Version{"cart": two},
		Parents:   []versioning.Parent{{Version: one, Digest: digestOf("d1")}, {Version: two}},
		Source:    "https://example.com/acme/shop.git", Commit: "c0ffee",
	}
}

// rootInfo is what a plan would say of the root image of a release.
func rootInfo(release versioning.Release) ImageInfo {
	root := release.Images[release.Root]
	return ImageInfo{
		Project: release.Project, Name: release.Root, Version: root.Version, Revision: root.Revision,
		Identity: release.Identity(release.Root), Dependencies: root.Dependencies,
	}
}

func rootLabels(t testing.TB, release versioning.Release) map[string]string {
	t.Helper()
	labels, err := Root(rootInfo(release), release)
	if err != nil {
		t.Fatal(err)
	}
	return labels
}

func TestLabelsOfAnImage(t *testing.T) {
	got := Image(ImageInfo{
		Project: "acme/shop", Name: "api", Version: versioning.Version{Minor: 3, Patch: 1}, Revision: digestOf("a1"), Identity: digestOf("1d"),
		Vendor: "ACME Inc.", BaseName: "docker.io/library/alpine:3", BaseDigest: digestOf("a3"),
		Dependencies: map[string]versioning.Version{"base": {Major: 1}, "mailer": {Minor: 2}},
	})
	want := map[string]string{
		"org.opencontainers.image.version":     "0.3.1",
		"org.opencontainers.image.revision":    digestOf("a1"),
		"org.opencontainers.image.ref.name":    "acme/shop/api",
		"org.opencontainers.image.vendor":      "ACME Inc.",
		"org.opencontainers.image.base.name":   "docker.io/library/alpine:3",
		"org.opencontainers.image.base.digest": digestOf("a3"),
		"dependency.base":                      "1.0.0",
		"dependency.mailer":                    "0.2.0",
		"io.github.quoitbuild.identity":        digestOf("1d"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	for key := range Image(ImageInfo{Project: "acme/shop", Name: "api", Revision: "r", Identity: "i"}) {
		if key == Vendor || key == BaseName || key == BaseDigest {
			t.Errorf("%s is set without a value", key)
		}
	}
}

func TestInfoTakesAllButVendorAndBaseFromThePlan(t *testing.T) {
	plan := versioning.Plan{Project: "acme/shop"}
	image := versioning.ImagePlan{Name: "api", Version: versioning.Version{Minor: 1}, Revision: "r", Identity: "i", Dependencies: map[string]versioning.Version{"base": {Major: 1}}}
	want := ImageInfo{Project: "acme/shop", Name: "api", Version: versioning.Version{Minor: 1}, Revision: "r", Identity: "i", Dependencies: image.Dependencies}
	if diff := cmp.Diff(want, Info(plan, image)); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
}

// Golden: other programs read this label too.
func TestTheReleaseIsFrozen(t *testing.T) {
	want := `{"schema":1,"project":"acme/shop","root":"deploy","images":{` +
		`"api":{"version":"0.2.3","revision":"` + digestOf("a1") + `","platforms":["linux/amd64"],"dependencies":{"base":"1.0.0"}},` +
		`"base":{"version":"1.0.0","revision":"` + digestOf("ba") + `","platforms":["linux/amd64","linux/arm/v7"],"externals":{"docker.io/library/golang:1.26":"` + digestOf("60") + `"}},` +
		`"deploy":{"version":"0.2.3","revision":"` + digestOf("de") + `","dependencies":{"api":"0.2.3","base":"1.0.0"}}},` +
		`"externals":{"postgres":{"reference":"docker.io/library/postgres:17","digest":"` + digestOf("17") + `"}},` +
		`"retired":{"cart":"0.2.3"},` +
		`"parents":[{"version":"1.0.0","digest":"` + digestOf("d1") + `"},{"version":"0.2.3"}],` +
		`"source":"https://example.com/acme/shop.git","commit":"c0ffee"}`
	for range 25 {
		if diff := cmp.Diff(want, rootLabels(t, shop())[Release]); diff != "" {
			t.Fatalf("release (-want +got):\n%s", diff)
		}
	}
}

func TestReservedKeys(t *testing.T) {
	mine := map[string]string{"team": "checkout", "org.opencontainers.image.title": "Shop", "dependency": "", "io.github.quoitbuilder": ""}
	all := rootLabels(t, shop())
	all[Vendor], all[BaseName], all[BaseDigest], all[Record], all["dependency."] = "", "", "", "", ""
	for key := range all {
		if !Reserved(key) {
			t.Errorf("%s is not reserved", key)
		}
	}
	maps.Copy(all, mine)
	stripped := Strip(all)
	if diff := cmp.Diff(mine, all); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	want := []string{
		"dependency.", "dependency.api", "dependency.base", Identity, Record, Release,
		BaseDigest, BaseName, RefName, Revision, Vendor, Version,
	}
	if diff := cmp.Diff(want, stripped); diff != "" {
		t.Errorf("stripped, sorted (-want +got):\n%s", diff)
	}
	if again := Strip(all); again != nil {
		t.Errorf("stripped twice: %v", again)
	}
}

func TestAnnotationsLackTheRelease(t *testing.T) {
	labels := rootLabels(t, shop())
	labels["team"] = "checkout"
	want := Image(rootInfo(shop()))
	if diff := cmp.Diff(want, Annotations(labels)); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestParseReadsWhatRootWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		release := drawn(t)
		labels, err := Root(rootInfo(release), release)
		if err != nil {
			t.Fatal(err)
		}
		labels["team"] = "checkout"
		got, err := Parse(labels)
		if diff := cmp.Diff(release, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		if release.Identity(release.Root) != got.Identity(got.Root) {
			t.Fatal("the identity is another one")
		}
	})
}

// drawn draws a release that could be: whole and without a circle.
func drawn(t *rapid.T) versioning.Release {
	version := rapid.Custom(func(t *rapid.T) versioning.Version {
		number := rapid.Uint64Max(999_999_999_999_999)
		return versioning.Version{Major: number.Draw(t, "major"), Minor: number.Draw(t, "minor"), Patch: number.Draw(t, "patch")}
	})
	name := rapid.StringMatching(`[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}`)
	digest := rapid.StringMatching(`sha256:[0-9a-f]{64}`)
	reference := rapid.StringMatching(`[a-z0-9./:@<>&#"\\]{1,40}`)
	names := rapid.SliceOfNDistinct(name, 1, 6, rapid.ID).Draw(t, "names")
	release := versioning.Release{Project: name.Draw(t, "p") + "/" + name.Draw(t, "q"), Root: names[len(names)-1], Images: map[string]versioning.Image{}}
	for i, image := range names {
		needs := map[string]versioning.Version{}
		for _, need := range names[:i] {
			if i == len(names)-1 || rapid.Bool().Draw(t, "needs") {
				needs[need] = release.Images[need].Version
			}
		}
		var runtime []string
		for _, need := range slices.Sorted(maps.Keys(needs)) {
			if i < len(names)-1 && rapid.Bool().Draw(t, "only when it runs") {
				runtime = append(runtime, need)
			}
		}
		release.Images[image] = versioning.Image{
			Runtime: runtime, Version: version.Draw(t, "version"), Revision: digest.Draw(t, "revision"), Dependencies: needs,
			Platforms: rapid.SliceOfN(rapid.SampledFrom([]string{"linux/amd64", "linux/arm/v7", "windows(10.0.17763)/amd64"}), 0, 3).Draw(t, "platforms"),
			Externals: rapid.MapOfN(reference, digest, 0, 3).Draw(t, "externals"),
		}
	}
	for _, external := range rapid.SliceOfN(name, 0, 3).Draw(t, "externals") {
		if release.Externals == nil {
			release.Externals = map[string]versioning.External{}
		}
		release.Externals[external] = versioning.External{Reference: reference.Draw(t, "reference"), Digest: digest.Draw(t, "digest")}
	}
	release.Retired = rapid.MapOfN(name, version, 0, 3).Draw(t, "retired")
	for image := range release.Images {
		delete(release.Retired, image)
	}
	for range rapid.IntRange(0, 3).Draw(t, "parents") {
		release.Parents = append(release.Parents, versioning.Parent{Version: version.Draw(t, "parent"), Digest: rapid.OneOf(digest, rapid.Just("")).Draw(t, "digest")})
	}
	release.Commit = rapid.StringMatching(`[0-9a-f]{0,40}`).Draw(t, "commit")
	return release
}

func TestAThousandImagesFit(t *testing.T) {
	release := shop()
	root := release.Images["deploy"]
	for i := range 1000 {
		name := fmt.Sprintf("service-number-%d", i)
		release.Images[name] = versioning.Image{
			Version: versioning.Version{Minor: 12, Patch: 34}, Revision: digestOf("12"), Platforms: []string{"linux/amd64", "linux/arm64"},
			Dependencies: map[string]versioning.Version{"base": {Major: 1}}, Externals: map[string]string{"docker.io/library/golang:1.26-alpine3.22": digestOf("60")},
		}
		root.Dependencies[name] = versioning.Version{Minor: 12, Patch: 34}
	}
	if _, err := Parse(rootLabels(t, release)); err != nil {
		t.Error(err)
	}
}

func TestReleasesThatAreNotWritten(t *testing.T) {
	long := shop()
	for i := range 1200 {
		name := fmt.Sprintf("%04d%s", i, strings.Repeat("x", 200))
		long.Images[name] = versioning.Image{Revision: digestOf(""), Externals: map[string]string{strings.Repeat("y", 500): digestOf("")}}
		long.Images["deploy"].Dependencies[name] = versioning.Version{}
	}
	_, err := Root(rootInfo(long), long)
	if err == nil || !strings.Contains(err.Error(), "bytes for its 1203 images, a label holds 1048576") {
		t.Errorf("a release that is too long: %v", err)
	}
	broken := shop()
	broken.Commit = "one line\nanother"
	want := `writing the release of acme/shop: the commit "one line\nanother" is longer than 2048 bytes or has control characters`
	if _, err := Root(rootInfo(broken), broken); err == nil || err.Error() != want {
		t.Errorf("a release that could not be read: %v", err)
	}
}

func TestUnknownFieldsOfTheSameSchemaAreIgnored(t *testing.T) {
	labels := rootLabels(t, shop())
	labels[Release] = strings.Replace(labels[Release], `{"schema":1,`, `{"schema":1,"mood":{"is":["good"]},`, 1)
	got, err := Parse(labels)
	if diff := cmp.Diff(shop(), got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestTheReleaseAloneIsEnough(t *testing.T) {
	all := rootLabels(t, shop())
	if _, err := Parse(map[string]string{Release: all[Release]}); err != nil {
		t.Error(err)
	}
	if _, err := ParseRelease([]byte(all[Release])); err != nil {
		t.Error(err)
	}
}

func TestErrorsHaveTypes(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"no labels":           nil,
		"somebody's labels":   {"team": "checkout"},
		"one of our siblings": Image(rootInfo(shop())),
	} {
		if _, err := Parse(labels); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Parse(map[string]string{Release: `{"schema":3,"images":["another form"]}`})
	newer := new(SchemaError)
	if !errors.As(err, &newer) || *newer != (SchemaError{Got: 3, Known: 2}) {
		t.Errorf("a newer schema: %v", err)
	}
	if want := "the release was written by a newer quoit (schema 3, this one knows 2): update quoit"; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Parse(map[string]string{Release: `{"schema":1}`})
	broken := new(KeyError)
	if !errors.As(err, &broken) || broken.Key != Release || broken.Unwrap() == nil {
		t.Errorf("a broken release: %v", err)
	}
}

// change edits the JSON of the release, in a form that has no types.
func change(t testing.TB, edit func(map[string]any)) string {
	t.Helper()
	var free map[string]any
	if err := json.Unmarshal([]byte(rootLabels(t, shop())[Release]), &free); err != nil {
		t.Fatal(err)
	}
	edit(free)
	data, err := json.Marshal(free)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A release says by which scheme its revisions were computed: in a form that an older
// quoit refuses, as it would take them for others; the form of an older release stays.
func TestSchemesOfRevisions(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(*versioning.Image)
		schema string
	}{
		"none":         {func(*versioning.Image) {}, `{"schema":1,`},
		"the second":   {func(i *versioning.Image) { i.Scheme = 2 }, `{"schema":2,`},
		"noted beside": {func(i *versioning.Image) { i.Scheme, i.Noted = 2, digestOf("2") }, `{"schema":2,`},
	} {
		t.Run(name, func(t *testing.T) {
			release := shop()
			image := release.Images["api"]
			c.edit(&image)
			release.Images["api"] = image
			data, err := FormatRelease(release)
			if err != nil || !strings.HasPrefix(string(data), c.schema) {
				t.Fatalf("%s, error %v, want %s…", data, err, c.schema)
			}
			read, err := ParseRelease(data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(release, read); diff != "" {
				t.Errorf("what is read (-written +read):\n%s", diff)
			}
		})
	}
	for name, edit := range map[string]func(*versioning.Image){
		"a scheme that is not known":         func(i *versioning.Image) { i.Scheme = 3 },
		"a revision of it that is no digest": func(i *versioning.Image) { i.Scheme, i.Noted = 2, "sha256:1" },
	} {
		release := shop()
		image := release.Images["api"]
		edit(&image)
		release.Images["api"] = image
		if _, err := FormatRelease(release); err == nil {
			t.Errorf("%s is written", name)
		}
	}
}
