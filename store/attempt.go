package store

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	attempts = 3
	// longest is how long a registry may ask to wait; it is an error beyond.
	longest = 30 * time.Second
)

// passing are the answers after which the same request may succeed.
var passing = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// attempts repeats a harmless request while its error may pass, and gives every
// attempt its own deadline. Writes are not repeated here: see [publisher.write].
func (p *Project) attempts(ctx context.Context, request func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := p.attempt(ctx, request)
		if err == nil || attempt >= p.options.Attempts || !repeatable(err) {
			return err
		}
		if err := p.pause(ctx, attempt, err); err != nil {
			return err
		}
	}
}

func (p *Project) attempt(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	return request(ctx)
}

// repeatable reports whether another attempt may end otherwise.
func repeatable(err error) bool {
	var failed *RequestError
	if !errors.As(err, &failed) || failed.once || failed.wait > longest {
		return false
	}
	return failed.Status == 0 || slices.Contains(passing, failed.Status)
}

// pause waits between two attempts, as long as the registry asks. The error is
// the last attempt's if waiting was cut short.
func (p *Project) pause(ctx context.Context, attempt int, last error) error {
	wait := p.options.Backoff
	for range attempt - 1 {
		wait *= 3
	}
	var failed *RequestError
	if errors.As(last, &failed) && failed.wait > 0 {
		wait = failed.wait
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return interrupted(ctx, last)
	}
}

// interrupted is what a request ends with when the caller gives up.
func interrupted(ctx context.Context, last error) error {
	failed := &RequestError{Doing: connecting, Reference: "the registry"}
	errors.As(last, &failed)
	stopped := *failed
	stopped.Problem, stopped.Hint, stopped.Err, stopped.once = "interrupted", "", ctx.Err(), true
	return &stopped
}

// lasting reports whether an error below HTTP would come again. Of all others,
// which have too many types to name, another attempt shows.
func lasting(err error) bool {
	var (
		plain       *plainError
		certificate *tls.CertificateVerificationError
		resolving   *net.DNSError
	)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &plain) || errors.As(err, &certificate) ||
		errors.As(err, &resolving) && resolving.IsNotFound
}

// retryAfter reads the header of that name, which has seconds or a date.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(seconds), 24*3600) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at).Round(time.Second))
	}
	return 0
}

// each calls f for 0 … n-1, at most Jobs at a time. After a failure it starts no
// more, and lets those that run come to their end, so that no write is left in
// doubt. It returns the error of the smallest number.
func (p *Project) each(n int, f func(i int) error) error {
	errs := make([]error, n)
	var failed atomic.Bool
	var group errgroup.Group
	group.SetLimit(p.options.Jobs)
	for i := range n {
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			errs[i] = f(i)
			if errs[i] != nil {
				failed.Store(true)
			}
			return nil
		})
	}
	group.Wait() // the errors are in errs
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
