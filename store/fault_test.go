package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
)

// faults are ways in which a registry fails.
var faults = map[string]struct {
	passes bool // another attempt may succeed
	serve  func(w http.ResponseWriter, r *http.Request)
}{
	"500":        {true, registrytest.Status(500)},
	"502 html":   {true, registrytest.HTML(502)},
	"503":        {true, registrytest.Status(503)},
	"429":        {true, registrytest.Status(429)},
	"reset":      {true, registrytest.Reset},
	"cut":        {true, registrytest.Cut},
	"401":        {false, registrytest.Status(401)},
	"403":        {false, registrytest.Status(403)},
	"400":        {false, registrytest.Status(400)},
	"404 html":   {false, registrytest.HTML(404)},
	"200 html":   {false, registrytest.HTML(200)},
	"301 abroad": {false, registrytest.Abroad},
}

// forEveryRequest runs a publish for each of its requests and each fault.
func forEveryRequest(t *testing.T, onlyPassing bool, test func(t *testing.T, at situation, fault string, n int, want map[string]map[string]string)) {
	at := situations[1]
	want, requests := at.finished(t)
	for i, fault := range slices.Sorted(maps.Keys(faults)) {
		if onlyPassing && !faults[fault].passes {
			continue
		}
		for n := range requests {
			if (n+i)%dose.Of(16, 4, 1) != 0 {
				continue // every request, and every fault, but not each with each
			}
			t.Run(fmt.Sprintf("%s at %d", fault, n), func(t *testing.T) {
				t.Parallel()
				test(t, at, fault, n, want)
			})
		}
	}
}

func TestAFaultThatPassesIsNotNoticed(t *testing.T) {
	forEveryRequest(t, true, func(t *testing.T, at situation, fault string, n int, want map[string]map[string]string) {
		s := newServer(t)
		publication := at.prepare(s)
		s.SetFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i == n {
				faults[fault].serve(w, r)
			}
			return i == n
		})
		_, err := s.Open(nil).Publish(context.Background(), publication)
		must(t, err)
		if diff := cmp.Diff(want, s.Tags()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAFaultThatStays(t *testing.T) {
	forEveryRequest(t, false, func(t *testing.T, at situation, fault string, n int, want map[string]map[string]string) {
		s := newServer(t)
		publication := at.prepare(s)
		before := count(s.Tags())
		s.SetFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i >= n {
				faults[fault].serve(w, r)
			}
			return i >= n
		})
		outcome, err := s.Open(nil).Publish(context.Background(), publication)
		var failed *store.PublishError
		var request *registry.RequestError
		if err == nil && outcome.Moved { // only the hint was not written
			return
		}
		if !errors.As(err, &failed) || !errors.As(err, &request) {
			t.Fatalf("error %v", err)
		}
		if text := err.Error(); !strings.Contains(text, s.Host()) || strings.Contains(text, "s3cr3t") || strings.Contains(text, "\n") {
			t.Errorf("error %s", text)
		}
		s.Whole()
		s.recorded()
		s.honest(err, outcome, before)
		s.SetFault(nil)
		_, err = s.Open(nil).Publish(context.Background(), publication)
		must(t, err)
		if diff := cmp.Diff(want, s.Tags()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	lost := map[string]bool{}
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || lost[r.URL.Path] {
			return false
		}
		lost[r.URL.Path] = true
		s.Inner.ServeHTTP(registrytest.Discard{Headers: http.Header{}}, r)
		registrytest.Reset(w, r)
		return true
	})
	outcome, err := s.Open(func(o *registry.Options) { o.Jobs = 1 }).Publish(context.Background(), publication)
	must(t, err)
	for request, n := range registrytest.Count(s.Requests()) {
		if strings.HasPrefix(request, "PUT") && !strings.HasPrefix(request, "PUT records") && n != 1 {
			t.Errorf("%s: %d times", request, n)
		}
	}
	if len(outcome.Written) != 7 || !outcome.Moved {
		t.Errorf("outcome %+v", outcome)
	}
}

func TestALostWriteThatSomebodyElseFollowed(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	foreign := registry.DigestOf([]byte(`{"schemaVersion":2}`))
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/mail/manifests/0.1.0") {
			return false
		}
		s.Put("mail", "0.1.0", registry.ManifestType, []byte(`{"schemaVersion":2}`))
		registrytest.Reset(w, r)
		return true
	})
	_, err := s.Open(nil).Publish(context.Background(), publication)
	var taken *store.TakenError
	if !errors.As(err, &taken) || taken.Digest != foreign {
		t.Errorf("error %v", err)
	}
}

func TestTagsAreReadBack(t *testing.T) {
	for tag, want := range map[string]string{
		"0.1.0":      "publishing acme/shop 0.1.0 to developers: HOST/acme/shop/deploy:0.1.0 was written as DIGEST and is not there: the registry forgets, or is not consistent; it is in the log as record 1, the next command completes it (6 tags were written; run the same command again, it resumes)",
		"developers": "publishing acme/shop 0.1.0 to developers: HOST/acme/shop/deploy:developers was written as DIGEST and is not there: the registry forgets, or is not consistent; it is in the log as record 1, the next command completes it (7 tags were written; run the same command again, it resumes)",
	} {
		t.Run(tag, func(t *testing.T) {
			s := newServer(t)
			publication := s.Next(storetest.First, "developers")
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/deploy/manifests/"+tag) {
					w.WriteHeader(http.StatusCreated)
					return true
				}
				return false
			})
			_, err := s.Open(nil).Publish(context.Background(), publication)
			var changed *registry.ReadBackError
			if !errors.As(err, &changed) || changed.Got != "" {
				t.Fatalf("error %v", err)
			}
			if got := strings.ReplaceAll(s.Text(err), publication.Digests["deploy"], "DIGEST"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestTheRegistrySaysHowLongToWait(t *testing.T) {
	s := newServer(t)
	var asked []time.Time
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		asked = append(asked, time.Now())
		if len(asked) == 1 {
			w.Header().Set("Retry-After", "1")
			registrytest.Status(429)(w, r)
		}
		return len(asked) == 1
	})
	_, _, err := s.At(nil).Repository("api").Head(context.Background(), "0.1.0")
	must(t, err)
	if len(asked) != 2 || asked[1].Sub(asked[0]) < time.Second {
		t.Errorf("asked at %v", asked)
	}
}

func TestTheRegistryAsksToWaitTooLong(t *testing.T) {
	s := newServer(t)
	p := s.Open(func(o *registry.Options) { o.Backoff = time.Hour })
	s.SetFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		w.Header().Set("Retry-After", "3600")
		registrytest.Status(429)(w, r)
		return true
	})
	_, _, err := p.Namespace().Repository("api").Head(context.Background(), "0.1.0")
	want := "reading HOST/acme/shop/api:0.1.0: too many requests (429), it asks to wait 1h0m0s: run the same command again later"
	if got := s.Text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
