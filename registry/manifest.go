package registry

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"
)

// Head implements [Repository]. It is one HEAD, and one GET more if the tag is
// absent in a registry that does not identify itself in its answers.
func (r repository) Head(ctx context.Context, identifier string) (digest string, found bool, err error) {
	a, err := r.ask(ctx, question{method: http.MethodHead, kind: "manifests", identifier: identifier})
	switch {
	case err != nil:
		return "", false, err
	case a.absent(true):
		return "", false, nil
	case a.status == http.StatusNotFound:
		manifest, found, err := r.Get(ctx, identifier)
		return manifest.Digest, found, err
	}
	digest = a.digest()
	if !IsDigest(digest) {
		return "", false, r.strange(identifier, fmt.Sprintf("the answer has the digest %.80q, not sha256: and 64 hexadecimal digits", digest))
	}
	return digest, true, nil
}

// Get implements [Repository].
func (r repository) Get(ctx context.Context, identifier string) (manifest Manifest, found bool, err error) {
	a, err := r.ask(ctx, question{method: http.MethodGet, kind: "manifests", identifier: identifier, limit: MaxManifest})
	switch {
	case err != nil:
		return Manifest{}, false, err
	case a.absent(false):
		return Manifest{}, false, nil
	case a.status == http.StatusNotFound:
		return Manifest{}, false, r.unclear(identifier)
	}
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	manifest = NewManifest(mediaType, a.body)
	if !slices.Contains(Acceptable, mediaType) {
		return Manifest{}, false, r.strange(identifier, fmt.Sprintf("the answer is of type %.80q, not an index or image manifest", mediaType))
	}
	wanted := identifier
	if !IsDigest(identifier) {
		wanted = a.digest()
	}
	if wanted != "" && wanted != manifest.Digest {
		return Manifest{}, false, r.strange(identifier, fmt.Sprintf("the contents have the digest %s, not %.80s", manifest.Digest, clean(wanted)))
	}
	return manifest, true, nil
}

// Put implements [Repository].
func (r repository) Put(ctx context.Context, identifier string, manifest Manifest) (receipt Receipt, err error) {
	client, err := r.writer(ctx)
	if err != nil {
		return Receipt{}, err
	}
	err = r.client.pace.once(ctx, r.client.pace.Timeout, func(ctx context.Context) (err error) {
		receipt, err = r.putOnce(ctx, client, identifier, manifest)
		return err
	})
	return receipt, err
}

// putOnce is Put, without a deadline.
func (r repository) putOnce(ctx context.Context, client *http.Client, identifier string, manifest Manifest) (Receipt, error) {
	a, err := r.send(ctx, client, question{
		method: http.MethodPut, kind: "manifests", identifier: identifier,
		mediaType: manifest.MediaType, body: manifest.Bytes, limit: maxProblem,
	})
	if err == nil {
		err = a.is(http.StatusCreated, r.Reference(identifier))
	}
	return Receipt{Digest: a.digest(), Listed: a.header.Get("Oci-Subject") != ""}, err
}

// Replace implements [Repository].
func (r repository) Replace(ctx context.Context, identifier, was string, manifest Manifest) (receipt Receipt, err error) {
	client, err := r.writer(ctx)
	if err != nil {
		return Receipt{}, err
	}
	writable, again := r.client.at(r.image, push), false
	err = r.client.pace.Retry(ctx, func(ctx context.Context) error {
		if again {
			digest, _, err := writable.Head(ctx, identifier)
			switch {
			case err != nil || digest == manifest.Digest:
				return err
			case digest != was:
				return &OtherError{r.Reference(identifier), manifest.Digest, digest}
			}
		}
		again = true
		receipt, err = r.putOnce(ctx, client, identifier, manifest)
		if said := receipt.Digest; err == nil && said != "" && said != manifest.Digest {
			return &ReadBackError{Reference: r.Reference(identifier), Wanted: manifest.Digest, Got: clean(said)}
		}
		return err
	})
	if Immutable(err) {
		if digest, found, looked := writable.Head(ctx, identifier); looked == nil && found {
			if digest == manifest.Digest {
				return receipt, nil
			}
			return receipt, &OtherError{r.Reference(identifier), manifest.Digest, digest}
		}
	}
	return receipt, err
}

// Delete implements [Repository].
func (r repository) Delete(ctx context.Context, tag string) (bool, error) {
	client, err := r.writer(ctx)
	if err != nil {
		return false, err
	}
	return deleted(r.client.pace.Retry(ctx, func(ctx context.Context) error {
		_, err := r.exchange(ctx, client, exchange{
			question: question{method: http.MethodDelete, limit: maxProblem},
			url:      r.url() + "/manifests/" + tag, doing: writing, reference: r.Reference(tag),
		})
		return err
	}))
}

// Referrers implements [Repository].
func (r repository) Referrers(ctx context.Context, digest string) ([]string, error) {
	c := r.client
	c.mu.Lock()
	unlisting := c.unlisting
	c.mu.Unlock()
	if unlisting {
		return nil, nil
	}
	a, err := r.ask(ctx, question{method: http.MethodGet, kind: "referrers", identifier: digest, limit: MaxManifest})
	if err != nil {
		return nil, err
	}
	if a.unlists() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.unlisting = true
		return nil, nil
	}
	return NewManifest(IndexType, a.body).Referrers()
}

// lost is the error for what has to be there.
func (r repository) lost(identifier string) error {
	err := r.strange(identifier, "the registry lost it (404)")
	err.Status = http.StatusNotFound
	return err
}

// strange is the error for an answer that no registry should give.
func (r repository) strange(identifier, problem string) *RequestError {
	return &RequestError{Doing: reading, Reference: r.Reference(identifier), Problem: problem, once: true, Hint: checkAddress}
}
