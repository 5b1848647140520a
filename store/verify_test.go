package store

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quoitbuild/quoit/labels"
)

func TestVerifyFindsWhatIsWrongWithARelease(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *server, first Publication)
		want   []string // HOST/acme/shop/… each is the beginning of a finding, with its next step after …
	}{
		"a lost image": {func(s *server, first Publication) {
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				lost := strings.HasSuffix(r.URL.Path, "/api/manifests/"+first.Digests["api"])
				if lost {
					plain(404, "MANIFEST_UNKNOWN: no")(w, r)
				}
				return lost
			})
		}, []string{"HOST/acme/shop/api@API: it is not there: restore it from a copy, or build again with --rebuild"}},
		"a lost platform": {func(s *server, first Publication) {
			_, index := s.do("GET", "/v2/acme/shop/api/manifests/"+first.Digests["api"], "", nil)
			digest, err := platformImage(index)
			must(s.t, err)
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				lost := strings.HasSuffix(r.URL.Path, "/"+digest)
				if lost {
					w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
					plain(404, "MANIFEST_UNKNOWN: no")(w, r)
				}
				return lost
			})
		}, []string{"HOST/acme/shop/api@API: it names "}},
		"a moved ring": {func(s *server, first Publication) {
			s.move("developers", s.push("deploy", map[string]string{"whose": "another's"}))
		}, []string{"HOST/acme/shop/deploy:developers: it is "}},
		"a deleted version": {func(s *server, first Publication) {
			s.do("DELETE", "/v2/acme/shop/web/manifests/0.1.0", "", nil)
		}, []string{"HOST/acme/shop/web:0.1.0: it is not there: the log says "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			first := s.release(firstShop, "developers")
			test.change(s, first)
			report, err := s.open(nil).Verify(context.Background(), []string{"developers"})
			must(t, err)
			var all []string
			for _, finding := range report.Findings {
				text := strings.ReplaceAll(strings.ReplaceAll(finding.String(), s.host(), "HOST"), first.Digests["api"], "API")
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
	publication := s.next(firstShop, "developers")
	mail, _ := publication.Plan.Image("mail")
	forged := labels.Image(labels.Info(publication.Plan, mail))
	forged[labels.Revision] = digestOf([]byte("forged"))
	publication.Digests["mail"] = s.push("mail", forged)
	_, err := s.open(nil).Publish(context.Background(), publication)
	must(t, err)
	report, err := s.open(nil).Verify(context.Background(), nil)
	must(t, err)
	if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].String(), "its label org.opencontainers.image.revision says ") {
		t.Errorf("findings %v", report.Findings)
	}
}

func TestVerifyOfARegistryThatFails(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	s.requests()
	_, err := s.open(nil).Verify(context.Background(), nil)
	must(t, err)
	for n := range s.requests() {
		s.setFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i >= n {
				status(403)(w, r)
			}
			return i >= n
		})
		if _, err := s.open(nil).Verify(context.Background(), nil); err == nil || !isRequest(err) {
			t.Errorf("at request %d: %v", n, err)
		}
	}
}

func TestAPublishWhileVerifying(t *testing.T) {
	for _, at := range []string{"HEAD deploy developers", "HEAD records records"} {
		t.Run(at, func(t *testing.T) {
			s := newServer(t)
			s.release(firstShop, "developers")
			mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
			var begun atomic.Bool
			s.setFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
				if line(r) == at && begun.CompareAndSwap(false, true) {
					_, err := s.open(nil).Publish(context.Background(), mine)
					must(t, err)
				}
				return false
			})
			report, err := s.open(nil).Verify(context.Background(), nil)
			must(t, err)
			if !begun.Load() || len(report.Findings) > 0 || report.Records != 2 {
				t.Errorf("published %v, %d records, findings %v", begun.Load(), report.Records, report.Findings)
			}
		})
	}
}
