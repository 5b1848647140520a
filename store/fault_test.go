package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// faults are ways in which a registry fails.
var faults = map[string]struct {
	passes bool // another attempt may succeed
	serve  func(w http.ResponseWriter, r *http.Request)
}{
	"500":        {true, status(500)},
	"502 html":   {true, html(502)},
	"503":        {true, status(503)},
	"429":        {true, status(429)},
	"reset":      {true, reset},
	"cut":        {true, cut},
	"401":        {false, status(401)},
	"403":        {false, status(403)},
	"400":        {false, status(400)},
	"404 html":   {false, html(404)},
	"200 html":   {false, html(200)},
	"301 abroad": {false, abroad},
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"code":"TESTED","message":"Authorization: Bearer s3cr3t-t0ken"}]}`)
	}
}

func html(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		fmt.Fprint(w, "<html>s3cr3t</html>")
	}
}

func abroad(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "http://registry.invalid/v2/?token=s3cr3t")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func hijack(w http.ResponseWriter) *net.TCPConn {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return connection.(*net.TCPConn)
}

func reset(w http.ResponseWriter, _ *http.Request) {
	connection := hijack(w)
	connection.SetLinger(0)
	connection.Close()
}

// cut ends an answer in its body or, where it has none, in its head.
func cut(w http.ResponseWriter, r *http.Request) {
	connection := hijack(w)
	defer connection.Close()
	fmt.Fprint(connection, "HTTP/1.1 200 OK\r\nContent-Type: "+ociIndex+"\r\n")
	if r.Method != http.MethodHead {
		fmt.Fprint(connection, "Content-Length: 1000\r\n\r\n{\"schema")
	}
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
			if os.Getenv("QUOIT_TEST_LONG") == "" && (n+i)%4 != 0 {
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
		s.setFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i == n {
				faults[fault].serve(w, r)
			}
			return i == n
		})
		_, err := s.open(nil).Publish(context.Background(), publication)
		must(t, err)
		if diff := cmp.Diff(want, s.tags()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAFaultThatStays(t *testing.T) {
	forEveryRequest(t, false, func(t *testing.T, at situation, fault string, n int, want map[string]map[string]string) {
		s := newServer(t)
		publication := at.prepare(s)
		before := count(s.tags())
		s.setFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i >= n {
				faults[fault].serve(w, r)
			}
			return i >= n
		})
		outcome, err := s.open(nil).Publish(context.Background(), publication)
		var failed *PublishError
		var request *RequestError
		if err == nil && outcome.Moved { // only the hint was not written
			return
		}
		if !errors.As(err, &failed) || !errors.As(err, &request) {
			t.Fatalf("error %v", err)
		}
		if text := err.Error(); !strings.Contains(text, s.host()) || strings.Contains(text, "s3cr3t") || strings.Contains(text, "\n") {
			t.Errorf("error %s", text)
		}
		s.whole()
		s.recorded()
		s.honest(err, outcome, before)
		s.setFault(nil)
		_, err = s.open(nil).Publish(context.Background(), publication)
		must(t, err)
		if diff := cmp.Diff(want, s.tags()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAWriteWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	lost := map[string]bool{}
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || lost[r.URL.Path] {
			return false
		}
		lost[r.URL.Path] = true
		s.inner.ServeHTTP(discard{http.Header{}}, r)
		reset(w, r)
		return true
	})
	outcome, err := s.open(func(o *Options) { o.Jobs = 1 }).Publish(context.Background(), publication)
	must(t, err)
	for request, n := range counted(s.requests()) {
		if strings.HasPrefix(request, "PUT") && !strings.HasPrefix(request, "PUT records") && n != 1 {
			t.Errorf("%s: %d times", request, n)
		}
	}
	if len(outcome.Written) != 7 || !outcome.Moved {
		t.Errorf("outcome %+v", outcome)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestALostWriteThatSomebodyElseFollowed(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	foreign := digestOf([]byte(`{"schemaVersion":2}`))
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/mail/manifests/0.1.0") {
			return false
		}
		s.put("mail", "0.1.0", ociManifest, []byte(`{"schemaVersion":2}`))
		reset(w, r)
		return true
	})
	_, err := s.open(nil).Publish(context.Background(), publication)
	var taken *TakenError
	if !errors.As(err, &taken) || taken.Digest != foreign {
		t.Errorf("error %v", err)
	}
}

func TestTagsAreReadBack(t *testing.T) {
	for tag, want := range map[string]string{
		"0.1.0":      "publishing acme/shop 0.1.0 to developers: HOST/acme/shop/deploy:0.1.0 was written as DIGEST and is not there: the registry forgets, or is not consistent; the release is in the log as record 1, the next command completes it (6 tags were written; run the same command again, it resumes)",
		"developers": "publishing acme/shop 0.1.0 to developers: HOST/acme/shop/deploy:developers was written as DIGEST and is not there: the registry forgets, or is not consistent; the release is in the log as record 1, the next command completes it (7 tags were written; run the same command again, it resumes)",
	} {
		t.Run(tag, func(t *testing.T) {
			s := newServer(t)
			publication := s.next(firstShop, "developers")
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/deploy/manifests/"+tag) {
					w.WriteHeader(http.StatusCreated)
					return true
				}
				return false
			})
			_, err := s.open(nil).Publish(context.Background(), publication)
			var changed *ReadBackError
			if !errors.As(err, &changed) || changed.Got != "" {
				t.Fatalf("error %v", err)
			}
			if got := strings.ReplaceAll(s.text(err), publication.Digests["deploy"], "DIGEST"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestTheRegistrySaysHowLongToWait(t *testing.T) {
	s := newServer(t)
	var asked []time.Time
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		asked = append(asked, time.Now())
		if len(asked) == 1 {
			w.Header().Set("Retry-After", "1")
			status(429)(w, r)
		}
		return len(asked) == 1
	})
	_, _, err := s.open(nil).Digest(context.Background(), "api", "0.1.0")
	must(t, err)
	if len(asked) != 2 || asked[1].Sub(asked[0]) < time.Second {
		t.Errorf("asked at %v", asked)
	}
}

func TestTheRegistryAsksToWaitTooLong(t *testing.T) {
	s := newServer(t)
	p := s.open(func(o *Options) { o.Backoff = time.Hour })
	s.setFault(func(i int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		w.Header().Set("Retry-After", "3600")
		status(429)(w, r)
		return true
	})
	_, _, err := p.Digest(context.Background(), "api", "0.1.0")
	want := "reading HOST/acme/shop/api:0.1.0: too many requests (429), it asks to wait 1h0m0s: run the same command again later"
	if got := s.text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
