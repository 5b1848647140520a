package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// What a [RequestError] was doing.
const (
	reading    = "reading"
	writing    = "writing"
	connecting = "connecting to"
)

const (
	later        = "run the same command again later"
	dockerConfig = "Docker's config.json"
	checkAddress = "check the registry's address, and a proxy before it"
)

// diagnostics reads the usual form of a registry's error.
func diagnostics(body []byte) []transport.Diagnostic {
	var parsed struct{ Errors []transport.Diagnostic }
	if json.Unmarshal(body, &parsed) != nil {
		return nil
	}
	return parsed.Errors
}

// declined is the error for an answer that is neither a success nor "absent".
func (c *Client) declined(doing, reference string, status int, header http.Header, said []transport.Diagnostic) error {
	e := &RequestError{Doing: doing, Reference: reference, Status: status, wait: retryAfter(header), said: said}
	login := "docker login " + c.host()
	switch {
	case status == http.StatusUnauthorized:
		e.Problem, e.Hint = "not logged in, or no longer logged in (401)", login
	case status == http.StatusForbidden && doing == writing:
		e.Problem, e.Hint = "this account may not push there (403)", login+" with one that may"
	case status == http.StatusForbidden:
		e.Problem, e.Hint = "this account may not pull from there (403)", login+" with one that may"
	case status == http.StatusNotFound && doing == writing:
		e.Problem, e.Hint = "the registry does not know this repository (404)", "create it first"
	case status == http.StatusNotFound:
		e.Problem, e.Hint = "it does not answer as a registry does (404)", "check the registry's address"
	case status == http.StatusTooManyRequests:
		e.Problem, e.Hint = "too many requests (429)", later
	case status >= 500:
		e.Problem, e.Hint = fmt.Sprintf("the registry is in trouble (%d %s)", status, http.StatusText(status)), later
	default:
		e.Problem = strings.TrimSpace(fmt.Sprintf("the registry answered %d %s", status, http.StatusText(status)))
	}
	if e.wait > 0 {
		e.Problem += fmt.Sprintf(", it asks to wait %s", e.wait)
	}
	if len(said) > 0 {
		e.Problem += fmt.Sprintf(", it says %s", clean(string(said[0].Code)+": "+said[0].Message))
	}
	return e
}

// refused is the error for a request that has no answer which could be used;
// nil for nil.
func (c *Client) refused(ctx context.Context, doing, reference string, err error) error {
	var answered *transport.Error
	var known *RequestError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.As(err, &answered):
		if answered.StatusCode == http.StatusNotFound {
			doing = connecting
		}
		return c.declined(doing, reference, answered.StatusCode, nil, answered.Errors)
	case errors.Is(ctx.Err(), context.Canceled):
		return &RequestError{Doing: doing, Reference: reference, Problem: "interrupted", Err: context.Canceled, once: true}
	}
	err = cause(err)
	e := &RequestError{Doing: doing, Reference: reference, Err: err, once: lasting(err)}
	e.Problem, e.Hint = c.explain(err)
	return e
}

// explain says what an error below HTTP means, and what to do.
func (c *Client) explain(err error) (problem, hint string) {
	var (
		plain       *plainError
		resolving   *net.DNSError
		certificate *tls.CertificateVerificationError
		network     net.Error
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("no answer within %s", c.pace.Timeout), later
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there (connection refused)", "check that the registry runs, and its address"
	case errors.As(err, &resolving):
		return fmt.Sprintf("the name %s cannot be resolved", clean(resolving.Name)), "check the registry's address"
	case errors.As(err, &certificate):
		return "its certificate is not trusted: " + clean(certificate.Err.Error()), "add its authority to the system's"
	case errors.As(err, &plain):
		return plain.Error(), "serve the registry with TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("the connection broke (%s)", clean(err.Error())), later
	case errors.Is(err, errRound):
		return errRound.Error(), checkAddress
	case errors.Is(err, http.ErrSchemeMismatch) && !loopback(c.host()):
		return "it speaks plain HTTP, which is only allowed on this machine", "serve the registry with TLS"
	}
	return clean(err.Error()), ""
}

// cause takes the URLs off an error: they may hold tokens.
func cause(err error) error {
	for {
		// Not errors.As: of several joined ones that would keep the first only.
		wrapped, ok := err.(*url.Error)
		if !ok {
			return err
		}
		err = wrapped.Err
	}
}
