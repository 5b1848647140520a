package verify_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
)

func TestVerifyFindsWhatIsWrongWithARelease(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *server, first store.Publication)
		want   []string // HOST/acme/shop/… each is the beginning of a finding, with its next step after …
	}{
		"a lost image": {func(s *server, first store.Publication) {
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				lost := strings.HasSuffix(r.URL.Path, "/api/manifests/"+first.Digests["api"])
				if lost {
					registrytest.Plain(404, "MANIFEST_UNKNOWN: no")(w, r)
				}
				return lost
			})
		}, []string{"HOST/acme/shop/api@API: it is not there: run `quoit repair --from COPY`, which takes it from a copy"}},
		"a lost platform": {func(s *server, first store.Publication) {
			_, index := s.Do("GET", "/v2/acme/shop/api/manifests/"+first.Digests["api"], "", nil)
			digest, err := registry.NewManifest(registry.IndexType, index).Image()
			must(s.T, err)
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				lost := strings.HasSuffix(r.URL.Path, "/"+digest)
				if lost {
					w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
					registrytest.Plain(404, "MANIFEST_UNKNOWN: no")(w, r)
				}
				return lost
			})
		}, []string{"HOST/acme/shop/api@API: it names "}},
		"a moved ring": {func(s *server, first store.Publication) {
			s.Move("developers", s.Push("deploy", map[string]string{"whose": "another's"}))
		}, []string{"HOST/acme/shop/deploy:developers: it is "}},
		"a deleted version": {func(s *server, first store.Publication) {
			s.Do("DELETE", "/v2/acme/shop/web/manifests/0.1.0", "", nil)
		}, []string{"HOST/acme/shop/web:0.1.0: it is not there: the log says "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			first := s.Release(storetest.First, "developers")
			test.change(s, first)
			report, err := verify.Verify(context.Background(), s.Open(nil), []string{"developers"})
			must(t, err)
			var all []string
			for _, finding := range report.Findings {
				text := strings.ReplaceAll(strings.ReplaceAll(finding.String(), s.Host(), "HOST"), first.Digests["api"], "API")
				all = append(all, text)
				if finding.Next == "" {
					t.Errorf("%s: no next step", text)
				}
			}
			text := "\n" + strings.Join(all, "\n")
			for _, want := range test.want {
				if !strings.Contains(text, "\n"+want) {
					t.Errorf("it does not say %q:%s", want, text)
				}
			}
		})
	}
}

func TestVerifyFindsForgedLabels(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	mail, _ := publication.Plan.Image("mail")
	forged := labels.Image(labels.Info(publication.Plan, mail))
	forged[labels.Revision] = registry.DigestOf([]byte("forged"))
	publication.Digests["mail"] = s.Push("mail", forged)
	_, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(t, err)
	if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].String(), "its label org.opencontainers.image.revision says ") {
		t.Errorf("findings %v", report.Findings)
	}
}

// What an image needs when it runs may be newer than what its label says.
func TestVerifyOfRunTimeDependencies(t *testing.T) {
	s := newServer(t)
	s.Shape.Runs = map[string][]string{"web": {"mail"}, "jobs": {"mail"}}
	s.Release(storetest.First, "developers")
	second := s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	web, _ := second.Plan.Image("web")
	mail, _ := second.Plan.Image("mail")
	if !mail.Changed || web.Changed || web.Dependencies["mail"] != mail.Version {
		t.Fatalf("the plan is\n%s", second.Plan)
	}
	findings := func() (texts []string) {
		report, err := verify.Verify(context.Background(), s.Open(nil), nil)
		must(t, err)
		for _, finding := range report.Findings {
			texts = append(texts, finding.String())
		}
		return texts
	}
	if found := findings(); len(found) > 0 {
		t.Errorf("findings %q", found)
	}
	third := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2, "web": 2}), "developers")
	web, _ = third.Plan.Image("web")
	forged := labels.Image(labels.Info(third.Plan, web))
	forged[labels.Dependency+"mail"] = "latest"
	third.Digests["web"] = s.Push("web", forged)
	_, err := s.Open(nil).Publish(context.Background(), third)
	must(t, err)
	if found := findings(); len(found) != 1 || !strings.Contains(found[0], `its label dependency.mail says "latest", release `) {
		t.Errorf("findings %q", found)
	}
}

func TestVerifyOfARegistryThatFails(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Requests()
	_, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(t, err)
	for n := range s.Requests() {
		var refused atomic.Bool // two that read one image at once may do with a request less
		s.SetFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i >= n {
				refused.Store(true)
				registrytest.Status(403)(w, r)
			}
			return i >= n
		})
		_, err := verify.Verify(context.Background(), s.Open(nil), nil)
		if refused.Load() != errors.As(err, new(*registry.RequestError)) || err != nil && !refused.Load() {
			t.Errorf("at request %d, refused %v: %v", n, refused.Load(), err)
		}
	}
}

func TestAPublishWhileVerifying(t *testing.T) {
	for _, at := range []string{"HEAD deploy developers", "HEAD records records"} {
		t.Run(at, func(t *testing.T) {
			s := newServer(t)
			s.Release(storetest.First, "developers")
			mine := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
			var begun atomic.Bool
			s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
				if registrytest.Line(r) == at && begun.CompareAndSwap(false, true) {
					_, err := s.Open(nil).Publish(context.Background(), mine)
					must(t, err)
				}
				return false
			})
			report, err := verify.Verify(context.Background(), s.Open(nil), nil)
			must(t, err)
			if !begun.Load() || len(report.Findings) > 0 || report.Records != 2 {
				t.Errorf("published %v, %d records, findings %v", begun.Load(), report.Records, report.Findings)
			}
		})
	}
}

func TestVerifyOfRecordsWhoseConfigsAreOthers(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		altered := r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/records/blobs/")
		if altered {
			_, _ = w.Write([]byte("{}"))
		}
		return altered
	})
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(t, err)
	if report.Records != 0 || len(report.Findings) != 2 {
		t.Errorf("%d records, findings %v", report.Records, report.Findings)
	}
	for _, f := range report.Findings {
		if !strings.Contains(f.Problem, "the record cannot be read: ") || !strings.Contains(f.Problem, "another digest") {
			t.Error(f)
		}
	}
}
