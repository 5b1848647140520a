package registry

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

	"github.com/quoitbuild/quoit/registry/registrytest"
)

func TestErrorTexts(t *testing.T) {
	const tag = "HOST/acme/shop/api:0.1.0"
	never := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cases := map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"401":               {registrytest.Plain(401, ""), "reading " + tag + ": not logged in, or no longer logged in (401): docker login HOST"},
		"403":               {registrytest.Plain(403, ""), "reading " + tag + ": this account may not pull from there (403): docker login HOST with one that may"},
		"404 of a proxy":    {registrytest.HTML(404), "reading " + tag + ": the answer is 404, but not as a registry says that something is absent: check the registry's address, and a proxy before it"},
		"429":               {registrytest.Plain(429, ""), "reading " + tag + ": too many requests (429): run the same command again later"},
		"500":               {registrytest.Plain(500, ""), "reading " + tag + ": the registry is in trouble (500 Internal Server Error): run the same command again later"},
		"503":               {registrytest.Plain(503, ""), "reading " + tag + ": the registry is in trouble (503 Service Unavailable): run the same command again later"},
		"418":               {registrytest.Plain(418, ""), "reading " + tag + ": the registry answered 418 I'm a teapot"},
		"a hang":            {never, "reading " + tag + ": no answer within 200ms: run the same command again later"},
		"no digest":         {registrytest.HTML(200), "reading " + tag + `: the answer has the digest "", not sha256: and 64 hexadecimal digits: check the registry's address, and a proxy before it`},
		"plain http abroad": {registrytest.Abroad, "reading " + tag + ": plain HTTP is only for this machine, not for registry.invalid: serve the registry with TLS"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v2/" {
					return false
				}
				test.serve(w, r)
				return true
			})
			p := open(s, func(o *Options) { o.Timeout = 200 * time.Millisecond })
			_, _, err := p.Repository("api").Head(context.Background(), "0.1.0")
			if got := s.Text(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestConnecting(t *testing.T) {
	s := registrytest.New(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, test := range map[string]struct {
		registry string
		serve    http.HandlerFunc
		want     string
	}{
		"nobody listens": {strings.TrimPrefix(closed.URL, "http://"), nil,
			"connecting to " + strings.TrimPrefix(closed.URL, "http://") + ": nothing listens there (connection refused): check that the registry runs, and its address"},
		"no registry": {s.Host(), registrytest.HTML(404), "connecting to HOST: it does not answer as a registry does (404): check the registry's address"},
		"forbidden":   {s.Host(), registrytest.Plain(403, ""), "connecting to HOST: this account may not pull from there (403): docker login HOST with one that may"},
	} {
		t.Run(name, func(t *testing.T) {
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool { test.serve(w, r); return true })
			p, err := Open(test.registry, registrytest.Path, Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}, Backoff: time.Millisecond})
			must(t, err)
			_, _, err = p.Repository("api").Head(context.Background(), "0.1.0")
			if got := s.Text(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	s := registrytest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		cancel()
		<-r.Context().Done()
		return true
	})
	_, _, err := open(s, nil).Repository("api").Head(ctx, "0.1.0")
	if want := "reading HOST/acme/shop/api:0.1.0: interrupted"; s.Text(err) != want || !errors.Is(err, context.Canceled) {
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
		"an unknown manifest":   {registrytest.Plain(404, "MANIFEST_UNKNOWN: no"), true, 3},
		"an unknown repository": {registrytest.Plain(404, "NAME_UNKNOWN: no"), true, 3},
		"Harbor's":              {registrytest.Plain(404, "NOT_FOUND: no"), true, 3},
		"another code":          {registrytest.Plain(404, "UNSUPPORTED: no"), false, 3},
		"no code":               {registrytest.Plain(404, ""), false, 3},
		"a page":                {registrytest.HTML(404), false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v2/" {
					test.serve(w, r)
				}
				return r.URL.Path != "/v2/"
			})
			digest, found, err := open(s, nil).Repository("api").Head(context.Background(), "0.1.0")
			if digest != "" || found || (err == nil) != test.absent {
				t.Errorf("%q, %v, %v", digest, found, err)
			}
			if requests := s.Requests(); len(requests) != test.requests {
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
			p, openErr := Open("host.example", registrytest.Path, Options{})
			must(t, openErr)
			err := p.refused(context.Background(), reading, "host/x:1", fmt.Errorf("first: %w", err))
			if strings.Contains(err.Error(), secret) {
				t.Error(err)
			}
		})
	}
}

func TestUserAgent(t *testing.T) {
	s := registrytest.New(t)
	s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if agent := r.Header.Get("User-Agent"); agent != "quoit/test" {
			t.Errorf("%s %s from %q", r.Method, r.URL.Path, agent)
		}
		return false
	})
	_, _, err := open(s, nil).Repository("api").Head(context.Background(), "0.1.0")
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
		p, err := Open(host, registrytest.Path, Options{Keychain: authn.NewMultiKeychain(), Backoff: time.Millisecond,
			Transport: registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				asked[r.URL.Scheme] = true
				return nil, errors.New("unreachable")
			})})
		must(t, err)
		if _, _, err := p.Repository("api").Head(context.Background(), "0.1.0"); err == nil || asked["http"] || !asked["https"] {
			t.Errorf("%s: asked by %v, %v", host, asked, err)
		}
	}
}
