// Package builder has a BuildKit plan and build a project.
//
// [Build] builds what changed, as one solve: the manifest's frontend image decides
// what that is, or, if the manifest names none, the frontend in this process. With
// [Options.Push] every image is pushed by digest to the manifest's repositories; nothing
// is tagged and no ring moves, which is what a publish of the [Outcome] does:
//
//	out, err := builder.Build(ctx, builder.Options{Dir: ".", File: "quoit.yaml", Manifest: m, Push: true, Project: p})
//	…
//	_, err = p.Publish(ctx, store.Publication{Plan: out.Plan, Digests: out.Digests, Rings: m.RingOrder(), …})
//
// [Plan] only says what a build would do, [Graph] which images need which, and [Check] what
// can be held against the project's files. All of them
// look where the project lies first (package look), so a BuildKit is called only if
// something is to be built, or if nothing else can make the plan; then the build makes the
// plan once more, of what BuildKit got, and both have to agree. Whatever else is to run on
// the same BuildKit, like a gate, begins with [Connect].
//
// Without a frontend image, a program of package builder/runner is a step of the build. A
// command that was built without those is that program itself, so its main function begins
// with [disk.AnswerStep].
package builder

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/subrequests/lint"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/frontend/check"
	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/look"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// Options say what is built, and by which BuildKit.
type Options struct {
	// Dir is the project's root folder, File the path of its manifest. No more of it is
	// sent to BuildKit than what is built reads, if the plan is made here; else all that
	// the images' contexts may hold.
	Dir, File string
	// Manifest is what File says. It decides where images may be pushed to, whatever
	// a frontend answers; its first line may name the frontend image.
	Manifest *manifest.Manifest
	// Frontend are the frontend's options. Those that say what is built, in which
	// parts and from which file are set by Build and Plan.
	Frontend frontend.Options
	// Commit says what is built and where it comes from, "" if that is unknown; nil
	// for no commit.
	Commit func() (commit, source string)
	// Check is asked by Build, if something changes, once the plan is known and before
	// anything is built; its error ends the build as it is. It says whether the files
	// differ from the commit. Nil: nobody is asked. It may be asked again, about another
	// plan.
	Check func(context.Context, versioning.Plan) (dirty bool, err error)
	// Planned is told by Build what the plan is, after the Check and before anything is
	// built; nil: nobody is.
	Planned func(versioning.Plan)
	// Push exports the images that are built to their repositories, by digest.
	Push bool
	// Outputs are images that are built and exported elsewhere, one after the other; none:
	// all that changed are built. They have no place beside Push.
	Outputs []Output
	// Project is the state store, whose newest record says what the rings have; nil:
	// BuildKit is asked for the plan, and reads the log's hint. With Push, what another
	// command has left undone is completed first.
	Project *store.Project
	// Author signs what has to be written to the log before a publish.
	Author store.Author
	// BuildKit is what builds.
	BuildKit BuildKit
}

// Outcome is what was built.
type Outcome struct {
	// Plan is what the frontend decided; the images that were pushed have their digests.
	Plan versioning.Plan
	// Digests are those of the images that were pushed, by name; nil without Push, or
	// if nothing had to be built.
	Digests map[string]string
	// Loaded are the names that the local Docker Engine has now.
	Loaded []string
	// Accounts say what those images were made of, as far as that is known.
	Accounts map[string]account.Account
}

