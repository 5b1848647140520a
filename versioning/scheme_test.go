package versioning

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// anew is a request of a newer quoit: the sources are those of the current release, which
// has their revisions by the first scheme.
func anew() Request {
	r := shop()
	r.Scheme = 2
	for i := range r.Images {
		r.Images[i].Former = r.Images[i].Revision
		r.Images[i].Revision = digest("2" + r.Images[i].Revision[7:9])
	}
	return r
}

func TestNothingIsReleasedBecauseOfTheScheme(t *testing.T) {
	r := anew()
	plan, err := Changes(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string(nil), summary(plan)); diff != "" {
		t.Errorf("it changes (-want +got):\n%s", diff)
	}
	for name, image := range plan.Release().Images {
		if was := r.State.Current.Release.Images[name]; image.Revision != was.Revision || image.Scheme != 0 || image.Noted != "" {
			t.Errorf("the release says %+v of %s, it was %+v", image, name, was)
		}
	}
	// Without what they were, nobody could tell.
	for i := range r.Images {
		r.Images[i].Former = ""
	}
	if plan, err = Changes(r); err != nil || len(plan.Changed()) != 4 {
		t.Errorf("%q change, error %v", plan.Changed(), err)
	}
}

// The next release has the present revisions of all images: of those that were not built
// beside the old ones, which their labels have.
func TestTheNextReleaseNotesTheScheme(t *testing.T) {
	r := anew()
	r.Images[1].Former, r.Images[1].Revision = digest("a2"), digest("2a2")
	plan, err := Changes(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"api 0.3.2; revision: sources changed: sha256:a1000000… → sha256:2a200000…",
		"deploy 0.4.1; release: api 0.3.1 → 0.3.2",
	}, summary(plan)); diff != "" {
		t.Errorf("what changes (-want +got):\n%s", diff)
	}
	now, was := plan.Release(), r.State.Current.Release
	for name, want := range map[string]Image{
		"base":   {Revision: digest("ba"), Noted: digest("2ba"), Scheme: 2},
		"api":    {Revision: digest("2a2"), Scheme: 2},
		"mailer": {Revision: digest("3a"), Noted: digest("23a"), Scheme: 2},
		"deploy": {Revision: digest("2de"), Scheme: 2},
	} {
		got := now.Images[name]
		if got := (Image{Revision: got.Revision, Noted: got.Noted, Scheme: got.Scheme}); !cmp.Equal(got, want) {
			t.Errorf("%s has %+v, want %+v", name, got, want)
		}
	}
	if now.Identity("base") != was.Identity("base") || now.Images["base"].Version != was.Images["base"].Version {
		t.Error("an image that stays as it is has another identity or version")
	}

	// From then on nobody has to know what they were.
	r.State.Current = &Placed{"developers", digest("d5"), now}
	for i := range r.Images {
		r.Images[i].Former = ""
		if image := now.Images[r.Images[i].Name]; image.Outdated(2) {
			t.Errorf("%s is outdated", r.Images[i].Name)
		}
	}
	if plan, err = Changes(r); err != nil || len(plan.Changed()) > 0 {
		t.Errorf("then %q change, error %v", plan.Changed(), err)
	}
	r.Images[0].Revision = digest("2bb")
	if plan, err = Changes(r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("base 1.4.3; revision: sources changed: sha256:2ba00000… → sha256:2bb00000…", summary(plan)[0]); diff != "" {
		t.Errorf("a change of base (-want +got):\n%s", diff)
	}
	if base := plan.Release().Images["base"]; base.Noted != "" {
		t.Errorf("what was built by the present scheme has %+v", base)
	}
}

// A version that is there already may have been built by an older quoit.
func TestAnImageOfTheFirstSchemeIsAdopted(t *testing.T) {
	r := anew()
	r.Images[2].Former, r.Images[2].Revision = digest("3b"), digest("23b")
	there := Image{Revision: digest("3b")}
	plan, err := Resolve(r, func(image string, v Version) (string, bool, error) {
		if image == "mailer" {
			return Identity(there), true, nil
		}
		return "", false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mailer, _ := plan.Image("mailer")
	if !mailer.Adopted || mailer.Revision != digest("3b") || mailer.Noted != digest("23b") || mailer.Identity != Identity(there) {
		t.Errorf("the plan says %+v", mailer)
	}
}
