package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

func TestPlansThatCannotBePublished(t *testing.T) {
	s := newServer(t)
	first := s.Release(storetest.First, "developers")
	s.Move("users", first.Digests["deploy"])
	image := func(p *store.Publication, name string) *versioning.ImagePlan {
		for i := range p.Plan.Images {
			if p.Plan.Images[i].Name == name {
				return &p.Plan.Images[i]
			}
		}
		return nil
	}
	for want, change := range map[string]func(*store.Publication){
		`the plan is for project "acme/other": open that one`:                                              func(p *store.Publication) { p.Plan.Project = "acme/other" },
		"a plan without a ring cannot be published: build for one of ante, developers, testers, users":     func(p *store.Publication) { p.Plan.Ring = versioning.None },
		`"post" is not a ring that can be published to: build for one of ante, developers, testers, users`: func(p *store.Publication) { p.Plan.Ring = "post" },
		`"beta" is not a ring that can be published to: build for one of ante, developers, testers, users`: func(p *store.Publication) { p.Plan.Ring = "beta" },
		`ring "ante", which the plan calls the next one, does not come after "developers"`:                 func(p *store.Publication) { p.Plan.Next = &versioning.Held{Ring: "ante"} },
		`the plan lacks the root image "root"`:                                                             func(p *store.Publication) { p.Plan.Root = "root" },
		`image "mail" has no version: what is built without state cannot be published`:                     func(p *store.Publication) { image(p, "mail").Version = versioning.Version{} },
		`image "mail" was not pushed: there is no digest of it`:                                            func(p *store.Publication) { delete(p.Digests, "mail") },
		`image "mail" was pushed as "latest", which is not sha256: and 64 hexadecimal digits`:              func(p *store.Publication) { p.Digests["mail"] = "latest" },
		`image "mail" changes, and the root image "deploy" does not`:                                       func(p *store.Publication) { image(p, "deploy").Changed = false },
		`the plan has an unchanged root image "deploy" but no current release`: func(p *store.Publication) {
			image(p, "deploy").Changed, p.Plan.Current = false, nil
		},
		`image "deploy" is in a cycle of images that need each other`: func(p *store.Publication) {
			image(p, "mail").Dependencies = map[string]versioning.Version{"deploy": {}}
		},
	} {
		t.Run(want, func(t *testing.T) {
			publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
			change(&publication)
			_, err := s.Open(nil).Publish(context.Background(), publication)
			var failed *store.PublishError
			if !errors.As(err, &failed) || failed.Err.Error() != want || !strings.HasSuffix(err.Error(), " (nothing was written)") {
				t.Errorf("error %v", err)
			}
			if requests := s.Requests(); len(requests) != 0 {
				t.Errorf("requests %q", requests)
			}
		})
	}
}

func TestWritesAreInLevels(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	levels, total, ring, err := store.Levels(publication, storetest.Project)
	must(t, err)
	if diff := cmp.Diff([]string{"base mail", "api web", "jobs", "deploy"}, levels); diff != "" {
		t.Error(diff)
	}
	if total != 7 || ring.String() != "deploy:developers" {
		t.Errorf("%d writes, the last %s", total, ring)
	}
}

