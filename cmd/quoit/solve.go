package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/moby/buildkit/client"
	// The ways to reach a BuildKit that is not a socket of this machine.
	"github.com/docker/cli/cli/config"
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/util/appdefaults"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// job is one build as it goes to BuildKit.
type job struct {
	project projectFlags
	build   buildkitFlags
	// manifest is the project's; its first line may name the frontend image, else
	// the build is in this process.
	manifest *manifest.Manifest
	// options are the frontend's.
	options frontend.Options
	// vcs is the commit that is built and where it comes from, "" if unknown; nil
	// for no commit.
	vcs func() (commit, source string)
	// push exports the images of a part that are built to their repositories, by
	// digest.
	push bool
	part int
}

// outcome is what a job gave.
type outcome struct {
	plan    versioning.Plan
	answer  []byte            // of a subrequest, its JSON
	digests map[string]string // by image, if pushed
}

// run connects to BuildKit, runs the job as one build, and shows its progress.
func (j job) run(ctx context.Context, progress io.Writer) (*outcome, error) {
	c, err := j.build.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	opt, err := j.solveOpt()
	if err != nil {
		return nil, err
	}
	out := &outcome{}
	exp := &exporters{
		manifest: j.manifest, ring: j.options.Ring, part: j.part, epoch: j.options.Args[frontend.ArgEpoch], unsettled: j.options.Unsettled,
	}
	if j.push {
		opt.EnableSessionExporter = true
		opt.Session = append(opt.Session, exp.attachable())
	}
	status := make(chan *client.SolveStatus)
	var ours error // the frontend's error, before it went to BuildKit and back
	eg, egCtx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		_, err := c.Build(egCtx, opt, "quoit", func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
			res, err := j.frontend(ctx, gw)
			if err != nil {
				ours = err
				return nil, err
			}
			return res, out.take(res)
		}, status)
		return err
	})
	eg.Go(func() error { return showProgress(ctx, progress, j.build.progress, status) })
	if err := wait(ctx, eg); err != nil {
		if ctx.Err() == nil && ours != nil && j.manifest.Syntax == "" {
			return nil, ours
		}
		return nil, explainPush(err)
	}
	if j.push && len(exp.images) > 0 {
		out.digests, err = exp.digests(ctx, c, opt.Ref)
	}
	return out, err
}

// parts runs a job that pushes: as one build, or as one for each part if very
// many images are built.
func (j job) parts(ctx context.Context, progress io.Writer) (*outcome, error) {
	out, err := j.run(ctx, progress)
	for err == nil && len(out.digests) > 0 && len(frontend.Part(out.plan, j.part+1)) > 0 {
		j.part++
		var next *outcome
		if next, err = j.run(ctx, progress); err != nil {
			break
		}
		if !reflect.DeepEqual(next.plan, out.plan) {
			return nil, &replannedError{}
		}
		maps.Copy(out.digests, next.digests)
	}
	return out, err
}

// replannedError says that two parts of a build were planned differently.
type replannedError struct{}

func (*replannedError) Error() string {
	return "the project's files or its rings were changed during the build, and nothing is tagged: run the same command again"
}

// connect connects to a BuildKit that answers.
func (f *buildkitFlags) connect(ctx context.Context) (*client.Client, error) {
	c, err := client.New(ctx, f.address())
	if err != nil {
		return nil, fmt.Errorf("connecting to BuildKit at %s: %w", f.address(), err)
	}
	if _, err := c.Info(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("BuildKit does not answer at %s: start buildkitd, or name another one with --addr or BUILDKIT_HOST: %w", f.address(), err)
	}
	return c, nil
}

// grace is how long BuildKit may take to give up a build after an interrupt. It
// hangs on while a push waits for a registry.
const grace = time.Second

// wait waits for a build, and after an interrupt not much longer.
func wait(ctx context.Context, build *errgroup.Group) error {
	ended := make(chan error, 1)
	go func() { ended <- build.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return context.Cause(ctx)
	}
}

// frontend runs the manifest's frontend image, or the one in this binary.
func (j job) frontend(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
	if j.manifest.Syntax == "" {
		if err := checkArchitecture(gw.BuildOpts().Workers); err != nil {
			return nil, err
		}
		return frontend.New(frontend.Host{Runner: runSelf, Folder: j.project.dir, Manifest: j.manifest.Source.Data})(ctx, gw)
	}
	attrs := maps.Clone(gw.BuildOpts().Opts)
	attrs["source"] = j.manifest.Syntax
	attrs["cmdline"] = j.manifest.Syntax
	return gw.Solve(ctx, gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: attrs})
}

// take reads what the frontend says of its result.
func (o *outcome) take(res *gateway.Result) (err error) {
	o.answer = res.Metadata["result.json"]
	if encoded, ok := res.Metadata[frontend.MetaPlan]; ok {
		o.plan, err = decodePlan(encoded)
	}
	return err
}

func decodePlan(encoded []byte) (versioning.Plan, error) {
	data, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil {
		return versioning.Plan{}, fmt.Errorf("reading the frontend's plan: %w", err)
	}
	return versioning.ParsePlan(data)
}

func (j job) solveOpt() (client.SolveOpt, error) {
	root, err := fsutil.NewFS(j.project.dir)
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("opening the project: %w", err)
	}
	file := j.project.manifestPath()
	manifestDir, err := fsutil.NewFS(filepath.Dir(file))
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("opening the manifest's folder: %w", err)
	}
	options := j.options
	options.Filename = filepath.Base(file)
	if j.vcs != nil {
		if commit, source := j.vcs(); commit != "" {
			options.Commit, options.Source = commit, source
		}
	}
	if j.push {
		options.Part = new(j.part)
	}
	opt := client.SolveOpt{
		Ref:           identity.NewID(),
		SharedKey:     sharedKey(j.project.dir),
		FrontendAttrs: options.Attrs(),
		LocalMounts:   map[string]fsutil.FS{"context": root, "dockerfile": manifestDir},
		Session:       []session.Attachable{registryLogins()},
	}
	if err := j.build.apply(&opt); err != nil {
		return opt, err
	}
	if j.manifest.Syntax == "" {
		opt.LocalMounts[runnerLocal], err = selfFS()
	}
	return opt, err
}

// registryLogins gives BuildKit the logins of docker login.
func registryLogins() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(os.Stderr)),
	})
}

// buildkitAddress is where BuildKit is looked for by default.
func buildkitAddress() string {
	if address := os.Getenv("BUILDKIT_HOST"); address != "" {
		return address
	}
	return appdefaults.Address
}

var errNotStatic = errors.New("to build without a frontend image this command has to be a Linux binary without C libraries: name the frontend in the manifest's first line, # syntax=…")

// sharedKey tells the folders of different checkouts apart: BuildKit sends only
// what differs in size or time from what it last got under the same key.
func sharedKey(dir string) string {
	host, _ := os.Hostname() // without one, folders of the same name share
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return digest.FromString(host + " " + dir).String()
}
