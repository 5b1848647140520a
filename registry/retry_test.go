package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoitbuild/quoit/registry/registrytest"
)

// asking is every method that makes several attempts.
var asking = map[string]func(context.Context, Repository) error{
	"Head": func(ctx context.Context, r Repository) error { _, _, err := r.Head(ctx, "0.1.0"); return err },
	"Get":  func(ctx context.Context, r Repository) error { _, _, err := r.Get(ctx, "0.1.0"); return err },
	"Tags": func(ctx context.Context, r Repository) error { _, _, err := r.Tags(ctx, "", ""); return err },
	"Has":  func(ctx context.Context, r Repository) error { _, err := r.Has(ctx, BlobOf(nil)); return err },
	"Blob": func(ctx context.Context, r Repository) error { _, err := r.Blob(ctx, BlobOf([]byte("x"))); return err },
	"Referrers": func(ctx context.Context, r Repository) error {
		_, err := r.Referrers(ctx, DigestOf(nil))
		return err
	},
	"Delete": func(ctx context.Context, r Repository) error { _, err := r.Delete(ctx, "0.1.0"); return err },
	"Replace": func(ctx context.Context, r Repository) error {
		_, err := r.Replace(ctx, "0.1.0", "", NewManifest(ManifestType, []byte("{}")))
		return err
	},
	"Upload": func(ctx context.Context, r Repository) error {
		_, err := r.Upload(ctx, BlobOf([]byte("x")), "", Bytes([]byte("x")))
		return err
	},
}

// TestOnlyWhatMayPassIsAskedAgain counts the attempts after every answer that is an error.
func TestOnlyWhatMayPassIsAskedAgain(t *testing.T) {
	temporary := map[int]bool{408: true, 429: true, 500: true, 502: true, 503: true, 504: true}
	for name, ask := range asking {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			for status := 400; status < 600; status++ {
				if http.StatusText(status) == "" {
					continue
				}
				attempts := 0
				s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/v2/" {
						return false
					}
					looks := r.Method == http.MethodHead && (name == "Replace" || name == "Upload") // before another attempt
					if looks {
						w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
						w.WriteHeader(http.StatusNotFound)
						return true
					}
					attempts++
					w.WriteHeader(status)
					return true
				})
				err := ask(context.Background(), open(s, nil).Repository("api"))
				if name == "Replace" && err == nil {
					t.Errorf("%d is no error", status)
				}
				want := 1
				if temporary[status] {
					want = 3
				}
				if name == "Head" && status == http.StatusNotFound {
					want = 2 // a GET tells what is not there
				}
				if attempts != want {
					t.Errorf("%d: %d attempts, want %d (%v)", status, attempts, want, err)
				}
			}
		})
	}
}

// TestOnlyBrokenConnectionsAreTriedAgain counts the attempts after errors below HTTP.
func TestOnlyBrokenConnectionsAreTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		attempts int64
		undone   bool // a write that ends so
	}{
		"nothing listens":            {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, 1, true},
		"an unknown host":            {&net.DNSError{Name: "registry.invalid", IsNotFound: true}, 1, true},
		"an unknown authority":       {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, 1, true},
		"an unknown authority alone": {x509.UnknownAuthorityError{}, 1, true},
		"another host's certificate": {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "registry.invalid"}, 1, true},
		"an expired certificate":     {x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, 1, true},
		"a certificate is wanted":    {&net.OpError{Op: "remote error", Err: tls.AlertError(116)}, 1, false},
		"an alert after the write":   {&net.OpError{Op: "remote error", Err: tls.AlertError(80)}, 1, false},
		"HTTP where TLS is":          {http.ErrSchemeMismatch, 1, true},
		"something else than TLS":    {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, 1, false},
		"plain HTTP abroad":          {&plainError{"registry.invalid"}, 1, true},
		"it leads round":             {errRound, 1, false},
		"a name server in trouble":   {&net.DNSError{Name: "registry.invalid", IsTemporary: true}, 3, false},
		"no route":                   {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, 3, false},
		"a reset":                    {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, 3, false},
		"the end":                    {io.ErrUnexpectedEOF, 3, false},
		"time is over":               {os.ErrDeadlineExceeded, 3, false},
		"something new":              {errors.New("something new"), 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			var attempts atomic.Int64
			p := open(s, func(o *Options) {
				inner := o.Transport
				o.Transport = registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == "/v2/" {
						return inner.RoundTrip(r)
					}
					attempts.Add(1)
					return nil, &url.Error{Op: r.Method, URL: r.URL.String(), Err: fmt.Errorf("wrapped: %w", test.err)}
				})
			})
			_, _, err := p.Repository("api").Head(context.Background(), "0.1.0")
			if err == nil || attempts.Load() != test.attempts {
				t.Errorf("%d attempts, want %d (%v)", attempts.Load(), test.attempts, err)
			}
			_, err = p.Repository("api").Put(context.Background(), "0.1.0", NewManifest(ManifestType, []byte("{}")))
			if Undone(err) != test.undone {
				t.Errorf("a write that ends so is undone: %v", Undone(err))
			}
		})
	}
}

