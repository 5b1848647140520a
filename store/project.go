// Package store is the state store: it reads which release a ring holds, and
// publishes a plan whose images were pushed by digest.
//
// "Absent" is only what a registry clearly says; every other answer that is not
// the expected one is an error. Errors name the reference and the next step,
// and hold no credentials.
package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Options are how a registry is talked to. The zero value is what people want.
type Options struct {
	// Keychain finds credentials, once for a Project; nil: those of Docker.
	Keychain authn.Keychain
	// Transport carries the requests; nil: the one of go-containerregistry.
	Transport http.RoundTripper
	// UserAgent is sent as it is; "": "quoit".
	UserAgent string
	// Timeout is for one attempt, body included; 0: 30 s.
	Timeout time.Duration
	// Attempts is how often a request that changes nothing is made until one
	// succeeds; 0: 3.
	Attempts int
	// Backoff is the pause before the second attempt; each further one is three
	// times as long. What a registry asks to wait goes before; 0: 1 s.
	Backoff time.Duration
	// Jobs is how many requests run at a time; 0: 8.
	Jobs int
}

func (o Options) filled() Options {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.Transport == nil {
		o.Transport = remote.DefaultTransport
	}
	if o.UserAgent == "" {
		o.UserAgent = "quoit"
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = attempts
	}
	if o.Backoff <= 0 {
		o.Backoff = time.Second
	}
	if o.Jobs <= 0 {
		o.Jobs = 8
	}
	return o
}

// Project is the repositories of one project in one registry. It may be used
// by several goroutines. It connects when first asked, once for the registry
// and, where the registry wants tokens, once for each repository.
type Project struct {
	project string // acme/shop
	server  name.Registry
	path    string // that of the registry, and the project
	options Options
	carrier http.RoundTripper

	greeting greeting
	mu       sync.Mutex
	sessions map[scope]*session
}

// Open returns the project of that name ("acme/shop") in a registry: a host,
// optionally with a port and a path. It makes no request; the error says that
// one of the two is not a name. Plain http is spoken to loopback hosts only.
func Open(registry, project string, options Options) (*Project, error) {
	if strings.Contains(registry, "@") {
		return nil, errors.New("opening a registry: its name contains credentials: leave them out and use docker login")
	}
	host, path, _ := strings.Cut(registry, "/")
	full := strings.TrimPrefix(path+"/"+project, "/")
	if host == "" || strings.HasSuffix(host, ":") || len(full) > 255 || !nameForm.MatchString(full) {
		return nil, fmt.Errorf("opening project %.80q in registry %.80q: these are no names, like acme/shop in registry.example.com", project, registry)
	}
	var encryption []name.Option
	if loopback(host) {
		encryption = append(encryption, name.Insecure)
	}
	server, err := name.NewRegistry(host, encryption...)
	if err != nil {
		return nil, fmt.Errorf("opening registry %.80q: %w", registry, err)
	}
	options = options.filled()
	return &Project{
		project: project, server: server, path: full, options: options,
		carrier:  &carrier{inner: options.Transport, agent: options.UserAgent},
		sessions: map[scope]*session{},
	}, nil
}

// Digest returns the digest that a tag of an image names, and whether there is
// such a tag. It is one HEAD, and one GET more if the tag is absent in a
// registry that does not identify itself in its answers. The error is a [*RequestError].
func (p *Project) Digest(ctx context.Context, image, tag string) (digest string, found bool, err error) {
	return p.repository(image, pull).head(ctx, tag)
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
