package store_test

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

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

func TestListsInSmallPages(t *testing.T) {
	for name, link := range map[string]string{
		"a relative link": `</v2/acme/shop/records/tags/list?%s>; rel="next"`,
		"a whole one":     `<https://elsewhere.example/v2/acme/shop/records/tags/list?%s>; rel=next`,
		"of several":      `</first>; rel="first", </v2/x?%s>; rel="next"`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/tags/list") {
					return false
				}
				s.page(w, r, link)
				return true
			})
			s.Several(6)
		})
	}
}

// page answers with three tags in an order of its own, and a link.
func (s *server) page(w http.ResponseWriter, r *http.Request, link string) {
	recorder := httptest.NewRecorder()
	s.Inner.ServeHTTP(recorder, httptest.NewRequest("GET", r.URL.Path, nil))
	var list struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	must(s.T, json.Unmarshal(recorder.Body.Bytes(), &list))
	slices.SortFunc(list.Tags, func(a, b string) int {
		return strings.Compare(registry.DigestOf([]byte(a)), registry.DigestOf([]byte(b)))
	})
	if mark := r.URL.Query().Get("mark"); mark != "" {
		list.Tags = list.Tags[slices.Index(list.Tags, mark)+1:]
	}
	if len(list.Tags) > 3 {
		list.Tags = list.Tags[:3]
		w.Header().Set("Link", fmt.Sprintf(link, "mark="+list.Tags[2]))
	}
	must(s.T, json.NewEncoder(w).Encode(list))
}

func TestRegistriesThatRefuseToOverwriteTags(t *testing.T) {
	for name, refuse := range map[string]http.HandlerFunc{
		"ECR's":     registrytest.Plain(400, "TAG_INVALID: The image tag already exists and is immutable"),
		"Harbor's":  registrytest.Plain(412, "PRECONDITION: tag matched immutable rule"),
		"Quay's":    registrytest.Plain(409, "TAG_EXISTS: no"),
		"denied":    registrytest.Plain(403, "DENIED: tag is immutable"),
		"in plain":  registrytest.Plain(405, "UNSUPPORTED: tags cannot be overwritten"),
		"all but 0": registrytest.Plain(412, ""),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				tag := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") || slices.Contains(storetest.Rings, tag) {
					return false
				}
				if code, _ := s.Do("HEAD", r.URL.Path, "", nil); code != http.StatusOK {
					return false
				}
				refuse(w, r)
				return true
			})
			s.Several(4) // the hint is refused too, and not needed
		})
	}
}

func TestARegistryThatDeniesWhatIsNotThere(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	written := false
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		ofLog := strings.Contains(r.URL.Path, "/records/")
		written = written || ofLog && r.Method == http.MethodPut
		if !ofLog || written || r.Method == http.MethodPost {
			return false
		}
		registrytest.Plain(403, "DENIED: no such repository, or no right to it")(w, r)
		return true
	})
	_, err := s.Open(nil).Publish(context.Background(), publication)
	if err == nil || !strings.Contains(err.Error(), "this account may not pull from there (403)") || written {
		t.Errorf("without First: %v", err)
	}
	publication.First = true
	_, err = s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	s.Whole()
}

func TestInterruptedPublish(t *testing.T) {
	for at, finishes := range map[string]bool{"GET records records": false, "POST records uploads": true, "-try-": true, "PUT api 0.1.0": true} {
		t.Run(at, func(t *testing.T) {
			s := newServer(t)
			publication := s.Next(storetest.First, "developers")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(registrytest.Line(r), at) {
					cancel()
				}
				return false
			})
			outcome, err := s.Open(nil).Publish(ctx, publication)
			if finishes {
				must(t, err)
				s.Whole()
				return
			}
			if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "interrupted (nothing was written)") || outcome.Done || len(s.Tags()["api"]) > 0 {
				t.Errorf("%+v, %v", outcome, err)
			}
		})
	}
}

func TestARegistryThatHangsAfterTheInterrupt(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		hangs := registrytest.Line(r) == "PUT deploy 0.1.0"
		if hangs {
			_, _ = io.Copy(io.Discard, r.Body) // only then a server notices that a client is gone
			cancel()
			<-r.Context().Done()
		}
		return hangs
	})
	_, err := s.Open(nil).Publish(ctx, publication)
	want := "publishing acme/shop 0.1.0 to developers: writing HOST/acme/shop/deploy:0.1.0: interrupted; it is in the log as record 1, the next command completes it (5 tags were written, and perhaps HOST/acme/shop/deploy:0.1.0; run the same command again, it resumes)"
	if got := s.Text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.SetFault(nil)
	_, err = s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	s.Whole()
}

// TestTheSameBuildAgain is for a publish that was completed by another command,
// after which the same sources were built again, to other digests.
func TestTheSameBuildAgain(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	changed := storetest.With(storetest.First, storetest.Shop{"mail": 2})
	first, again := s.Next(changed, "developers"), s.Next(changed, "developers")
	again.Digests = map[string]string{}
	for name, digest := range first.Digests {
		_, index := s.Do("GET", "/v2/"+storetest.Project+"/"+name+"/manifests/"+digest, "", nil)
		index = append(index, '\n')
		again.Digests[name] = s.Put(name, registry.DigestOf(index), registry.IndexType, index)
	}
	_, err := s.Open(nil).Publish(context.Background(), first)
	must(t, err)
	outcome, err := s.Open(nil).Publish(context.Background(), again)
	must(t, err)
	if !outcome.Done || outcome.Moved || outcome.Digest != first.Digests["deploy"] {
		t.Errorf("outcome %+v", outcome)
	}
	other := s.Next(storetest.First, "developers") // not the same contents under the same versions
	other.Plan = first.Plan
	other.Plan.Images = slices.Clone(first.Plan.Images)
	for i := range other.Plan.Images {
		if other.Plan.Images[i].Name == "mail" {
			other.Plan.Images[i].Revision = registry.DigestOf([]byte("other"))
		}
	}
	other.Digests = again.Digests
	var moved *store.MovedError
	if _, err = s.Open(nil).Publish(context.Background(), other); !errors.As(err, &moved) {
		t.Errorf("error %v", err)
	}
}

