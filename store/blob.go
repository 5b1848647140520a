package store

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// upload pushes a small blob in one piece. With look, and whenever an attempt
// may have succeeded, it looks first whether it is there.
func (r repository) upload(ctx context.Context, digest string, data []byte, look bool) error {
	client, err := r.project.client(ctx, r.scope)
	if err != nil {
		return err
	}
	return r.project.attempts(ctx, func(ctx context.Context) error {
		if look {
			a, err := r.send(ctx, client, question{method: http.MethodHead, kind: "blobs", identifier: digest, limit: maxProblem})
			if err != nil || a.status != http.StatusNotFound {
				return err
			}
		}
		look = true
		return r.uploadOnce(ctx, client, digest, data)
	})
}

func (r repository) uploadOnce(ctx context.Context, client *http.Client, digest string, data []byte) error {
	start := exchange{
		question: question{method: http.MethodPost, limit: maxProblem},
		url:      r.url() + "/blobs/uploads/", doing: writing, reference: r.reference(digest),
	}
	a, location, err := r.begin(ctx, client, start)
	if err != nil {
		return err
	}
	if a.status != http.StatusAccepted || location == nil {
		return r.unexpected(start.reference, a.status, "202 Accepted")
	}
	query := location.Query()
	query.Set("digest", digest)
	location.RawQuery = query.Encode()
	a, err = r.exchange(ctx, client, exchange{
		question: question{method: http.MethodPut, mediaType: "application/octet-stream", body: data, limit: maxProblem},
		url:      location.String(), doing: writing, reference: start.reference,
	})
	if err == nil && a.status != http.StatusCreated {
		err = r.unexpected(start.reference, a.status, "201 Created")
	}
	return err
}

// begin asks where to upload to; the location is nil if there is none.
func (r repository) begin(ctx context.Context, client *http.Client, start exchange) (answer, *url.URL, error) {
	a, err := r.exchange(ctx, client, start)
	if err != nil {
		return a, nil, err
	}
	base, err := url.Parse(start.url)
	if err != nil {
		return a, nil, r.unexpected(start.reference, a.status, "202 Accepted")
	}
	location, err := base.Parse(a.header.Get("Location"))
	if err != nil || a.header.Get("Location") == "" {
		return a, nil, nil // the caller says what it expected
	}
	return a, location, nil
}

// unexpected is the error for a success that a registry should not give.
func (r repository) unexpected(reference string, status int, expected string) error {
	return &RequestError{
		Doing: writing, Reference: reference, Problem: fmt.Sprintf("the answer is %d %s, not %s", status, http.StatusText(status), expected),
		Hint: "check the registry's address, and a proxy before it",
	}
}

// missing is the error for a manifest that was not pushed, or is gone.
func (r repository) missing(digest string) error {
	return fmt.Errorf("%s is not in the registry: run the build again, it pushes it", r.reference(digest))
}
