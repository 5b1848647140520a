// Package dial finds the BuildKit that is to build, and connects to it. The first of these
// that there is:
//
//   - the one at an address, as buildctl takes it;
//   - a builder of docker buildx, of any driver: one that is named, or the current one;
//   - the engine of docker's current context;
//   - a buildkitd of this machine.
//
// What somebody has selected is used or is an error that names it: nothing else takes its
// place. Only what is there by default, docker's own engine and the sockets of this machine,
// is gone through until one answers.
package dial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options say which BuildKit is meant, and for what. Their zero value is what the
// environment and docker's settings say.
type Options struct {
	// Address is where it listens; "": $BUILDKIT_HOST.
	Address string
	// TLS is how an address is reached.
	TLS TLS
	// Builder is the name of a builder of docker buildx; "": $BUILDX_BUILDER, or the
	// current one.
	Builder string
	// Platforms are those that one node has to have, if a builder has several nodes; none:
	// it is the first node.
	Platforms []ocispecs.Platform
	// Say is told what takes long; nil: nobody is.
	Say func(line string)
}

// Builder is a BuildKit that was found. Whether it answers may not be known yet.
type Builder struct {
	// Client is connected to it; whoever has the Builder closes it.
	Client *client.Client
	// Name is what people know it by, like "the buildx builder mine (docker-container)".
	Name string

	silent string       // that it does not answer, and what to do then
	why    func() error // why it does not, as far as that is known better than by Client
}

// Unanswered is the error for a [Builder] that could not be asked.
func (b *Builder) Unanswered(err error) error {
	if b.why != nil {
		err = cmp.Or(b.why(), err)
	}
	return fmt.Errorf("%s: %w", b.silent, err)
}

// Find finds a builder, which may start it. The error says what to type: it names what was
// selected and cannot be used, is a [*NodesError] if no single node of it has all platforms,
// or a [*NoneError] if nothing is selected and nothing is there.
func Find(ctx context.Context, o Options) (*Builder, error) {
	if address := o.address(); address != "" {
		return at(ctx, address, o.TLS)
	}
	if o.TLS != (TLS{}) {
		return nil, errors.New("certificates are for an address: name it with --addr or BUILDKIT_HOST")
	}
	named, by := cmp.Or(o.Builder, os.Getenv("BUILDX_BUILDER")), "--builder"
	if o.Builder == "" {
		by = "BUILDX_BUILDER"
	}
	e := currentEngine()
	x := findBuildx(ctx)
	var none NoneError
	switch {
	case x != nil:
		b, err := x.inspect(ctx, named)
		if err != nil {
			return nil, err
		}
		if !b.of(e) {
			return x.connect(ctx, b, o)
		}
	case named != "":
		return nil, fmt.Errorf("%s names the builder %s of docker buildx, which is not installed: install it, or name a BuildKit with --addr or BUILDKIT_HOST", by, named)
	default:
		none.tried("docker buildx", errors.New("it is not installed"))
	}
	b, err := e.connect(ctx)
	switch {
	case err == nil:
		return b, nil
	case named != "" || e.selected:
		return nil, b.Unanswered(err)
	}
	none.tried(b.Name, err)
	none.denied = errors.Is(err, fs.ErrPermission)
	return o.local(ctx, none)
}

func (o Options) address() string {
	if o.Address != "" || o.Builder != "" {
		return o.Address
	}
	return os.Getenv("BUILDKIT_HOST")
}

func (o Options) say(format string, values ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, values...))
	}
}

// promptly is how long a builder that nobody has selected may take to answer.
const promptly = 20 * time.Second

// ask asks a BuildKit whether it is there.
func ask(ctx context.Context, c *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	_, err := c.Info(ctx)
	return err
}
