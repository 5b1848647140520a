package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
)

// several publishes a few releases, each of which has to succeed.
func (s *server) several(n int) {
	s.t.Helper()
	for revision := range n {
		_, err := s.open(nil).Publish(context.Background(), s.next(with(firstShop, shop{"mail": revision + 2}), "developers"))
		must(s.t, err)
	}
	s.whole()
	report, err := s.open(nil).Verify(context.Background(), nil)
	must(s.t, err)
	if len(report.Findings) > 0 || report.Records < n {
		s.t.Errorf("verify: %+v", report)
	}
}

func TestListsInSmallPages(t *testing.T) {
	for name, link := range map[string]string{
		"a relative link": `</v2/acme/shop/records/tags/list?%s>; rel="next"`,
		"a whole one":     `<https://elsewhere.example/v2/acme/shop/records/tags/list?%s>; rel=next`,
		"of several":      `</first>; rel="first", </v2/x?%s>; rel="next"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/tags/list") {
					return false
				}
				s.page(w, r, link)
				return true
			})
			s.several(6)
		})
	}
}

// page answers with three tags in an order of its own, and a link.
func (s *server) page(w http.ResponseWriter, r *http.Request, link string) {
	recorder := httptest.NewRecorder()
	s.inner.ServeHTTP(recorder, httptest.NewRequest("GET", r.URL.Path, nil))
	var list struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	must(s.t, json.Unmarshal(recorder.Body.Bytes(), &list))
	slices.SortFunc(list.Tags, func(a, b string) int { return strings.Compare(digestOf([]byte(a)), digestOf([]byte(b))) })
	if mark := r.URL.Query().Get("mark"); mark != "" {
		list.Tags = list.Tags[slices.Index(list.Tags, mark)+1:]
	}
	if len(list.Tags) > 3 {
		list.Tags = list.Tags[:3]
		w.Header().Set("Link", fmt.Sprintf(link, "mark="+list.Tags[2]))
	}
	must(s.t, json.NewEncoder(w).Encode(list))
}

func TestRegistriesThatRefuseToOverwriteTags(t *testing.T) {
	for name, refuse := range map[string]http.HandlerFunc{
		"ECR's":     plain(400, "TAG_INVALID: The image tag already exists and is immutable"),
		"Harbor's":  plain(412, "PRECONDITION: tag matched immutable rule"),
		"Quay's":    plain(409, "TAG_EXISTS: no"),
		"denied":    plain(403, "DENIED: tag is immutable"),
		"in plain":  plain(405, "UNSUPPORTED: tags cannot be overwritten"),
		"all but 0": plain(412, ""),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				tag := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") || slices.Contains(fiveRings, tag) {
					return false
				}
				if code, _ := s.do("HEAD", r.URL.Path, "", nil); code != http.StatusOK {
					return false
				}
				refuse(w, r)
				return true
			})
			s.several(4) // the hint is refused too, and not needed
		})
	}
}

func TestARegistryThatDeniesWhatIsNotThere(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	written := false
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		ofLog := strings.Contains(r.URL.Path, "/records/")
		written = written || ofLog && r.Method == http.MethodPut
		if !ofLog || written || r.Method == http.MethodPost {
			return false
		}
		plain(403, "DENIED: no such repository, or no right to it")(w, r)
		return true
	})
	_, err := s.open(nil).Publish(context.Background(), publication)
	if err == nil || !strings.Contains(err.Error(), "this account may not pull from there (403)") || written {
		t.Errorf("without First: %v", err)
	}
	publication.First = true
	_, err = s.open(nil).Publish(context.Background(), publication)
	must(t, err)
	s.whole()
}

func TestInterruptedPublish(t *testing.T) {
	for at, finishes := range map[string]bool{"GET records records": false, "POST records uploads": true, "-try-": true, "PUT api 0.1.0": true} {
		t.Run(at, func(t *testing.T) {
			s := newServer(t)
			publication := s.next(firstShop, "developers")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s.setFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(line(r), at) {
					cancel()
				}
				return false
			})
			outcome, err := s.open(nil).Publish(ctx, publication)
			if finishes {
				must(t, err)
				s.whole()
				return
			}
			if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "interrupted (nothing was written)") || outcome.Done || len(s.tags()["api"]) > 0 {
				t.Errorf("%+v, %v", outcome, err)
			}
		})
	}
}

func TestARegistryThatHangsAfterTheInterrupt(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.setFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		hangs := line(r) == "PUT deploy 0.1.0"
		if hangs {
			_, _ = io.Copy(io.Discard, r.Body) // only then a server notices that a client is gone
			cancel()
			<-r.Context().Done()
		}
		return hangs
	})
	_, err := s.open(nil).Publish(ctx, publication)
	want := "publishing acme/shop 0.1.0 to developers: writing HOST/acme/shop/deploy:0.1.0: interrupted; the release is in the log as record 1, the next command completes it (5 tags were written, and perhaps HOST/acme/shop/deploy:0.1.0; run the same command again, it resumes)"
	if got := s.text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.setFault(nil)
	_, err = s.open(nil).Publish(context.Background(), publication)
	must(t, err)
	s.whole()
}

// TestTheSameBuildAgain is for a publish that was completed by another command,
// after which the same sources were built again, to other digests.
func TestTheSameBuildAgain(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	changed := with(firstShop, shop{"mail": 2})
	first, again := s.next(changed, "developers"), s.next(changed, "developers")
	again.Digests = map[string]string{}
	for name, digest := range first.Digests {
		_, index := s.do("GET", "/v2/"+acmeShop+"/"+name+"/manifests/"+digest, "", nil)
		index = append(index, '\n')
		again.Digests[name] = s.put(name, digestOf(index), ociIndex, index)
	}
	_, err := s.open(nil).Publish(context.Background(), first)
	must(t, err)
	outcome, err := s.open(nil).Publish(context.Background(), again)
	must(t, err)
	if !outcome.Done || outcome.Moved || outcome.Digest != first.Digests["deploy"] {
		t.Errorf("outcome %+v", outcome)
	}
	other := s.next(firstShop, "developers") // not the same contents under the same versions
	other.Plan = first.Plan
	other.Plan.Images = slices.Clone(first.Plan.Images)
	for i := range other.Plan.Images {
		if other.Plan.Images[i].Name == "mail" {
			other.Plan.Images[i].Revision = digestOf([]byte("other"))
		}
	}
	other.Digests = again.Digests
	var moved *MovedError
	if _, err = s.open(nil).Publish(context.Background(), other); !errors.As(err, &moved) {
		t.Errorf("error %v", err)
	}
}

// older publishes the first release into rings as if there was no log yet.
func (s *server) older(rings ...string) {
	s.t.Helper()
	publication := s.next(firstShop, "developers")
	for _, name := range publication.Plan.PublishOrder() {
		_, index := s.do("GET", "/v2/"+acmeShop+"/"+name+"/manifests/"+publication.Digests[name], "", nil)
		s.put(name, "0.1.0", ociIndex, index)
	}
	for _, ring := range rings {
		s.move(ring, publication.Digests["deploy"])
	}
}

func TestAProjectWithoutALog(t *testing.T) {
	s := newServer(t)
	s.older("developers", "users")
	s.several(2)
	history, err := s.open(nil).History(context.Background(), 10)
	must(t, err)
	var operations []string
	for _, sealed := range history {
		operations = append(operations, sealed.Record.Operation+" "+strings.Join(sealed.Record.Moved(), " "))
		for name, image := range sealed.Record.Images {
			if image.Digest == "" || len(sealed.Record.Images) != len(firstShop) {
				t.Errorf("record %d: %s has digest %q", sealed.Record.Sequence, name, image.Digest)
			}
		}
	}
	if diff := cmp.Diff([]string{"publish developers", "publish developers", "adopt developers users"}, operations); diff != "" {
		t.Error(diff)
	}
}

func TestHistory(t *testing.T) {
	s := newServer(t)
	p := s.open(nil)
	if history, err := p.History(context.Background(), 10); err != nil || len(history) != 0 {
		t.Errorf("%v, %v", history, err)
	}
	s.several(5)
	s.requests()
	history, err := s.open(nil).History(context.Background(), 3)
	must(t, err)
	for _, request := range s.requests() {
		if !strings.HasPrefix(request, "GET") && !strings.HasPrefix(request, "HEAD") {
			t.Errorf("it makes %s", request)
		}
	}
	if len(history) != 3 || history[0].Record.Sequence != 5 || history[2].Record.Sequence != 3 {
		t.Errorf("history %+v", history)
	}
	s.put(records.Repository, records.Name{Sequence: 4}.String(), ociManifest, []byte(`{"schemaVersion":2}`))
	_, err = s.open(nil).History(context.Background(), 3)
	if want := "HOST/acme/shop/records:record-00000004, record 4 of the log, cannot be read: this is no record of quoit's log: run `quoit verify`"; s.text(err) != want {
		t.Errorf("got  %s\nwant %s", s.text(err), want)
	}
}
