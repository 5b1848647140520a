package builder

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"

	"github.com/quoitbuild/quoit/builder/runner"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// job is one solve of a project.
type job struct {
	Options
	log *reading
	looked
	part     int                  // of the images that are pushed, from 0
	exports  []client.ExportEntry // of the only image, if it is not pushed
	programs runner.Programs      // if the frontend is the one in this binary
}

// answer is what a job gave.
type answer struct {
	plan    versioning.Plan
	json    []byte            // of a subrequest
	digests map[string]string // by image, if pushed
	dirty   bool
}

// run runs the job.
func (j job) run(ctx context.Context, c *Client) (answer, error) {
	if j.Manifest.Syntax == "" {
		programs, err := runner.Find()
		if err != nil {
			return answer{}, err
		}
		j.programs = programs
	}
	opt, err := j.solveOpt()
	if err != nil {
		return answer{}, err
	}
	exp := j.exporters()
	if j.Push {
		opt.EnableSessionExporter = true
		opt.Session = []session.Attachable{exp.attachable()}
	}
	var out answer
	var ours error    // the frontend's error, before it went to BuildKit and back
	var refused error // of the builder, or that of the check
	err = c.Solve(ctx, Solve{Options: opt, Timeout: j.BuildKit.Timeout, Exports: exp.exports, Build: func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
		exp.in(gw.BuildOpts().SessionID)
		if j.Push {
			if refused = checkPush(gw.BuildOpts()); refused != nil {
				return nil, refused
			}
		}
		res, err := j.frontend(ctx, gw)
		if err != nil {
			ours = err
			return nil, err
		}
		if err := out.take(res); err != nil {
			return nil, err
		}
		if out.dirty, refused = j.check(ctx, out.plan); refused != nil {
			return nil, refused
		}
		if out.dirty {
			return res, markDirty(res)
		}
		return res, nil
	}})
	if err != nil {
		if ctx.Err() == nil && refused != nil {
			return answer{}, refused
		}
		if ctx.Err() == nil && ours != nil && (j.Manifest.Syntax == "" || j.log.failed(ours)) {
			return answer{}, ours
		}
		if errors.Is(err, ErrTimeout) {
			return answer{}, fmt.Errorf("BuildKit was given %s; no image has a tag: %w", j.BuildKit.Timeout, err)
		}
		if remote := movedRemote(out.plan, err); remote != "" {
			return answer{}, &ReplannedError{remote}
		}
		return answer{}, explainPush(err)
	}
	if j.Push && len(exp.images) > 0 {
		err = c.soon(ctx, func(ctx context.Context) (err error) {
			out.digests, err = exp.digests(ctx, c.buildkit, opt.Ref)
			return err
		})
	}
	return out, err
}

// movedRemote is the remote source that BuildKit found to hold something else than was planned,
// "" if that is not its error. It sends no type.
func movedRemote(plan versioning.Plan, err error) string {
	said := err.Error()
	if !strings.Contains(said, "digest mismatch") && !strings.Contains(said, "expected checksum to match") {
		return ""
	}
	for _, image := range plan.Images {
		for name, is := range image.Externals {
			if _, hash, _ := strings.Cut(is, ":"); strings.Contains(name, "://") && strings.Contains(said, hash) {
				return name
			}
		}
	}
	return ""
}

// checkSyntax refuses a manifest that names a frontend image that may not be run.
func (o Options) checkSyntax() error {
	m := o.Manifest
	if m.Syntax == "" {
		return nil
	}
	err := o.Frontend.AllowSyntax.Allow(m.Syntax)
	if err == nil {
		return nil
	}
	return diag.Diagnostic{
		Source: m.Source, Range: m.Position("syntax"), Message: err.Error(),
		Hint: "without a syntax line, quoit builds by the frontend that is part of it",
	}
}

// check asks whether a plan may be built; all parts have the same.
func (j job) check(ctx context.Context, plan versioning.Plan) (dirty bool, err error) {
	switch {
	case j.part > 0 || j.Frontend.Request != "":
		return j.dirty, nil
	case j.plan != nil:
		return j.dirty, j.compare(ctx, plan)
	}
	return j.Options.check(ctx, j.log, plan)
}

// check asks whether a plan may be built, and tells that it is.
func (o Options) check(ctx context.Context, log *reading, plan versioning.Plan) (dirty bool, err error) {
	if err := log.agrees(plan); err != nil {
		return false, err
	}
	if err := log.ready(plan); err != nil && o.Push {
		return false, err
	}
	if o.Push && publishes(plan) {
		differences, err := log.differences(ctx, o, plan)
		if err == nil && len(differences) > 0 {
			err = &store.DifferenceError{Differences: differences}
		}
		if err != nil {
			return false, err
		}
	}
	if o.Check != nil && len(plan.Changed()) > 0 {
		if dirty, err = o.Check(ctx, plan); err != nil {
			return false, err
		}
	}
	if o.Planned != nil {
		o.Planned(plan)
	}
	return dirty, nil
}

