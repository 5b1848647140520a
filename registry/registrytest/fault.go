package registrytest

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Status answers with a status, and with what should not be in an error's text.
func Status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"code":"TESTED","message":"Authorization: Bearer s3cr3t-t0ken"}]}`)
	}
}

// Plain answers with a status, and says something ("CODE: message") in the usual form
// if it is given.
func Plain(code int, says string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		if what, message, found := strings.Cut(says, ": "); found {
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, what, message)
		}
	}
}

// HTML answers as a proxy does.
func HTML(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		fmt.Fprint(w, "<html>s3cr3t</html>")
	}
}

// Abroad leads to another machine, in the clear.
func Abroad(w http.ResponseWriter, _ *http.Request) {
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

// Reset breaks the connection.
func Reset(w http.ResponseWriter, _ *http.Request) {
	connection := hijack(w)
	connection.SetLinger(0)
	connection.Close()
}

// Cut ends an answer in its body or, where it has none, in its head.
func Cut(w http.ResponseWriter, r *http.Request) {
	connection := hijack(w)
	defer connection.Close()
	fmt.Fprint(connection, "HTTP/1.1 200 OK\r\nContent-Type: "+indexType+"\r\n")
	if r.Method != http.MethodHead {
		fmt.Fprint(connection, "Content-Length: 1000\r\n\r\n{\"schema")
	}
}

// Discard is where an answer goes that gets lost.
type Discard struct{ Headers http.Header }

// Header implements [http.ResponseWriter].
func (d Discard) Header() http.Header { return d.Headers }

// Write implements [http.ResponseWriter].
func (d Discard) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements [http.ResponseWriter].
func (d Discard) WriteHeader(int) {}

// RoundTripper is a transport that is a function.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ErrDead is what a dead process gets for an answer.
var ErrDead = errors.New("the process died")

// Mortal is a transport of a process that dies at its nth request: before it
// is sent, or after it was carried out and before the answer is seen.
type Mortal struct {
	Inner  http.RoundTripper
	Counts func(*http.Request) bool // which requests; nil: all
	Left   int
	After  bool
	Dead   bool

	mu sync.Mutex
}

// RoundTrip implements [http.RoundTripper].
func (m *Mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Dead {
		return nil, ErrDead
	}
	if m.Counts != nil && !m.Counts(r) {
		return m.Inner.RoundTrip(r)
	}
	if m.Left--; m.Left < 0 {
		m.Dead = true
		if !m.After {
			return nil, ErrDead
		}
	}
	response, err := m.Inner.RoundTrip(r)
	if m.Dead && err == nil {
		response.Body.Close()
		return nil, ErrDead
	}
	return response, err
}

// Tokens lets the registry want tokens, and returns who it gave which.
func (s *Server) Tokens() *[]string {
	given := &[]string{}
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			user, password, _ := r.BasicAuth()
			*given = append(*given, user+":"+password+" "+r.URL.Query().Get("scope"))
			fmt.Fprint(w, `{"access_token":"t0ken"}`)
			return true
		}
		if r.Header.Get("Authorization") == "Bearer t0ken" {
			return false
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, s.HTTP.URL))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	return given
}

// User is a keychain with one account: ann, whose password is s3cr3t.
type User struct{}

// Resolve implements [authn.Keychain].
func (User) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: "ann", Password: "s3cr3t"}), nil
}

// Behind hands requests on to a registry that listens at a host.
func Behind(host string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: host})
			r.Out.Host = r.In.Host // the registry makes its Location headers of it
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		ErrorLog:  log.New(io.Discard, "", 0), // clients that die break connections
	}
}
