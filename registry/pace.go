package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
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
	// longest is how long a registry may ask to wait; it is an error beyond.
	longest = 30 * time.Second
	// enough is how long one request may take with all its attempts and the pauses
	// between them.
	enough = time.Minute
	// quiet is how long may be waited without a word.
	quiet = 5 * time.Second
)

// Pace is how patiently something is asked. The zero value is a pace, too.
type Pace struct {
	Timeout  time.Duration // of one attempt; 0: 30 s
	Attempts int           // of what may be repeated; 0: 3
	Backoff  time.Duration // before the second attempt, and three times as long before each other; 0: 1 s
	Jobs     int           // at a time; 0: 8
	// Say is told what is waited for, if that takes longer than a few seconds; nil:
	// nobody is. It may be called by several goroutines.
	Say func(what string)
}

// Tell tells whoever wants to know what is waited for.
func (p Pace) Tell(what string) {
	if p.Say != nil {
		p.Say(what)
	}
}

// Filled is the pace with what its zero values mean.
func (p Pace) Filled() Pace {
	if p.Timeout <= 0 {
		p.Timeout = 30 * time.Second
	}
	if p.Attempts <= 0 {
		p.Attempts = 3
	}
	if p.Backoff <= 0 {
		p.Backoff = time.Second
	}
	if p.Jobs <= 0 {
		p.Jobs = 8
	}
	return p
}

// Retry repeats a harmless request while its error may pass, for a minute at most, and
// gives every attempt its own deadline. A write is not harmless: see
// [Repository.Replace].
func (p Pace) Retry(ctx context.Context, request func(context.Context) error) error {
	p = p.Filled()
	limit := patience{}
	for attempt := 1; ; attempt++ {
		err := p.once(ctx, min(p.Timeout, limit.left()), request)
		if err == nil || attempt >= p.Attempts || !Repeatable(err) || p.between(attempt, err) >= limit.left() {
			return err
		}
		if err := p.Pause(ctx, attempt, err); err != nil {
			return err
		}
	}
}

// patience is the minute that one thing may be waited for, attempts and pauses. It
// begins when it is asked first; the zero value has not begun.
type patience struct{ end time.Time }

// left is what is left of it, 0 or less for nothing.
func (p *patience) left() time.Duration {
	if p.end.IsZero() {
		p.end = time.Now().Add(enough)
	}
	return time.Until(p.end)
}

func (p Pace) once(ctx context.Context, timeout time.Duration, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return request(ctx)
}

// between is the pause after a number of attempts, or what the registry asks for in the
// last one's error.
func (p Pace) between(attempts int, last error) time.Duration {
	wait := p.Filled().Backoff
	for range attempts - 1 {
		wait *= 3
	}
	var failed *RequestError
	if errors.As(last, &failed) && failed.wait > 0 {
		wait = failed.wait
	}
	return wait
}

// Pause waits between two attempts, as long as the registry asks in the last one's
// error. If waiting is cut short, that is what it returns, or the last one's error if the
// time of ctx is over.
func (p Pace) Pause(ctx context.Context, attempt int, last error) error {
	wait := p.between(attempt, last)
	if wait > quiet {
		p.Tell(fmt.Sprintf("waiting %s: %v", wait, last))
	}
	switch {
	case Rest(ctx, wait) == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return last // an attempt of a longer request, whose time is over
	}
	return Interrupted(ctx, last)
}

// Rest sleeps, unless ctx ends: that is an error, of which [Interrupted] says more.
func Rest(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return Interrupted(ctx, nil)
	}
}

// Each calls f for 0 … n-1, at most Jobs at a time. After a failure it starts no
// more, and lets those that run come to their end, so that no write is left in
// doubt. It returns the error of the smallest number.
func (p Pace) Each(n int, f func(i int) error) error {
	errs := make([]error, n)
	var failed atomic.Bool
	var group errgroup.Group
	group.SetLimit(p.Filled().Jobs)
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

// passing are the answers after which the same request may succeed. All others, like
// 401, 403 and 404, are what the registry wants to say.
var passing = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// Repeatable reports whether another attempt may end otherwise: after one of a few
// answers, and after a connection that broke or was too slow. What was not understood,
// what a certificate, a name or a scheme forbids, and a registry that wants to be asked
// much later are not asked again.
func Repeatable(err error) bool {
	var failed *RequestError
	if !errors.As(err, &failed) || failed.once || failed.wait > longest {
		return false
	}
	return failed.Status == 0 || failed.passes || slices.Contains(passing, failed.Status)
}

// Interrupted is what a request ends with when the caller gives up, after its last
// error, which may be nil.
func Interrupted(ctx context.Context, last error) error {
	failed := &RequestError{Doing: connecting, Reference: "the registry"}
	errors.As(last, &failed)
	stopped := *failed
	stopped.Problem, stopped.Hint, stopped.Err, stopped.once = "interrupted", "", ctx.Err(), true
	return &stopped
}

// lasting reports whether an error below HTTP would come again: what was not sent will
// not be, one side wants TLS and the other does not, a registry leads round. Of all others,
// which have too many types to name, another attempt shows.
func lasting(err error) bool {
	var (
		header tls.RecordHeaderError
		alert  tls.AlertError
	)
	return unreached(err) || errors.Is(err, errRound) || errors.As(err, &header) || errors.As(err, &alert)
}

// unreached reports whether an error below HTTP says that no request was sent: nothing
// listens, there is no such name, a certificate is refused, or the scheme. An alert says
// no such thing: the other side may send it when it has read all.
func unreached(err error) bool {
	var (
		plain       *plainError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		host        x509.HostnameError
		invalid     x509.CertificateInvalidError
		resolving   *net.DNSError
	)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &plain) ||
		errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) ||
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
