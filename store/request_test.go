package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

func TestErrorTexts(t *testing.T) {
	const tag = "HOST/acme/shop/api:0.1.0"
	never := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cases := map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"401":               {plain(401, ""), "reading " + tag + ": not logged in, or no longer (401): docker login HOST"},
		"403":               {plain(403, ""), "reading " + tag + ": this account may not pull from there (403): docker login HOST with one that may"},
		"404 of a proxy":    {html(404), "reading " + tag + ": the answer is 404, but not as a registry says that something is absent: check the registry's address, and a proxy before it"},
		"429":               {plain(429, ""), "reading " + tag + ": too many requests (429): run the same command again later"},
		"500":               {plain(500, ""), "reading " + tag + ": the registry is in trouble (500 Internal Server Error): run the same command again later"},
		"503":               {plain(503, ""), "reading " + tag + ": the registry is in trouble (503 Service Unavailable): run the same command again later"},
		"418":               {plain(418, ""), "reading " + tag + ": the registry answered 418 I'm a teapot"},
		"a hang":            {never, "reading " + tag + ": no answer within 200ms: run the same command again later"},
		"no digest":         {html(200), "reading " + tag + `: the answer has the digest "", not sha256: and 64 hexadecimal digits: check the registry's address, and a proxy before it`},
		"plain http abroad": {abroad, "reading " + tag + ": plain http is spoken to this machine only, not to registry.invalid: serve the registry with TLS"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v2/" {
					return false
				}
				test.serve(w, r)
				return true
			})
			p := s.open(func(o *Options) { o.Timeout = 200 * time.Millisecond })
			_, _, err := p.Digest(context.Background(), "api", "0.1.0")
			if got := s.text(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestErrorTextsOfWrites(t *testing.T) {
	const tag = "writing HOST/acme/shop/deploy:0.1.0: "
	for name, test := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"401":       {plain(401, ""), tag + "not logged in, or no longer (401): docker login HOST"},
		"403":       {plain(403, "DENIED: quota exceeded"), tag + "this account may not push there (403), it says DENIED: quota exceeded: docker login HOST with one that may"},
		"404":       {plain(404, ""), tag + "the registry does not know this repository (404): create it first"},
		"400":       {plain(400, "TAG_INVALID: tag is immutable"), "the registry refuses the tag deploy:0.1.0: " + tag + "the registry answered 400 Bad Request, it says TAG_INVALID: tag is immutable"},
		"a proxy's": {html(200), tag + "the answer is 200 OK, not 201 Created: check the registry's address, and a proxy before it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			publication := s.next(firstShop, "developers")
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				fails := r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/deploy/manifests/0.1.0")
				if fails {
					test.serve(w, r)
				}
				return fails
			})
			_, err := s.open(nil).Publish(context.Background(), publication)
			perhaps := ""
			if name == "a proxy's" {
				perhaps = ", and perhaps HOST/acme/shop/deploy:0.1.0"
			}
			want := "publishing acme/shop 0.1.0 to developers: " + test.want + "; the release is in the log as record 1, the next command completes it (5 tags were written" + perhaps + "; run the same command again, it resumes)"
			if got := s.text(err); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// plain answers with a status, and says something in the usual form if it is given.
func plain(code int, says string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if what, message, found := strings.Cut(says, ": "); found {
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, what, message)
		}
	}
}

