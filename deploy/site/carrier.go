package site

import (
	"context"
	"io"
	"net/http"
	"time"
)

// carrier gives every request an end, except those that follow something: an
// API server that is gone must not stop a deploy for ever.
type carrier struct {
	inner   http.RoundTripper
	timeout time.Duration
}

// RoundTrip carries one request.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); query.Get("follow") == "true" || query.Get("watch") == "true" {
		return c.inner.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.timeout)
	response, err := c.inner.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &ending{response.Body, cancel}
	return response, nil
}

// ending ends a request when its answer was read.
type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (e *ending) Close() error {
	defer e.cancel()
	return e.ReadCloser.Close()
}
