package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// maxProblem is how much is read of an error's body.
const maxProblem = 64 << 10

// question is one request.
type question struct {
	method     string
	kind       string // manifests, blobs, uploads or tags
	identifier string // a tag or digest
	mediaType  string // of body
	body       []byte
	limit      int64 // of the answer's body
}

// answer is what a registry said: 404, or a success.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// reader and writer are what requests with that right are sent with.
func (r repository) reader(ctx context.Context) (*http.Client, error) {
	return r.client.session(ctx, scope{image: r.image, right: r.read})
}

func (r repository) writer(ctx context.Context) (*http.Client, error) {
	return r.client.session(ctx, scope{image: r.image, right: push})
}

// ask sends a request that changes nothing, if need be repeatedly.
func (r repository) ask(ctx context.Context, q question) (answer answer, err error) {
	client, err := r.reader(ctx)
	if err != nil {
		return answer, err
	}
	err = r.client.pace.Retry(ctx, func(ctx context.Context) (err error) {
		answer, err = r.send(ctx, client, q)
		return err
	})
	return answer, err
}

// send makes one attempt. An error is a [*RequestError].
func (r repository) send(ctx context.Context, client *http.Client, q question) (answer, error) {
	doing, reference := reading, r.Reference(q.identifier)
	if q.method == http.MethodPut {
		doing = writing
	}
	if err := CheckIdentifier(q.identifier); err != nil {
		return answer{}, &RequestError{Doing: doing, Reference: r.name.Name(), Problem: err.Error(), once: true}
	}
	return r.exchange(ctx, client, exchange{
		question: q, doing: doing, reference: reference,
		url: fmt.Sprintf("%s/%s/%s", r.url(), q.kind, q.identifier),
	})
}

// url is where the repository is.
func (r repository) url() string {
	scheme := "https"
	if challenge := r.client.greeting.known(); challenge != nil && (*challenge).Insecure {
		scheme = "http"
	}
	return fmt.Sprintf("%s://%s/v2/%s", scheme, r.client.host(), r.name.RepositoryStr())
}

// exchange is a request to a URL, and what it is called in errors.
type exchange struct {
	question
	url              string
	doing, reference string
}

// exchange sends a request and reads the answer, in one attempt.
func (r repository) exchange(ctx context.Context, client *http.Client, e exchange) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, e.method, e.url, bytes.NewReader(e.body))
	if err != nil {
		return answer{}, &RequestError{Doing: e.doing, Reference: e.reference, Problem: "it is not a valid reference", Err: err, once: true}
	}
	if e.kind == "manifests" && e.method != http.MethodPut {
		request.Header.Set("Accept", accept)
	}
	if e.mediaType != "" {
		request.Header.Set("Content-Type", e.mediaType)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, r.client.refused(ctx, e.doing, e.reference, err)
	}
	defer response.Body.Close()
	return r.client.read(ctx, e.doing, e.reference, response, e.limit)
}

// read takes the answer in, up to its limit.
func (c *Client) read(ctx context.Context, doing, reference string, response *http.Response, limit int64) (answer, error) {
	success := response.StatusCode >= 200 && response.StatusCode < 300
	if !success {
		limit = maxProblem
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil && (success || response.StatusCode == http.StatusNotFound):
		return answer{}, c.refused(ctx, doing, reference, err)
	case success && int64(len(body)) > limit:
		return answer{}, &RequestError{
			Doing: doing, Reference: reference, once: true,
			Problem: fmt.Sprintf("the registry sent more than %d MiB", limit>>20), Hint: "this is not an image that quoit built",
		}
	case success || response.StatusCode == http.StatusNotFound && doing == reading:
		return answer{response.StatusCode, response.Header, body}, nil
	}
	return answer{}, c.declined(doing, reference, response.StatusCode, response.Header, diagnostics(body))
}

// unclear is the error for a 404 that does not say what is missing.
func (r repository) unclear(identifier string) error {
	return &RequestError{
		Doing: reading, Reference: r.Reference(identifier), Status: http.StatusNotFound, once: true,
		Problem: "the answer is 404, but not as a registry says that something is absent",
		Hint:    checkAddress,
	}
}
