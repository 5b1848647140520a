package trees

import (
	"context"
	"io"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"
)

// Send sends a folder as a client of BuildKit does, as far as filters let it through.
func Send(ctx context.Context, from, to string, filters ...*fsutil.FilterOpt) error {
	return send(ctx, from, to, fsutil.ReceiveOpt{}, filters...)
}

// Add is Send into a folder whose files stay there.
func Add(ctx context.Context, from, to string) error {
	return send(ctx, from, to, fsutil.ReceiveOpt{Merge: true})
}

func send(ctx context.Context, from, to string, opt fsutil.ReceiveOpt, filters ...*fsutil.FilterOpt) error {
	source, err := fsutil.NewFS(from)
	for _, filter := range filters {
		if err == nil {
			source, err = fsutil.NewFilterFS(source, filter)
		}
	}
	if err != nil {
		return err
	}
	a, b := make(chan []byte, 32), make(chan []byte, 32)
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		defer close(b)
		return fsutil.Send(ctx, &stream{ctx, a, b}, source, nil)
	})
	eg.Go(func() error { return fsutil.Receive(ctx, &stream{ctx, b, a}, to, opt) })
	return eg.Wait()
}

// stream is one end of a connection as BuildKit's, without a network.
type stream struct {
	ctx     context.Context
	in, out chan []byte
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) SendMsg(m any) error {
	data, err := m.(*types.Packet).Marshal()
	if err != nil {
		return err
	}
	select {
	case s.out <- data:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *stream) RecvMsg(m any) error {
	select {
	case data, ok := <-s.in:
		if !ok {
			return io.EOF
		}
		return m.(*types.Packet).Unmarshal(data)
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}