// compare compares the plan of a frontend in BuildKit with the one that was made before.
func (j job) compare(ctx context.Context, plan versioning.Plan) error {
	if same(plan, *j.plan) {
		return nil
	}
	again, err := j.look(ctx, j.log)
	switch {
	case err != nil:
		return err
	case again.plan == nil || !same(*again.plan, *j.plan):
		return &ReplannedError{}
	case j.Manifest.Syntax != "":
		return &IncomparableError{j.Manifest.Syntax}
	case !j.fresh:
		return errStale
	}
	return &ReplannedError{}
}

// same reports whether two plans do the same, whatever each has found out about reasons.
func same(a, b versioning.Plan) bool {
	return reflect.DeepEqual(unexplained(a), unexplained(b))
}

func unexplained(plan versioning.Plan) versioning.Plan {
	plan.Images = slices.Clone(plan.Images)
	for i := range plan.Images {
		plan.Images[i].Reasons = nil
	}
	return plan
}

// errStale says that BuildKit has other files than this machine: it knows a file again by
// its size and its time.
var errStale = errors.New("BuildKit has other contents of the project's files")

func (j job) exporters() *exporters {
	return &exporters{
		manifest: j.Manifest, part: j.part, ring: j.Frontend.Ring,
		epoch: j.Frontend.Args[frontend.ArgEpoch],
	}
}

// frontend runs the manifest's frontend image, or the one in this binary.
func (j job) frontend(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
	if j.Manifest.Syntax == "" {
		host := frontend.Host{Runner: j.programs.Runner, Folder: j.Dir, Key: sharedKey(j.Dir), Manifest: j.Manifest.Source.Data, Fresh: j.fresh, Record: func(ctx context.Context) (string, error) {
			return j.log.record(ctx, j.Frontend.Record)
		}}
		if j.plan != nil {
			host.Pins, host.Dirty = j.plan.Release().Digests(), &j.dirty
		}
		if j.sending != nil {
			host.Sent = &j.sending.Sent
		}
		return frontend.New(host)(ctx, gw)
	}
	record, err := j.log.record(ctx, j.Frontend.Record)
	if err != nil {
		return nil, err
	}
	attrs := maps.Clone(gw.BuildOpts().Opts)
	maps.Copy(attrs, frontend.Options{Record: record}.Attrs())
	attrs["source"] = j.Manifest.Syntax
	attrs["cmdline"] = j.Manifest.Syntax
	return gw.Solve(ctx, gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: attrs})
}

// take reads what the frontend says of its result.
func (a *answer) take(res *gateway.Result) (err error) {
	a.json = res.Metadata["result.json"]
	if encoded, ok := res.Metadata[frontend.MetaPlan]; ok {
		a.plan, err = decodePlan(encoded)
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
	from, err := newSource(j.Dir)
	if err != nil {
		return client.SolveOpt{}, err
	}
	root, err := from.folder(".")
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("opening the project: %w", err)
	}
	manifestDir, err := fsutil.NewFS(filepath.Dir(j.File))
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("opening the manifest's folder: %w", err)
	}
	opt := client.SolveOpt{
		Ref:           identity.NewID(),
		FrontendAttrs: j.options().Attrs(), Exports: j.exports,
		LocalMounts: map[string]fsutil.FS{"context": root, "dockerfile": manifestDir},
	}
	if j.Manifest.Syntax != "" {
		opt.SharedKey = sharedKey(j.Dir) // else each local source has a key of its own
	}
	maps.Copy(opt.LocalMounts, j.programs.Locals())
	if j.whole != nil {
		opt.LocalMounts["context"] = j.whole
	}
	if j.sending != nil {
		delete(opt.LocalMounts, "context")
		maps.Copy(opt.LocalMounts, j.sending.files)
	}
	return opt, nil
}

// options are the frontend's options of this job.
func (j job) options() frontend.Options {
	o := j.Frontend
	o.Filename = filepath.Base(j.File)
	o.Default = cmp.Or(o.Default, "linux/"+runtime.GOARCH)
	if j.Commit != nil {
		if commit, source := j.Commit(); commit != "" {
			o.Commit, o.Source = commit, source
		}
	}
	if j.Push {
		o.Part = new(j.part)
	}
	return o
}

// sharedKey tells the folders of different checkouts apart: BuildKit sends only
// what differs in size or time from what it last got under the same key.
func sharedKey(dir string) string {
	host, _ := os.Hostname() // without one, folders of the same name share
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return digest.FromString(host + " " + dir).String()
}
