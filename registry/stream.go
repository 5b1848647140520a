package registry

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// stall ends a request on which no byte has moved for a while: a large blob may
// take any time, as long as it moves.
type stall struct {
	timer  *time.Timer
	after  time.Duration
	cancel context.CancelFunc
	mu     sync.Mutex
	over   bool
}

func watch(ctx context.Context, after time.Duration) (context.Context, *stall) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stall{after: after, cancel: cancel}
	s.timer = time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		cancel()
	})
	return ctx, s
}

func (s *stall) moved() { s.timer.Reset(s.after) }

func (s *stall) stop() {
	s.timer.Stop()
	s.cancel()
}

// explain tells that time was over from other ends.
func (s *stall) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.over {
		return context.DeadlineExceeded
	}
	return err
}

// body is a blob on its way in.
type body struct {
	io.ReadCloser
	*stall
	wrap func(error) error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.moved()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.wrap(b.explain(err))
	}
	return n, err
}

func (b *body) Close() error {
	b.stop()
	return b.ReadCloser.Close()
}

// moving lets a source keep a transfer alive.
type moving struct {
	io.ReadCloser
	*stall
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.moved()
	return n, err
}
