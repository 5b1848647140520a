package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Has implements [Repository].
func (r repository) Has(ctx context.Context, blob Descriptor) (bool, error) {
	a, err := r.ask(ctx, question{method: http.MethodHead, kind: "blobs", identifier: blob.Digest, limit: maxProblem})
	return err == nil && a.status != http.StatusNotFound, err
}

// Blob implements [Repository].
func (r repository) Blob(ctx context.Context, blob Descriptor) ([]byte, error) {
	digest := blob.Digest
	if blob.Size > MaxBlob {
		return nil, r.strange(digest, fmt.Sprintf("the config has %d bytes, more than %d MiB", blob.Size, MaxBlob>>20))
	}
	a, err := r.ask(ctx, question{method: http.MethodGet, kind: "blobs", identifier: digest, limit: MaxBlob})
	switch {
	case err != nil:
		return nil, err
	case a.status == http.StatusNotFound:
		return nil, r.lost(digest)
	case DigestOf(a.body) != digest:
		return nil, r.strange(digest, "the contents have another digest, "+DigestOf(a.body))
	}
	return a.body, nil
}

// Open implements [Repository]. A read that stands still for [Pace.Timeout] fails.
func (r repository) Open(ctx context.Context, blob Descriptor) (io.ReadCloser, error) {
	client, err := r.reader(ctx)
	if err != nil {
		return nil, err
	}
	reference := r.Reference(blob.Digest)
	wrap := func(err error) error { return r.client.refused(ctx, reading, reference, err) }
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url()+"/blobs/"+blob.Digest, nil)
	if err != nil {
		return nil, wrap(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, wrap(err)
	}
	opened := &wrapped{response.Body, wrap}
	if response.StatusCode == http.StatusOK {
		return opened, nil
	}
	defer opened.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, r.lost(blob.Digest)
	}
	said, _ := io.ReadAll(io.LimitReader(opened, maxProblem)) // only for the message
	return nil, r.client.declined(reading, reference, response.StatusCode, response.Header, diagnostics(said))
}