func TestAProjectWithoutALog(t *testing.T) {
	s := newServer(t)
	s.Older("developers", "users")
	before := s.EveryTag()
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	_, err := s.Open(nil).Publish(context.Background(), publication)
	wantUntaken(t, err, "developers", "users")
	if diff := cmp.Diff(before, s.EveryTag()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	s.TakeOver("developers", "users")
	s.Several(2)
	history, err := s.Open(nil).History(context.Background(), 10)
	must(t, err)
	var operations []string
	for _, sealed := range history {
		operations = append(operations, sealed.Record.Operation+" "+strings.Join(sealed.Record.Moved(), " "))
		for name, image := range sealed.Record.Images {
			if image.Digest == "" || len(sealed.Record.Images) != len(storetest.First) {
				t.Errorf("record %d: %s has digest %q", sealed.Record.Sequence, name, image.Digest)
			}
		}
	}
	if diff := cmp.Diff([]string{"publish developers", "publish developers", "adopt developers users"}, operations); diff != "" {
		t.Error(diff)
	}
}

// wantUntaken wants an error that names rings which the log does not know.
func wantUntaken(t *testing.T, err error, rings ...string) {
	t.Helper()
	var got []string
	if untaken := new(store.DifferenceError); errors.As(err, &untaken) {
		for _, difference := range untaken.Differences {
			got = append(got, difference.Ring)
			if !strings.Contains(err.Error(), "`quoit take-over "+difference.Ring+"`") {
				t.Errorf("%s: %v", difference.Ring, err)
			}
		}
	}
	if !slices.Equal(got, rings) {
		t.Errorf("%v: error %v", got, err)
	}
}

func TestHistory(t *testing.T) {
	s := newServer(t)
	p := s.Open(nil)
	if history, err := p.History(context.Background(), 10); err != nil || len(history) != 0 {
		t.Errorf("%v, %v", history, err)
	}
	s.Several(5)
	s.Requests()
	history, err := s.Open(nil).History(context.Background(), 3)
	must(t, err)
	for _, request := range s.Requests() {
		if !strings.HasPrefix(request, "GET") && !strings.HasPrefix(request, "HEAD") {
			t.Errorf("it makes %s", request)
		}
	}
	if len(history) != 3 || history[0].Record.Sequence != 5 || history[2].Record.Sequence != 3 {
		t.Errorf("history %+v", history)
	}
	// Each record names the one before: no tag of theirs is needed, or believed.
	s.Put(records.Repository, records.Name{Sequence: 4}.String(), registry.ManifestType, []byte(`{"schemaVersion":2}`))
	s.Do("DELETE", "/v2/acme/shop/records/manifests/record-00000003", "", nil)
	again, err := s.Open(nil).History(context.Background(), 3)
	must(t, err)
	if diff := cmp.Diff(history, again); diff != "" {
		t.Error(diff)
	}
}

// Who is refused after he has upgraded the log, or has completed what another one left, is
// not told that nothing was written.
func TestWhatWasWrittenForOthersIsNotDenied(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T) *server{
		"the log was upgraded": func(t *testing.T) *server { return frozen(t, "grown") },
		"another one's publish was completed": func(t *testing.T) *server {
			s := newServer(t)
			s.Release(storetest.First, "developers")
			s.Do("DELETE", "/v2/"+storetest.Project+"/deploy/manifests/developers", "", nil)
			for tag := range s.EveryTag()[records.Repository] {
				if strings.Contains(tag, "-done-") {
					s.Do("DELETE", "/v2/"+storetest.Project+"/records/manifests/"+tag, "", nil)
				}
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := prepare(t)
			_, err := s.Open(nil).Set(t.Context(), storetest.RingOptions(), "post", storetest.VersionOf("7.0.0"), false)
			if err == nil || !strings.HasSuffix(err.Error(), " (nothing of it was written)") {
				t.Errorf("the set: %v", err)
			}
			publication := prepare(t).Next(storetest.With(storetest.First, storetest.Shop{"mail": 9}), "developers")
			publication.Plan.Current = &versioning.Held{Version: storetest.VersionOf("0.1.0"), Digest: "sha256:" + strings.Repeat("0", 64)}
			s = prepare(t) // who plans upgrades the log too
			_, err = s.Open(nil).Publish(t.Context(), publication)
			if err == nil || !strings.HasSuffix(err.Error(), " (nothing of it was written)") {
				t.Errorf("the publish: %v", err)
			}
			_, err = s.Open(nil).Set(t.Context(), storetest.RingOptions(), "post", storetest.VersionOf("7.0.0"), false)
			if err == nil || !strings.HasSuffix(err.Error(), " (nothing was written)") {
				t.Errorf("the same again: %v", err)
			}
		})
	}
}