func TestConnecting(t *testing.T) {
	s := newServer(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, test := range map[string]struct {
		registry string
		serve    http.HandlerFunc
		want     string
	}{
		"nobody listens": {strings.TrimPrefix(closed.URL, "http://"), nil,
			"connecting to " + strings.TrimPrefix(closed.URL, "http://") + ": nobody listens there (connection refused): check that the registry runs, and its address"},
		"no registry": {s.host(), html(404), "connecting to HOST: it does not answer as a registry does (404): check the registry's address"},
		"forbidden":   {s.host(), plain(403, ""), "connecting to HOST: this account may not pull from there (403): docker login HOST with one that may"},
	} {
		t.Run(name, func(t *testing.T) {
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool { test.serve(w, r); return true })
			p, err := Open(test.registry, acmeShop, Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}, Backoff: time.Millisecond})
			must(t, err)
			_, _, err = p.Digest(context.Background(), "api", "0.1.0")
			if got := s.text(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		cancel()
		<-r.Context().Done()
		return true
	})
	_, _, err := s.open(nil).Digest(ctx, "api", "0.1.0")
	if want := "reading HOST/acme/shop/api:0.1.0: interrupted"; s.text(err) != want || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAbsentIsOnlyWhatIsClearlyAbsent(t *testing.T) {
	for name, test := range map[string]struct {
		serve    http.HandlerFunc
		absent   bool
		requests int
	}{
		"a registry that identifies itself": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.WriteHeader(404)
		}, true, 2},
		"an unknown manifest":   {plain(404, "MANIFEST_UNKNOWN: no"), true, 3},
		"an unknown repository": {plain(404, "NAME_UNKNOWN: no"), true, 3},
		"Harbor's":              {plain(404, "NOT_FOUND: no"), true, 3},
		"another code":          {plain(404, "UNSUPPORTED: no"), false, 3},
		"no code":               {plain(404, ""), false, 3},
		"a page":                {html(404), false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v2/" {
					test.serve(w, r)
				}
				return r.URL.Path != "/v2/"
			})
			digest, found, err := s.open(nil).Digest(context.Background(), "api", "0.1.0")
			if digest != "" || found || (err == nil) != test.absent {
				t.Errorf("%q, %v, %v", digest, found, err)
			}
			if requests := s.requests(); len(requests) != test.requests {
				t.Errorf("requests %q", requests)
			}
		})
	}
}

func TestNoCredentialsInErrors(t *testing.T) {
	secret := "s3cr3t-t0ken"
	for name, err := range map[string]error{
		"a URL":     &url.Error{Op: "Get", URL: "https://ann:" + secret + "@host/v2/?token=" + secret, Err: errors.New("broke")},
		"a header":  errors.New("sent Authorization: Bearer " + secret),
		"basic":     errors.New("sent authorization: basic " + secret),
		"a query":   errors.New(`Get "https://cdn.host/x?sig=` + secret + `": broke`),
		"user info": errors.New("https://ann:" + secret + "@host broke"),
		"a body":    errors.New("no token in bearer response:\n" + secret),
	} {
		t.Run(name, func(t *testing.T) {
			p, openErr := Open("host.example", acmeShop, Options{})
			must(t, openErr)
			err := p.refused(context.Background(), reading, "host/x:1", fmt.Errorf("first: %w", err))
			if strings.Contains(err.Error(), secret) {
				t.Error(err)
			}
		})
	}
}

func TestUserAgent(t *testing.T) {
	s := newServer(t)
	s.setFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if agent := r.Header.Get("User-Agent"); agent != "quoit/test" {
			t.Errorf("%s %s from %q", r.Method, r.URL.Path, agent)
		}
		return false
	})
	_, _, err := s.open(nil).Digest(context.Background(), "api", "0.1.0")
	must(t, err)
}

func TestPlainHTTPIsForThisMachineOnly(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.8.9.1": true, "[::1]:5000": true, "[::1]": true,
		"192.168.0.1:5000": false, "10.0.0.1": false, "registry.localhost:5000": false, "localhost.example.com": false,
		"128.0.0.1": false, "registry.example.com": false, "": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	for _, host := range []string{"192.168.0.1:5000", "registry.localhost:5000", "registry.example.com"} {
		asked := map[string]bool{}
		p, err := Open(host, acmeShop, Options{Keychain: authn.NewMultiKeychain(), Backoff: time.Millisecond,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				asked[r.URL.Scheme] = true
				return nil, errors.New("unreachable")
			})})
		must(t, err)
		if _, _, err := p.Digest(context.Background(), "api", "0.1.0"); err == nil || asked["http"] || !asked["https"] {
			t.Errorf("%s: asked by %v, %v", host, asked, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
