package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Host is where a registry's images are asked for: the registry itself, or a mirror.
type Host struct {
	Name      string            // with a port, if it has one
	Plain     bool              // http, where the carrier else wants https
	Transport http.RoundTripper // with the right certificates; nil: that of the [Options]
}

// Hosts returns the hosts of a registry (docker.io), in the order in which they are asked;
// none for a registry of which nothing is known.
type Hosts func(registry string) ([]Host, error)

const (
	dockerHub     = "docker.io"
	dockerHubName = "index.docker.io"      // by which its credentials are found
	dockerHubHost = "registry-1.docker.io" // where it is
)

// of returns the hosts of a registry as go-containerregistry names it.
func (h Hosts) of(registry string) ([]Host, error) {
	if h == nil {
		return nil, nil
	}
	if registry == dockerHubName {
		registry = dockerHub
	}
	all, err := h(registry)
	if err != nil {
		return nil, fmt.Errorf("reading how registry %s is reached: %w", registry, err)
	}
	return all, nil
}

// apply returns the options for a host, and its name.
func (h Host) apply(o Options) (name.Registry, Options, error) {
	var options []name.Option
	if h.Plain {
		o.plain = h.Name
		options = append(options, name.Insecure)
	}
	if h.Transport != nil {
		o.Transport = h.Transport
	}
	if h.Name == dockerHubHost {
		h.Name = dockerHubName
	}
	server, err := name.NewRegistry(h.Name, options...)
	return server, o, err
}

// itself is the host that is a registry, no mirror of it.
func (h Hosts) itself(registry string) (Host, bool, error) {
	all, err := h.of(registry)
	for _, host := range all {
		if host.Name == registry || host.Name == dockerHubHost && registry == dockerHubName {
			return host, true, err
		}
	}
	return Host{}, false, err
}

// mirrored is a repository that several hosts have. It is read at the first that has what
// is asked for, and written at the last.
type mirrored []Repository

// asksFor adds to requests to a mirror which registry's images they are for, as containerd
// does.
type asksFor struct {
	http.RoundTripper
	registry string
}

// RoundTrip implements [http.RoundTripper].
func (a asksFor) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v2/") && len(r.URL.Path) > len("/v2/") {
		r = r.Clone(r.Context())
		query := r.URL.Query()
		query.Set("ns", a.registry)
		r.URL.RawQuery = query.Encode()
	}
	return a.RoundTripper.RoundTrip(r)
}

// first returns what the first repository has. One that fails is passed over, as long as
// another one answers.
func first[T any](ctx context.Context, m mirrored, ask func(Repository) (T, bool, error)) (value T, found bool, err error) {
	var failed error
	for _, repository := range m {
		value, found, err = ask(repository)
		if err == nil && found || ctx.Err() != nil {
			return value, found, err
		}
		failed = errors.Join(failed, err)
	}
	if err == nil { // the registry itself says that it is not there
		return value, false, nil
	}
	return value, false, failed
}

// always is the third result of what is there or fails.
func always[T any](value T, err error) (T, bool, error) { return value, err == nil, err }

func (m mirrored) last() Repository { return m[len(m)-1] }

func (m mirrored) Reference(identifier string) string { return m.last().Reference(identifier) }

func (m mirrored) Head(ctx context.Context, identifier string) (string, bool, error) {
	return first(ctx, m, func(r Repository) (string, bool, error) { return r.Head(ctx, identifier) })
}

func (m mirrored) Get(ctx context.Context, identifier string) (Manifest, bool, error) {
	return first(ctx, m, func(r Repository) (Manifest, bool, error) { return r.Get(ctx, identifier) })
}

func (m mirrored) Has(ctx context.Context, blob Descriptor) (bool, error) {
	has, _, err := first(ctx, m, func(r Repository) (bool, bool, error) {
		has, err := r.Has(ctx, blob)
		return has, has, err
	})
	return has, err
}

func (m mirrored) Blob(ctx context.Context, blob Descriptor) ([]byte, error) {
	data, _, err := first(ctx, m, func(r Repository) ([]byte, bool, error) { return always(r.Blob(ctx, blob)) })
	return data, err
}

func (m mirrored) Open(ctx context.Context, blob Descriptor) (io.ReadCloser, error) {
	contents, _, err := first(ctx, m, func(r Repository) (io.ReadCloser, bool, error) { return always(r.Open(ctx, blob)) })
	return contents, err
}

func (m mirrored) Put(ctx context.Context, identifier string, manifest Manifest) (Receipt, error) {
	return m.last().Put(ctx, identifier, manifest)
}

func (m mirrored) Replace(ctx context.Context, identifier, was string, manifest Manifest) (Receipt, error) {
	return m.last().Replace(ctx, identifier, was, manifest)
}

func (m mirrored) Delete(ctx context.Context, tag string) (bool, error) {
	return m.last().Delete(ctx, tag)
}

func (m mirrored) Upload(ctx context.Context, blob Descriptor, from string, open Opener) (bool, error) {
	return m.last().Upload(ctx, blob, from, open)
}

func (m mirrored) Tags(ctx context.Context, after, page string) ([]string, string, error) {
	return m.last().Tags(ctx, after, page)
}

func (m mirrored) Referrers(ctx context.Context, digest string) ([]string, error) {
	return m.last().Referrers(ctx, digest)
}