func TestOutcomeTexts(t *testing.T) {
	version := versioning.Version{Major: 1, Minor: 4, Patch: 2}
	moved := store.Outcome{
		Project: storetest.Project, Ring: "developers", Root: "deploy", Version: version, Digest: "sha256:cd", Moved: true, Done: true, Existed: []store.Tag{},
		Written: []store.Tag{{"api", "1.0.10", "sha256:ab"}, {"deploy", "1.4.2", "sha256:cd"}, {"deploy", "developers", "sha256:cd"}},
	}
	stopped := moved
	stopped.Moved, stopped.Done, stopped.Written = false, false, moved.Written[:1]
	done := moved
	done.Moved, done.Written = false, []store.Tag{}
	for want, outcome := range map[string]store.Outcome{
		"developers has acme/shop 1.4.2 now\n  api:1.0.10         sha256:ab\n  deploy:1.4.2       sha256:cd\n  deploy:developers  sha256:cd": moved,
		"it is not known whether developers has acme/shop 1.4.2\n  api:1.0.10  sha256:ab":                                                    stopped,
		"nothing to publish: developers has acme/shop 1.4.2 already":                                                                         done,
	} {
		if got := outcome.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	data, err := json.Marshal(done)
	must(t, err)
	want := `{"project":"acme/shop","ring":"developers","root":"deploy","version":"1.4.2","digest":"sha256:cd","written":[],"existed":[],"moved":false,"done":true}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func TestErrorsThatSayHowFarItGot(t *testing.T) {
	moved := &store.MovedError{Ring: "users", Was: &versioning.Held{Version: versioning.Version{Minor: 1}}}
	base := store.PublishError{Project: storetest.Project, Ring: "users", Version: versioning.Version{Major: 1}, Err: errors.New("it broke")}
	at := func(written int, unclear []string, err error) *store.PublishError {
		e := base
		e.Written, e.Unclear = written, unclear
		if err != nil {
			e.Err = err
		}
		return &e
	}
	for want, err := range map[string]error{
		"it broke (nothing was written)":                                                                                                        at(0, nil, nil),
		"it broke (1 tag was written; run the same command again, it resumes)":                                                                  at(1, nil, nil),
		"it broke (2 tags were written; run the same command again, it resumes)":                                                                at(2, nil, nil),
		"it broke (nothing was written, except perhaps h/a:1; run the same command again, it resumes)":                                          at(0, []string{"h/a:1"}, nil),
		"it broke (2 tags were written, and perhaps h/a:1, h/b:1; run the same command again, it resumes)":                                      at(2, []string{"h/a:1", "h/b:1"}, nil),
		"ring users moved since the plan was made, from 0.1.0 to nothing: run the build again, and it continues from there (1 tag was written)": at(1, nil, moved),
	} {
		want = "publishing acme/shop 1.0.0 to users: " + want
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestOpen(t *testing.T) {
	for _, test := range []struct{ registry, project, want string }{
		{"registry.example.com", "acme/shop", "registry.example.com/acme/shop/api:1.0.0"},
		{"registry.example.com:5000/team/a", "shop", "registry.example.com:5000/team/a/shop/api:1.0.0"},
		{"[::1]:5000", "shop", "[::1]:5000/shop/api:1.0.0"},
		{"ghcr.io", "acme", "ghcr.io/acme/api:1.0.0"},
	} {
		p, err := store.Open(test.registry, test.project, registry.Options{})
		must(t, err)
		if got := p.Namespace().Repository("api").Reference("1.0.0"); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
	for _, test := range []struct{ registry, project string }{
		{"", "acme/shop"}, {"registry.example.com", ""}, {"ann:s3cr3t@registry.example.com", "shop"},
		{"https://registry.example.com", "shop"}, {"registry.example.com", "Acme"}, {"registry.example.com?x=s3cr3t", "shop"},
	} {
		_, err := store.Open(test.registry, test.project, registry.Options{})
		if err == nil || strings.Contains(err.Error(), "s3cr3t@") {
			t.Errorf("%q, %q: %v", test.registry, test.project, err)
		}
	}
	p, err := store.Open("localhost:1", "shop", registry.Options{})
	must(t, err)
	for _, name := range []struct{ image, tag string }{{"../x", "1.0.0"}, {"", "1.0.0"}} {
		if _, _, err := p.Namespace().Repository(name.image).Head(context.Background(), name.tag); err == nil || !strings.Contains(err.Error(), "not the name of an image") {
			t.Errorf("%v: %v", name, err)
		}
	}
}

func TestManifestsAreHeldUpToALimit(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	if err := store.ReadWhenFull(context.Background(), s.Open(nil), "api", publication.Digests["api"]); err == nil || err.Error() != "the manifests of this release have more than 256 MiB" {
		t.Errorf("error %v", err)
	}
}
