package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Upload implements [Repository]. A transfer that stands still for the time of one
// attempt fails, and a failed one is repeated after a look; not one that has stood still
// for a minute in all.
func (r repository) Upload(ctx context.Context, blob Descriptor, from string, open Opener) (mounted bool, err error) {
	pace, stood := r.client.pace, time.Duration(0)
	for attempt := 1; ; attempt++ {
		mounted, err = r.uploadOnce(ctx, blob, from, open)
		if errors.Is(err, context.DeadlineExceeded) {
			stood += pace.Timeout
		}
		if err == nil || attempt >= pace.Attempts || stood >= enough || unsent(err) || !Repeatable(err) {
			return mounted, err
		}
		if err := pace.Pause(ctx, attempt, err); err != nil {
			return false, err
		}
		from = ""
		looking, cancel := context.WithTimeout(ctx, enough-stood)
		there, err := r.Has(looking, blob)
		cancel()
		if err != nil || there {
			return false, err
		}
	}
}

// uploadOnce mounts a blob, or else uploads it in one piece.
func (r repository) uploadOnce(ctx context.Context, blob Descriptor, from string, open Opener) (mounted bool, err error) {
	client, err := r.client.session(ctx, scope{image: r.image, right: push, from: from})
	if err != nil {
		return false, err
	}
	start := exchange{
		question: question{method: http.MethodPost, limit: maxProblem},
		url:      r.url() + "/blobs/uploads/", doing: writing, reference: r.Reference(blob.Digest),
	}
	if from != "" {
		start.url += "?" + url.Values{"mount": {blob.Digest}, "from": {r.client.at(from, pull).name.RepositoryStr()}}.Encode()
	}
	var a answer
	err = r.client.pace.once(ctx, r.client.pace.Timeout, func(ctx context.Context) (err error) {
		a, err = r.exchange(ctx, client, start)
		return err
	})
	switch {
	case mountRefused(ctx, from, err):
		return r.uploadOnce(ctx, blob, "", open)
	case err != nil:
		return false, err
	case a.status == http.StatusCreated && from != "":
		return true, nil
	}
	location, err := a.location(start)
	if err != nil {
		return false, err
	}
	return false, r.stream(ctx, client, location, blob, open)
}

// Ensure uploads contents that are in memory, if they are not there.
func Ensure(ctx context.Context, to Repository, data []byte) error {
	there, err := to.Has(ctx, BlobOf(data))
	if err != nil || there {
		return err
	}
	_, err = to.Upload(ctx, BlobOf(data), "", Bytes(data))
	return err
}

// location is where a registry wants an upload. It is the same answer as to a mount
// that it declines.
func (a answer) location(start exchange) (*url.URL, error) {
	if err := a.is(http.StatusAccepted, start.reference); err != nil {
		return nil, err
	}
	at := a.header.Get("Location")
	base, err := url.Parse(start.url)
	if err == nil && at != "" {
		base, err = base.Parse(at)
	}
	if err != nil || at == "" {
		return nil, &RequestError{Doing: writing, Reference: start.reference, Problem: "the answer does not say where to upload to", Hint: checkAddress, once: true}
	}
	return base, nil
}

// stream uploads a blob to where the registry wants it. The source is opened when
// it is sent, and again if that has to be repeated with a fresh token.
func (r repository) stream(ctx context.Context, client *http.Client, location *url.URL, blob Descriptor, open Opener) error {
	query := location.Query()
	query.Set("digest", blob.Digest)
	location.RawQuery = query.Encode()
	reference := r.Reference(blob.Digest)
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, location.String(), nil)
	if err != nil {
		return r.client.refused(ctx, writing, reference, err)
	}
	var contents *verified
	request.GetBody = func() (io.ReadCloser, error) {
		source, err := open(ctx)
		if err != nil {
			return nil, err
		}
		contents = verify(source, blob)
		return contents, nil
	}
	// Whatever carries the request asks for the body anew, see [carrier].
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader("")), blob.Size
	if blob.Size == 0 {
		request.Body, request.GetBody = http.NoBody, nil
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := client.Do(request)
	if broken := contents.broken(); broken != nil {
		if err == nil {
			response.Body.Close()
		}
		return broken
	}
	if err != nil {
		return r.client.refused(ctx, writing, reference, err)
	}
	defer response.Body.Close()
	a, err := r.client.read(ctx, writing, reference, response, maxProblem)
	if lost := new(RequestError); errors.As(err, &lost) && lost.Status == http.StatusNotFound {
		lost.Problem, lost.Hint = "the registry does not know the upload that it began itself (404)", "several machines may answer for it that do not share their uploads"
		lost.passes = true
	}
	if err == nil {
		err = a.is(http.StatusCreated, reference)
	}
	return err
}
