package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/deploy"
)

// run runs a gate once, whatever the cache has, and shows its progress. Unless
// ctx ends, an error is an [*Error].
func (t task) run(ctx context.Context, c *builder.Client, progress builder.Progress) error {
	output := newTail(t.step())
	err := c.Solve(ctx, builder.Solve{
		Options: client.SolveOpt{Ref: identity.NewID()},
		Build:   t.build,
		Timeout: t.timeout(),
		See:     output.take,
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := &Error{Ring: t.gate.Ring, Image: t.String(), Output: output.lines(), err: err}
	var exit *gatewaypb.ExitError
	switch {
	case errors.Is(err, builder.ErrTimeout):
		failed.Problem = "took longer than " + t.timeout().String()
	case errors.As(err, &exit):
		failed.Problem = fmt.Sprintf("failed with exit code %d", exit.ExitCode)
		if progress.ForPeople() {
			failed.Output = nil
		}
	default:
		failed.Problem = "could not be run: " + strings.TrimPrefix(err.Error(), "failed to solve: ")
	}
	return failed
}

func (t task) timeout() time.Duration { return time.Duration(t.gate.Timeout) * time.Second }

// build is the build that runs the gate; its result has nothing.
func (t task) build(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
	platform, err := defaultPlatform(gw.BuildOpts().Workers)
	if err != nil {
		return nil, err
	}
	_, _, config, err := gw.ResolveImageConfig(ctx, t.reference, sourceresolver.Opt{
		LogName:  "[quoit] load metadata for " + t.reference,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform},
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", t.reference, err)
	}
	state, err := t.state(config, platform)
	if err != nil {
		return nil, err
	}
	def, err := state.Marshal(ctx, bk.Platform(platform), bk.WithCaps(gw.BuildOpts().LLBCaps))
	if err != nil {
		return nil, fmt.Errorf("writing the graph: %w", err)
	}
	if _, err := gw.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true}); err != nil {
		return nil, err
	}
	return gateway.NewResult(), nil
}

// state is the gate's run as a build step.
func (t task) state(config []byte, platform ocispecs.Platform) (bk.State, error) {
	var image dockerspec.DockerOCIImage
	if err := json.Unmarshal(config, &image); err != nil {
		return bk.State{}, fmt.Errorf("reading the config of %s: %w", t.reference, err)
	}
	args := t.gate.Command
	if len(args) == 0 {
		args = slices.Concat(image.Config.Entrypoint, image.Config.Cmd)
	}
	if len(args) == 0 {
		return bk.State{}, errors.New("the image has no entrypoint and no command: give the gate a command in the manifest")
	}
	state, err := bk.Image(t.reference, bk.Platform(platform)).WithImageConfig(config)
	if err != nil {
		return bk.State{}, fmt.Errorf("reading the config of %s: %w", t.reference, err)
	}
	// No two runs are the same step, so that builds at the same time share none.
	state = state.User(image.Config.User).Hostname("gate-" + identity.NewID()[:12])
	for _, name := range slices.Sorted(maps.Keys(t.environment)) {
		state = state.AddEnv(name, t.environment[name])
	}
	return state.Run(t.options(args)...).Root(), nil
}

func (t task) options(args []string) []bk.RunOption {
	release := bk.Scratch().File(bk.Mkfile("/"+deploy.ImagesName, 0o444, t.release), bk.WithCustomName("[quoit] list the images of the release"))
	options := []bk.RunOption{
		bk.Args(args), bk.IgnoreCache, bk.WithCustomName(t.step()),
		bk.AddMount(deploy.ImagesDir, release, bk.Readonly),
	}
	if !t.gate.Network {
		options = append(options, bk.Network(pb.NetMode_NONE))
	}
	for _, name := range t.gate.Secrets {
		// Whoever the image runs as is the only one there.
		options = append(options, bk.AddSecret(secretsDir+"/"+name, bk.SecretID(name), bk.SecretFileOpt(0, 0, 0o444)))
	}
	return options
}

// defaultPlatform is what BuildKit builds for if nothing is said.
func defaultPlatform(workers []gateway.WorkerInfo) (ocispecs.Platform, error) {
	for _, worker := range workers {
		if len(worker.Platforms) > 0 {
			return worker.Platforms[0], nil
		}
	}
	return ocispecs.Platform{}, errors.New("BuildKit does not name a platform that it builds for")
}

// Error says that a gate did not let a release pass.
type Error struct {
	// Ring is the ring whose gate it is, Image what was run, as "smoke 1.4.2".
	Ring, Image string
	// Problem is what became of it, as "failed with exit code 3".
	Problem string
	// Output are the last lines that it printed, unless the progress has shown them. They
	// are as the gate wrote them, so escape them before a terminal gets them.
	Output []string
	err    error
}

// Error is one line, without the output.
func (e *Error) Error() string {
	return fmt.Sprintf("gate of ring %s: %s %s", e.Ring, e.Image, e.Problem)
}

// Unwrap returns what BuildKit said.
func (e *Error) Unwrap() error { return e.err }
