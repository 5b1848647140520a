package registry

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// vigil watches over a request: it says so if no byte has moved for some seconds, and
// ends it after [Pace.Timeout]. A large blob may take any time, as long as it moves.
type vigil struct {
	pace   Pace
	slow   *time.Timer
	end    *time.Timer
	cancel context.CancelFunc
	mu     sync.Mutex
	done   bool // what moves now, moves behind the answer
	over   bool
}

func watch(ctx context.Context, pace Pace, host string) (context.Context, *vigil) {
	ctx, cancel := context.WithCancel(ctx)
	v := &vigil{pace: pace, cancel: cancel}
	v.slow = time.AfterFunc(quiet, func() { pace.Tell("waiting for " + host + " to answer") })
	v.end = time.AfterFunc(pace.Timeout, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.over = true
		cancel()
	})
	return ctx, v
}

func (v *vigil) moved() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.done {
		v.slow.Reset(quiet)
		v.end.Reset(v.pace.Timeout)
	}
}

func (v *vigil) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done = true
	v.slow.Stop()
	v.end.Stop()
	v.cancel()
}

// explain tells that time was over from other ends.
func (v *vigil) explain(err error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil && v.over {
		return context.DeadlineExceeded
	}
	return err
}

// answered is the body of an answer, on its way in.
type answered struct {
	io.ReadCloser
	*vigil
}

// Read implements [io.Reader].
func (a *answered) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err == nil {
		a.moved()
	} else if !errors.Is(err, io.EOF) {
		err = a.explain(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (a *answered) Close() error {
	a.stop()
	return a.ReadCloser.Close()
}

// sent is the body of a request, on its way out.
type sent struct {
	io.ReadCloser
	*vigil
}

// Read implements [io.Reader].
func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.moved()
	return n, err
}

// wrapped is a body whose errors are those of a request.
type wrapped struct {
	io.ReadCloser
	wrap func(error) error
}

// Read implements [io.Reader].
func (w *wrapped) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.wrap(err)
	}
	return n, err
}
