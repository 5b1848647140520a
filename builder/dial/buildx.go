package dial

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
)

// buildx is docker buildx: the words that begin its command lines. It alone knows its
// builders' settings, drivers and certificates, so it is asked, and never its files.
type buildx []string

// findBuildx finds how docker buildx is called on this machine; nil if it is not there.
func findBuildx(ctx context.Context) buildx {
	for _, x := range []buildx{{"docker", "buildx"}, {"buildx"}, {"docker-buildx"}} {
		if _, err := exec.LookPath(x[0]); err != nil {
			continue
		}
		// Others answer to that name too, like podman's docker.
		if said, err := x.run(ctx, short, "version"); err == nil && strings.Contains(said, "docker/buildx") {
			return x
		}
	}
	return nil
}

// short is how long buildx may take to say something: it waits 20 s for a builder that does
// not answer.
const short = time.Minute

// run runs it until it ends, and returns what it printed. What it says of an error is in
// the error. No limit: it takes as long as it does.
func (x buildx) run(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	line := slices.Concat(x, args)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var out, complaint bounded
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.WaitDelay = time.Second // for what it has started, and has not ended
	err := cmd.Run()
	said, whole := out.kept()
	switch {
	case err == nil && !whole:
		err = fmt.Errorf("it printed more than %d bytes", most)
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	if err != nil {
		why, _ := complaint.kept()
		return "", failed(line, err, why)
	}
	return said, nil
}

// telling is how much of what a program complains of is shown: the end says why.
const telling = 2000

// failed is the error of a command line that has ended with err, nil if it has only
// complained.
func failed(line []string, err error, complaint string) error {
	text := strings.Join(line, " ")
	complaint = strings.TrimSpace(complaint)
	if cut := len(complaint) - telling; cut > 0 {
		complaint = "… " + strings.ToValidUTF8(complaint[cut:], "")
	}
	switch {
	case err == nil:
		return fmt.Errorf("%s: %s", text, complaint)
	case complaint == "":
		return fmt.Errorf("%s: %w", text, err)
	}
	return fmt.Errorf("%s: %w: %s", text, err, complaint)
}

// inspect asks what a builder is; "" is the current one.
func (x buildx) inspect(ctx context.Context, name string) (described, error) {
	said, err := x.run(ctx, short, "inspect", "--builder="+name)
	if err != nil {
		what := "the current builder of docker buildx"
		if name != "" {
			what = "the builder " + name + " of docker buildx"
		}
		return described{}, fmt.Errorf("%s cannot be used: see docker buildx ls, or %s: %w", what, otherwise, err)
	}
	return parse(said)
}

// otherwise is what to do if a builder cannot be used.
const otherwise = "choose another one with docker buildx use, BUILDX_BUILDER or --builder, or name a BuildKit with --addr or BUILDKIT_HOST"

// connect connects to a node of a builder, through buildx.
func (x buildx) connect(ctx context.Context, b described, o Options) (*Builder, error) {
	name := b.String()
	if problem := b.dead(); problem != "" {
		return nil, fmt.Errorf("%s cannot be used: %s; see docker buildx inspect %s, or %s", name, problem, b.name, otherwise)
	}
	to, err := b.choose(o.Platforms)
	if asleep := b.asleep(to); asleep != "" {
		// A node that has not been started does not know its platforms, and one that has
		// to be fetched first may take minutes.
		o.say("starting %s", name)
		if _, err := x.run(ctx, 0, "inspect", "--bootstrap", "--builder="+b.name); err != nil {
			return nil, fmt.Errorf("%s does not start: node %s; see docker buildx inspect %s, or %s: %w", name, asleep, b.name, otherwise, err)
		}
		if b, err = x.inspect(ctx, b.name); err != nil {
			return nil, err
		}
		to, err = b.choose(o.Platforms)
	}
	if err != nil {
		return nil, err
	}
	if len(b.nodes) > 1 {
		name += ", node " + to.node.name
	}
	platform := ""
	if to.platform != nil {
		platform = platforms.FormatAll(*to.platform)
	}
	return x.dial(ctx, name, b.name, platform)
}

// dial is a builder that is reached through a process of buildx.
func (x buildx) dial(ctx context.Context, name, builder, platform string) (*Builder, error) {
	// Both are given even if they are empty: docker's variables have other defaults.
	line := slices.Concat(x, buildx{"dial-stdio", "--builder=" + builder, "--progress=quiet", "--platform=" + platform})
	var latest atomic.Pointer[process]
	c, err := client.New(ctx, "", client.WithContextDialer(func(context.Context, string) (net.Conn, error) {
		p, err := start(line)
		if err != nil {
			return nil, err
		}
		latest.Store(p)
		return p, nil
	}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	why := func() error {
		if p := latest.Load(); p != nil {
			return p.failure()
		}
		return nil
	}
	silent := fmt.Sprintf("%s does not answer: see docker buildx inspect %s, or %s", name, builder, otherwise)
	return &Builder{Client: c, Name: name, silent: silent, why: why}, nil
}
