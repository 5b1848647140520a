package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/quoitbuild/quoit/registry/registrytest"
)

// silence is a registry that wants tokens and answers every request but some, which it
// takes and never answers.
func silence(silent func(*http.Request) bool) registrytest.RoundTripper {
	return func(r *http.Request) (*http.Response, error) {
		if silent(r) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
		switch {
		case r.URL.Path == "/token":
			response.Body = io.NopCloser(strings.NewReader(`{"token":"t0ken"}`))
		case r.Header.Get("Authorization") == "":
			response.StatusCode = http.StatusUnauthorized
			response.Header.Set("WWW-Authenticate", `Bearer realm="https://registry.example.com/token",service="test"`)
		case r.Method == http.MethodPost:
			response.StatusCode = http.StatusAccepted
			response.Header.Set("Location", "/upload")
		case r.Method == http.MethodHead:
			response.StatusCode = http.StatusNotFound
			response.Header.Set("Docker-Distribution-Api-Version", "registry/2.0")
		}
		return response, nil
	}
}

// still is a body of which nothing comes any more after its beginning.
type still struct{ context.Context }

func (s still) Read([]byte) (int, error) {
	<-s.Done()
	return 0, s.Err()
}

// patient is a registry whose requests a test carries. It notes what is waited for, and
// after how long that is said.
func patient(t *testing.T, carry http.RoundTripper, change func(*Options)) (at *Client, said func() []string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	begin := time.Now()
	options := Options{Transport: carry, Keychain: authn.NewMultiKeychain(), Say: func(what string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf("%s: %s", time.Since(begin), what))
	}}
	if change != nil {
		change(&options)
	}
	at, err := Open("registry.example.com", "acme/shop", options)
	must(t, err)
	return at, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return lines
	}
}

// TestASilentRegistryIsWaitedForAMinute: whatever it does not answer, that is said after
// five seconds, and there is an error after a minute.
func TestASilentRegistryIsWaitedForAMinute(t *testing.T) {
	all := map[string]func(context.Context, Repository) error{
		"Put": func(ctx context.Context, r Repository) error {
			_, err := r.Put(ctx, "0.1.0", NewManifest(ManifestType, []byte("{}")))
			return err
		},
		"Open": func(ctx context.Context, r Repository) error {
			body, err := r.Open(ctx, BlobOf([]byte("x")))
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.ReadAll(body)
			return err
		},
	}
	for name, ask := range asking {
		all[name] = ask
	}
	for when, silent := range map[string]func(*http.Request) bool{
		"never answers":            func(r *http.Request) bool { return true },
		"answers who greets it":    func(r *http.Request) bool { return r.Header.Get("Authorization") != "" || r.URL.Path == "/token" },
		"gives tokens and no more": func(r *http.Request) bool { return r.Header.Get("Authorization") != "" },
		"takes no contents":        func(r *http.Request) bool { return r.Method == http.MethodPut },
		"has no end":               nil,
	} {
		for name, ask := range all {
			carry := silence(silent)
			switch {
			case silent == nil && slices.Contains([]string{"Put", "Replace", "Delete", "Upload", "Has"}, name),
				when == "takes no contents" && name != "Put" && name != "Replace" && name != "Upload":
				continue
			case silent == nil:
				inner := silence(func(*http.Request) bool { return false })
				carry = func(r *http.Request) (*http.Response, error) {
					response, err := inner(r)
					if strings.HasPrefix(r.URL.Path, "/v2/acme/") {
						response.StatusCode = http.StatusOK
						response.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), still{r.Context()}))
					}
					return response, err
				}
				if name == "Head" {
					continue // it has no body
				}
			}
			t.Run(name+" of one that "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					at, said := patient(t, carry, nil)
					begin := time.Now()
					err := ask(t.Context(), at.Repository("api"))
					took := time.Since(begin)
					if err == nil || !strings.Contains(err.Error(), "no answer within 30s: run the same command again later") || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v", err)
					}
					if took < 30*time.Second || took > 65*time.Second {
						t.Errorf("it took %s", took)
					}
					if lines := said(); len(lines) == 0 || lines[0] != "5s: waiting for registry.example.com to answer" {
						t.Errorf("it said %q", lines)
					}
				})
			})
		}
	}
}

