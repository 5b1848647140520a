package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// store is what copies read and write. Names of images are those below the project.
type store interface {
	// name is the store's own, for people, and reference that of a tag or digest.
	name() string
	reference(image, identifier string) string
	// head and get look for a tag or digest; contents have the digest that they say.
	head(ctx context.Context, image, identifier string) (digest string, found bool, err error)
	get(ctx context.Context, image, identifier string) (manifest stored, found bool, err error)
	tags(ctx context.Context, image string) ([]string, error)
	// referrers are the manifests that refer to one, as far as the store keeps a
	// list of its own.
	referrers(ctx context.Context, image, digest string) ([]string, error)
	has(ctx context.Context, image string, blob descriptor) (bool, error)
	// open reads a blob. Its digest is not verified.
	open(ctx context.Context, image string, blob descriptor) (io.ReadCloser, error)
	// write writes a blob, or lets the image have it from another one of the
	// store: then it is mounted, and open is not called.
	write(ctx context.Context, image string, blob descriptor, from string, open opener) (mounted bool, err error)
	// put writes a manifest under a tag or its digest. What the tag names is was,
	// or it is an error. listed says that the store lists it as a referrer.
	put(ctx context.Context, image, identifier, was string, manifest stored) (listed bool, err error)
	// flush ends the writes.
	flush() error
}

// opener opens a blob at its source.
type opener func(context.Context) (io.ReadCloser, error)

func (p *Project) store() store { return &shelf{project: p, right: pull} }

// shelf is a project in a registry.
type shelf struct {
	project   *Project
	right     string
	unlisting bool // the registry has no list of referrers
}

func (s *shelf) at(image string) repository { return s.project.repository(image, s.right) }

func (s *shelf) writable(image string) repository { return s.project.repository(image, push) }

func (s *shelf) name() string { return s.project.host() + "/" + s.project.path }

func (s *shelf) reference(image, identifier string) string {
	return s.at(image).reference(identifier)
}

func (s *shelf) head(ctx context.Context, image, identifier string) (string, bool, error) {
	return s.at(image).head(ctx, identifier)
}

func (s *shelf) get(ctx context.Context, image, identifier string) (stored, bool, error) {
	return s.at(image).get(ctx, identifier)
}

func (s *shelf) tags(ctx context.Context, image string) ([]string, error) {
	return s.at(image).allTags(ctx)
}

// referrers asks the registry's own list. Where there is none the answer is 404,
// also for manifests that nothing refers to.
func (s *shelf) referrers(ctx context.Context, image, digest string) ([]string, error) {
	s.project.mu.Lock()
	unlisting := s.unlisting
	s.project.mu.Unlock()
	if unlisting {
		return nil, nil
	}
	a, err := s.at(image).ask(ctx, question{method: http.MethodGet, kind: "referrers", identifier: digest, limit: maxManifest})
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusNotFound {
		s.project.mu.Lock()
		defer s.project.mu.Unlock()
		s.unlisting = true
		return nil, nil
	}
	return manifestsOf(a.body)
}

// manifestsOf are the digests that an index names.
func manifestsOf(index []byte) ([]string, error) {
	var parsed struct{ Manifests []descriptor }
	if err := json.Unmarshal(index, &parsed); err != nil {
		return nil, fmt.Errorf("its list of referrers is broken: %s", clean(err.Error()))
	}
	var digests []string
	for _, d := range parsed.Manifests {
		if !digestForm.MatchString(d.Digest) {
			return nil, fmt.Errorf("its list of referrers names %.80q", clean(d.Digest))
		}
		digests = append(digests, d.Digest)
	}
	return digests, nil
}

func (s *shelf) has(ctx context.Context, image string, blob descriptor) (bool, error) {
	a, err := s.at(image).ask(ctx, question{method: http.MethodHead, kind: "blobs", identifier: blob.Digest, limit: maxProblem})
	return err == nil && a.status != http.StatusNotFound, err
}

func (s *shelf) flush() error { return nil }

// put looks before every attempt but the first, so that none hits what somebody
// else wrote meanwhile.
func (s *shelf) put(ctx context.Context, image, identifier, was string, manifest stored) (listed bool, err error) {
	repository, again := s.writable(image), false
	client, err := s.project.client(ctx, repository.scope)
	if err != nil {
		return false, err
	}
	err = s.project.attempts(ctx, func(ctx context.Context) error {
		if again {
			digest, _, err := repository.head(ctx, identifier)
			switch {
			case err != nil || digest == manifest.digest:
				return err
			case digest != was:
				return &CopyTakenError{repository.reference(identifier), manifest.digest, digest}
			}
		}
		again = true
		said, subject, err := repository.putOnce(ctx, client, identifier, manifest)
		listed = subject != ""
		if err == nil && said != "" && said != manifest.digest {
			return &ReadBackError{Reference: repository.reference(identifier), Wanted: manifest.digest, Got: clean(said)}
		}
		return err
	})
	if immutable(err) {
		if digest, found, looked := repository.head(ctx, identifier); looked == nil && found {
			if digest == manifest.digest {
				return listed, nil
			}
			return listed, &CopyTakenError{repository.reference(identifier), manifest.digest, digest}
		}
	}
	return listed, err
}

// elsewhere opens the repository of a reference in whatever registry.
func (p *Project) elsewhere(reference string) (store, string, error) {
	reference, _, _ = strings.Cut(reference, "#")
	parsed, err := name.ParseReference(reference)
	if err != nil {
		return nil, "", fmt.Errorf("%.80q is not a reference", clean(reference))
	}
	host := parsed.Context().Registry
	if loopback(host.RegistryStr()) {
		if host, err = name.NewRegistry(host.RegistryStr(), name.Insecure); err != nil {
			return nil, "", err
		}
	}
	other := &Project{project: p.project, server: host, options: p.options, carrier: p.carrier, sessions: map[scope]*session{}}
	return other.store(), parsed.Context().RepositoryStr(), nil
}

// isIndex reports whether a manifest is an index.
func (m stored) isIndex() bool { return slices.Contains(indexes, m.mediaType) }