func TestRedirectsEnd(t *testing.T) {
	s := registrytest.New(t)
	asked := 0
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		asked++
		w.Header().Set("Location", r.URL.Path+"?again")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	})
	_, _, err := open(s, nil).Repository("api").Head(context.Background(), "0.1.0")
	if asked != 10 || err == nil || !strings.Contains(err.Error(), "it leads from one place to another, more than ten times: check the registry's address") {
		t.Errorf("%d requests, %v", asked, err)
	}
}

// TestAnUploadThatEndsElsewhere is for several machines behind one name that do not know
// each other's uploads.
func TestAnUploadThatEndsElsewhere(t *testing.T) {
	for lost, want := range map[int]string{
		1: "",
		9: "writing HOST/acme/shop/api@DIGEST: the registry does not know the upload that it began itself (404): several machines may answer for it that do not share their uploads",
	} {
		s := registrytest.New(t)
		begun := 0
		s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				begun++
			}
			if r.Method != http.MethodPut || begun > lost {
				return false
			}
			registrytest.Plain(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN: no")(w, r)
			return true
		})
		data := []byte("contents")
		_, err := open(s, nil).Repository("api").Upload(context.Background(), BlobOf(data), "", Bytes(data))
		got := strings.ReplaceAll(s.Text(err), DigestOf(data), "DIGEST")
		got, _, _ = strings.Cut(got, ", it says")
		if got != want || begun != min(lost+1, 3) {
			t.Errorf("%d uploads, got %q, want %q", begun, got, want)
		}
	}
}

// TestALongPauseIsSaid: the registry asks for it, and whoever waits wants to know.
func TestALongPauseIsSaid(t *testing.T) {
	for seconds, want := range map[string]string{
		"5":  "",
		"20": "waiting 20s: reading registry.example.com/acme/shop/api:0.1.0: too many requests (429), it asks to wait 20s: run the same command again later",
		"40": "", // too long to wait for
	} {
		synctest.Test(t, func(t *testing.T) {
			var said []string
			begin := time.Now()
			p, err := Open("registry.example.com", "acme/shop", Options{
				Say: func(what string) { said = append(said, what) },
				Transport: registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
					response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
					if r.URL.Path != "/v2/" {
						response.StatusCode = http.StatusTooManyRequests
						response.Header.Set("Retry-After", seconds)
					}
					return response, nil
				}),
			})
			must(t, err)
			if _, _, err := p.Repository("api").Head(t.Context(), "0.1.0"); err == nil {
				t.Error("no error")
			}
			if got := strings.Join(said, "\n"); want != "" && (len(said) != 2 || said[0] != want || said[1] != want) || want == "" && got != "" {
				t.Errorf("after %s it says %s", time.Since(begin), got)
			}
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestListsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		next  func(page string) string
		pages int
		want  string
	}{
		"goes on with itself": {func(string) string { return "a=1" }, 2, "the list of tags goes round"},
		"goes round": {func(page string) string {
			return map[string]string{"": "a=1", "a=1": "a=2", "a=2": "a=3", "a=3": "a=1"}[page]
		}, 4, "the list of tags goes round"},
		"has empty pages": {func(page string) string { return "a=" + page }, 100, "the list of tags has no end"},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			pages := 0
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/v2/" {
					return false
				}
				pages++
				page := r.URL.RawQuery
				if strings.HasPrefix(page, "n=") {
					page = ""
				}
				w.Header().Set("Link", "</x?"+test.next(page)+`>; rel="next"`)
				fmt.Fprint(w, `{"tags": []}`)
				return true
			})
			_, err := AllTags(context.Background(), open(s, nil).Repository("api"))
			if err == nil || !strings.Contains(err.Error(), test.want) || pages != test.pages {
				t.Errorf("%d pages, %v", pages, err)
			}
		})
	}
}