// Build builds every image of the project that changed. Very many that are pushed
// take several solves of the same plan.
//
// Errors are those of the frontend with their places in the manifest, an
// [*OptionError], a [*secret.ArgsError], a [*PushError], a [*ReplannedError], an
// [*IncomparableError], that of the Check, with Push a [*store.DifferenceError], or say what
// BuildKit or the store could not do. If one is returned, no image has a tag yet, so the
// same call can be made again.
func Build(ctx context.Context, o Options) (Outcome, error) {
	o.Frontend.Export = true
	if err := cmp.Or(o.checkSyntax(), o.Frontend.CheckSecrets(o.Manifest)); err != nil {
		return Outcome{}, err
	}
	if err := cmp.Or(o.BuildKit.check(), o.checkOutputs()); err != nil {
		return Outcome{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := o.readLog(ctx, "")
	for {
		out, err := o.build(ctx, log)
		var unready *unreadyError
		if !errors.As(err, &unready) {
			return out, err
		}
		if err := o.prepare(ctx, unready); err != nil {
			return Outcome{}, err
		}
		log = o.readLog(ctx, unready.newest.Digest)
	}
}

// build is Build by a log that is ready, else it is an [*unreadyError].
func (o Options) build(ctx context.Context, log *reading) (Outcome, error) {
	found, err := o.look(ctx, log)
	if err != nil {
		return Outcome{}, err
	}
	if found.plan != nil {
		if found.dirty, err = o.check(ctx, log, *found.plan); err != nil {
			return Outcome{}, err
		}
		if len(found.plan.PublishOrder())+len(o.Outputs) == 0 {
			found.warn(o.BuildKit.Progress)
			return Outcome{Plan: *found.plan}, nil
		}
	}
	if err := o.choose(&found); err != nil {
		return Outcome{}, err
	}
	c, err := o.connect(ctx, found)
	if err != nil {
		return Outcome{}, err
	}
	defer c.Close()
	out, err := o.solve(ctx, c, log, found)
	if errors.Is(err, errStale) {
		found.fresh = true
		out, err = o.solve(ctx, c, log, found)
	}
	return out, err
}

// solve is build by a BuildKit.
func (o Options) solve(ctx context.Context, c *Client, log *reading, found looked) (Outcome, error) {
	if len(o.Outputs) == 0 {
		return o.parts(ctx, c, log, found)
	}
	return o.outputs(ctx, c, log, found)
}

// choose chooses what BuildKit gets of the project's files, if the plan is known.
func (o Options) choose(found *looked) (err error) {
	switch {
	case found.plan == nil:
	case slices.ContainsFunc(o.Outputs, Output.isStage): // which may read what no image does
	case o.Manifest.Syntax == "":
		found.sending, err = o.send(found.sources)
	default:
		found.whole, err = o.sendWhole(found.sources)
	}
	return err
}

// Plan says what [Build] would do, and builds nothing. Errors are those of Build.
func Plan(ctx context.Context, o Options) (versioning.Plan, error) {
	o.Frontend.Request, o.Push = frontend.RequestPlan, false
	if err := o.checkSyntax(); err != nil {
		return versioning.Plan{}, err
	}
	if err := o.BuildKit.check(); err != nil {
		return versioning.Plan{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := o.readLog(ctx, "")
	found, err := o.look(ctx, log)
	if err != nil {
		return versioning.Plan{}, err
	}
	plan := found.plan
	if plan != nil {
		found.warn(o.BuildKit.Progress)
	} else {
		answer, err := o.ask(ctx, log, found)
		if err != nil {
			return versioning.Plan{}, err
		}
		made, err := versioning.ParsePlan(answer)
		if err != nil {
			return versioning.Plan{}, err
		}
		plan = &made
	}
	return *plan, log.warn(ctx, o, plan)
}

// Graph says which images need which, and builds nothing. Nothing of the project's log or
// releases is read. Errors are those of Build.
func Graph(ctx context.Context, o Options) (graph.Listing, error) {
	o.Frontend.Request, o.Push = frontend.RequestGraph, false
	if err := cmp.Or(o.checkSyntax(), o.BuildKit.check()); err != nil {
		return graph.Listing{}, err
	}
	log := o.readLog(ctx, "") // of which nothing is read
	g, found, err := lookBy(ctx, o, log, look.Graph)
	if err != nil {
		return graph.Listing{}, err
	}
	if g != nil {
		found.warn(o.BuildKit.Progress)
		return *g, nil
	}
	answer, err := o.ask(ctx, log, found)
	if err != nil {
		return graph.Listing{}, err
	}
	return graph.ParseListing(answer)
}

// Check holds the project to BuildKit's rules and Quoit's, as `--check` of a stock client does,
// and builds nothing. Errors are those of Build; mistakes that keep a container file from
// compiling are in the results.
func Check(ctx context.Context, o Options) (*lint.LintResults, error) {
	o.Frontend.Request, o.Push = lint.RequestLint, false
	if err := cmp.Or(o.checkSyntax(), o.BuildKit.check()); err != nil {
		return nil, err
	}
	log := o.readLog(ctx, "") // of which nothing is read
	report, found, err := lookBy(ctx, o, log, look.Check)
	if err != nil {
		return nil, err
	}
	if report != nil {
		found.warn(o.BuildKit.Progress)
		return (*report).Results(), nil
	}
	answer, err := o.ask(ctx, log, found)
	if err != nil {
		return nil, err
	}
	return check.Parse(answer)
}

// ask asks a BuildKit for the answer to a subrequest.
func (o Options) ask(ctx context.Context, log *reading, found looked) ([]byte, error) {
	c, err := o.connect(ctx, found)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	answer, err := job{Options: o, log: log}.run(ctx, c)
	return answer.json, err
}

// parts builds, as one solve, or as one for each part if very many images are pushed.
func (o Options) parts(ctx context.Context, c *Client, log *reading, found looked) (Outcome, error) {
	first, err := job{Options: o, log: log, looked: found}.run(ctx, c)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Plan: first.plan, Digests: first.digests}
	found.dirty = first.dirty
	for part := 1; len(out.Digests) > 0 && len(frontend.Part(out.Plan, part)) > 0; part++ {
		next, err := job{Options: o, log: log, looked: found, part: part}.run(ctx, c)
		if err != nil {
			return Outcome{}, err
		}
		if !same(next.plan, out.Plan) {
			return Outcome{}, &ReplannedError{}
		}
		maps.Copy(out.Digests, next.digests)
	}
	if found.plan != nil && len(out.Digests) > 0 {
		out.Accounts = found.sources.Accounts()
	}
	for i, image := range out.Plan.Images {
		if found.plan != nil {
			known, _ := found.plan.Image(image.Name)
			out.Plan.Images[i].Reasons = known.Reasons
		}
		out.Plan.Images[i].Digest = cmp.Or(out.Digests[image.Name], image.Digest)
	}
	return out, nil
}

// ReplannedError says that a build was planned differently than before it began, or two parts
// of it.
type ReplannedError struct {
	// Remote is what a container file adds from elsewhere and no longer holds what was
	// planned, "" if it is something else that changed.
	Remote string
}

// Error says that the same build can be made again.
func (e *ReplannedError) Error() string {
	return cmp.Or(e.Remote, "the project's files or its rings") + " changed during the build; nothing was tagged: run the same command again"
}
