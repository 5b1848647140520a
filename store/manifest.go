package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// stored is an index or image manifest, byte for byte.
type stored struct {
	digest    string
	mediaType types.MediaType
	bytes     []byte
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// head returns the digest that a tag or digest names.
func (r repository) head(ctx context.Context, identifier string) (digest string, found bool, err error) {
	a, err := r.ask(ctx, question{method: http.MethodHead, kind: "manifests", identifier: identifier})
	switch {
	case err != nil:
		return "", false, err
	case a.absent(true):
		return "", false, nil
	case a.status == http.StatusNotFound:
		manifest, found, err := r.get(ctx, identifier)
		return manifest.digest, found, err
	}
	digest = a.header.Get("Docker-Content-Digest")
	if !digestForm.MatchString(digest) {
		return "", false, r.strange(identifier, fmt.Sprintf("the answer has the digest %.80q, not sha256: and 64 hexadecimal digits", digest))
	}
	return digest, true, nil
}

// get returns the manifest that a tag or digest names, its digest verified.
func (r repository) get(ctx context.Context, identifier string) (manifest stored, found bool, err error) {
	a, err := r.ask(ctx, question{method: http.MethodGet, kind: "manifests", identifier: identifier, limit: maxManifest})
	switch {
	case err != nil:
		return stored{}, false, err
	case a.absent(false):
		return stored{}, false, nil
	case a.status == http.StatusNotFound:
		return stored{}, false, r.unclear(identifier)
	}
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	manifest = stored{digestOf(a.body), types.MediaType(mediaType), a.body}
	if !slices.Contains(acceptable, manifest.mediaType) {
		return stored{}, false, r.strange(identifier, fmt.Sprintf("the answer is of type %.80q, not an index or image manifest", mediaType))
	}
	wanted := identifier
	if !digestForm.MatchString(identifier) {
		wanted = a.header.Get("Docker-Content-Digest")
	}
	if wanted != "" && wanted != manifest.digest {
		return stored{}, false, r.strange(identifier, fmt.Sprintf("the contents have the digest %s, not %.80s", manifest.digest, clean(wanted)))
	}
	return manifest, true, nil
}

// blob returns the contents of a digest that a manifest names.
func (r repository) blob(ctx context.Context, digest string, size int64) ([]byte, error) {
	if size > maxConfig {
		return nil, r.strange(digest, fmt.Sprintf("the config has %d bytes, more than %d MiB", size, maxConfig>>20))
	}
	a, err := r.ask(ctx, question{method: http.MethodGet, kind: "blobs", identifier: digest, limit: maxConfig})
	switch {
	case err != nil:
		return nil, err
	case a.status == http.StatusNotFound:
		return nil, r.lost(digest)
	case digestOf(a.body) != digest:
		return nil, r.strange(digest, "the contents have another digest, "+digestOf(a.body))
	}
	return a.body, nil
}

// put writes a manifest under a tag, in one attempt, and returns the digest that
// the registry says it has stored, "" if it says nothing. Any success but 201 may
// be a proxy's and is an error, after which the tag has to be looked at.
func (r repository) put(ctx context.Context, tag string, manifest stored) (said string, err error) {
	client, err := r.project.client(ctx, r.scope)
	if err != nil {
		return "", err
	}
	err = r.project.attempt(ctx, func(ctx context.Context) (err error) {
		said, _, err = r.putOnce(ctx, client, tag, manifest)
		return err
	})
	return said, err
}

// putOnce is put, without a deadline. Subject is that of the manifest if the
// registry says that it lists its referrers.
func (r repository) putOnce(ctx context.Context, client *http.Client, identifier string, manifest stored) (said, subject string, err error) {
	a, err := r.send(ctx, client, question{
		method: http.MethodPut, kind: "manifests", identifier: identifier,
		mediaType: string(manifest.mediaType), body: manifest.bytes, limit: maxProblem,
	})
	if err == nil && a.status != http.StatusCreated {
		err = &RequestError{
			Doing: writing, Reference: r.reference(identifier), Problem: fmt.Sprintf("the answer is %d %s, not 201 Created", a.status, http.StatusText(a.status)),
			Hint: "check the registry's address, and a proxy before it",
		}
	}
	return a.header.Get("Docker-Content-Digest"), a.header.Get("Oci-Subject"), err
}

// lost is the error for what has to be there.
func (r repository) lost(identifier string) error {
	err := r.strange(identifier, "the registry lost it (404)")
	err.Status = http.StatusNotFound
	return err
}

// strange is the error for an answer that no registry should give.
func (r repository) strange(identifier, problem string) *RequestError {
	return &RequestError{
		Doing: reading, Reference: r.reference(identifier), Problem: problem, once: true,
		Hint: "check the registry's address, and a proxy before it",
	}
}

// children are the manifests that an index names.
func children(top stored) []string {
	if !slices.Contains(indexes, top.mediaType) {
		return nil
	}
	var parsed struct{ Manifests []descriptor }
	if json.Unmarshal(top.bytes, &parsed) != nil {
		return nil // reading its image says what is wrong
	}
	var digests []string
	for _, d := range parsed.Manifests {
		if digestForm.MatchString(d.Digest) {
			digests = append(digests, d.Digest)
		}
	}
	return digests
}