// TestManyWaitOnce: requests at the same time wait for the same greeting, and then the
// same token, together.
func TestManyWaitOnce(t *testing.T) {
	for when, silent := range map[string]func(*http.Request) bool{
		"for the greeting": func(*http.Request) bool { return true },
		"for the token":    func(r *http.Request) bool { return r.URL.Path == "/token" },
	} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at, _ := patient(t, silence(silent), nil)
				begin := time.Now()
				err := Pace{}.Each(8, func(int) error {
					_, _, err := at.Repository("api").Head(t.Context(), "0.1.0")
					return err
				})
				if took := time.Since(begin); err == nil || took > 65*time.Second {
					t.Errorf("%v after %s", err, took)
				}
			})
		})
	}
}

// TestWhoIsInterruptedInterruptsNobodyElse, though others wait for what he asks.
func TestWhoIsInterruptedInterruptsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		at, _ := patient(t, silence(func(r *http.Request) bool {
			asked++
			return asked == 1
		}), nil)
		first, interrupt := context.WithCancel(t.Context())
		var errs [2]error
		var both sync.WaitGroup
		for i, ctx := range []context.Context{first, t.Context()} {
			both.Go(func() { _, _, errs[i] = at.Repository("api").Head(ctx, "0.1.0") })
			synctest.Wait()
		}
		interrupt()
		both.Wait()
		if !errors.Is(errs[0], context.Canceled) || errs[1] != nil {
			t.Errorf("%v", errs)
		}
	})
}

// TestATransferThatMovesHasNoEnd: only one that stands still has.
func TestATransferThatMovesHasNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		carry := silence(func(*http.Request) bool { return false })
		at, said := patient(t, registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := carry(r)
			if strings.Contains(r.URL.Path, "/blobs/") {
				response.StatusCode, response.Body = http.StatusOK, io.NopCloser(&trickle{left: 30})
			}
			return response, err
		}), nil)
		begin := time.Now()
		body, err := at.Repository("api").Open(t.Context(), BlobOf([]byte("x")))
		must(t, err)
		defer body.Close()
		data, err := io.ReadAll(body)
		if took := time.Since(begin); len(data) != 30 || err != nil || took != 10*time.Minute {
			t.Errorf("%d bytes, %v, after %s", len(data), err, took)
		}
		if lines := said(); len(lines) == 0 || lines[0] != "5s: waiting for registry.example.com to answer" {
			t.Errorf("it said %q", lines)
		}
	})
}

// trickle is a body that gives a byte every 20 seconds.
type trickle struct{ left int }

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(20 * time.Second) // by the clock of the test
	b.left--
	p[0] = 'x'
	return 1, nil
}

// TestAWriteThatWasNotSentIsUndone: there was no token for it.
func TestAWriteThatWasNotSentIsUndone(t *testing.T) {
	for name, test := range map[string]struct {
		silent func(*http.Request) bool
		undone bool
	}{
		"no token":  {func(r *http.Request) bool { return r.URL.Path == "/token" }, true},
		"no answer": {func(r *http.Request) bool { return r.Method == http.MethodPut }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at, _ := patient(t, silence(test.silent), nil)
				_, err := at.Repository("api").Put(t.Context(), "0.1.0", NewManifest(ManifestType, []byte("{}")))
				if err == nil || Undone(err) != test.undone {
					t.Errorf("undone: %v, %v", Undone(err), err)
				}
			})
		})
	}
}

// helper is a keychain that asks somebody who is not there.
type helper struct{ gone chan struct{} }

// Resolve implements [authn.Keychain].
func (h helper) Resolve(authn.Resource) (authn.Authenticator, error) {
	<-h.gone
	return authn.Anonymous, nil
}

func TestACredentialHelperIsWaitedForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		defer close(gone)
		at, said := patient(t, silence(func(*http.Request) bool { return false }), func(o *Options) { o.Keychain = helper{gone} })
		begin := time.Now()
		_, _, err := at.Repository("api").Head(t.Context(), "0.1.0")
		want := "connecting to registry.example.com: reading Docker's credentials: no answer within 1m0s: check Docker's config.json and its credential helper"
		if took := time.Since(begin); err == nil || err.Error() != want || took != time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
		if lines := said(); !slices.Equal(lines, []string{"5s: waiting for Docker's credential helper to answer, for registry.example.com"}) {
			t.Errorf("it said %q", lines)
		}
	})
}
