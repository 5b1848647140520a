// Package frontend is the BuildKit frontend: it reads a project, plans, solves
// and returns images. [New]'s function is behind every front door: the frontend image,
// and the quoit command when it builds in its own process.
//
// A client asks by [Options], whose attributes BuildKit hands over, and gets images,
// or the answer to a request: what each request needs stands in one table,
// requests.go. The plan comes back under [MetaPlan].
package frontend

import (
	"context"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/overlay"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/versioning"
)

// Host is what a frontend knows of where it runs.
type Host struct {
	// Runner runs a binary of ours in a build step.
	Runner Runner
	// Folder is the project's root folder on this machine, so that small files
	// are read without a detour over BuildKit; "" if it is elsewhere.
	Folder string
	// Key tells the project's folder apart from others whose files a BuildKit has; "" if
	// the client's sessions do.
	Key string
	// Manifest is the manifest's text, nil to read it through BuildKit.
	Manifest []byte
	// Record says what [Options.Record] is once that is known: it is asked when the
	// manifest was read. Nil: what the options say.
	Record func(context.Context) (string, error)
	// Sent says what of the project's files the client sends, if it does not send them all.
	Sent *Sent
	// Fresh says to send the project's files whatever BuildKit has of them.
	Fresh bool
	// Pins are the digests that a plan has found externals to have, by reference, so that
	// they are not asked for again; nil without one.
	Pins map[string]string
	// Dirty says whether the files differ from the commit; nil: that is not known yet.
	Dirty *bool
}

// Sent is what a client sends of a project: what images read, and nothing else.
type Sent struct {
	// Locals are local sources that have the context of an image, by the image's name;
	// those of one context with one ignore file share one.
	Locals map[string]string
	// Answers are those about all images, by the scheme of revisions: what the others read
	// is in no local source.
	Answers map[int]revision.Response
	// Named are the places where the root image's files name images.
	Named []overlay.Use
}

// New returns the frontend's build function.
//
// The result of a build is, by the option "target":
//
//	""           the root image; every other changed image is evaluated
//	IMAGE        that image
//	IMAGE/STAGE  that stage of its container file
//	"*"          every changed image under its own id
//
// An unchanged image is the registry's, by digest. With [Options.Export] the
// result is that of "*", but nothing at all if nothing has to be built, and the
// images' names and annotations are left to the client's exporters.
func New(host Host) client.BuildFunc {
	return func(ctx context.Context, c client.Client) (*client.Result, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		res, err := build(ctx, c, host)
		return res, ask.ForClients(err)
	}
}

func build(ctx context.Context, c client.Client, host Host) (*client.Result, error) {
	if err := checkCaps(c.BuildOpts().Opts["frontend.caps"]); err != nil {
		return nil, err
	}
	opts, err := ParseOptions(c.BuildOpts().Opts)
	if err != nil {
		return nil, err
	}
	asked, err := findRequest(opts.Request)
	if err != nil {
		return nil, err
	}
	return asked.answer(ctx, func() (gateway, error) {
		patient := ask.Client{Client: c, Patience: ask.MaxPatience}
		ui, err := dockerui.NewClient(patient)
		runner := func() (bk.State, string, error) { return host.Runner(c) }
		return gateway{patient, ui, runner, host, opts}, err
	})
}

// buildAnswer builds what the options ask for.
func buildAnswer(ctx context.Context, g gateway, k known) (_ *client.Result, err error) {
	if k.compiled, err = g.onBuilder(ctx, k); err != nil {
		return nil, err
	}
	made, err := assemble(ctx, g, k)
	if err != nil {
		return nil, err
	}
	res, err := solve(ctx, g, made)
	if err != nil {
		return nil, err
	}
	return res, g.describe(res, k.Plan)
}

// MaxPart is how many images a part has at most. BuildKit asks for the layers of
// every image of a result once for each exporter: for a thousand images in one
// result it would need many gigabytes.
const MaxPart = 128

// Part returns the images that belong to a part of a plan's result, dependencies
// first; none if there are fewer parts.
func Part(plan versioning.Plan, part int) []string {
	names := plan.PublishOrder()
	first := min(part*MaxPart, len(names))
	return names[first:min(first+MaxPart, len(names))]
}

// DefaultManifest is the name under which clients look for the manifest.
const DefaultManifest = "quoit.yaml"

// knownCaps are what a client may ask this frontend to understand; the image's
// label says the same.
var knownCaps = map[string]bool{
	"moby.buildkit.frontend.inputs":         true,
	"moby.buildkit.frontend.subrequests":    true,
	"moby.buildkit.frontend.contexts":       true,
	"moby.buildkit.frontend.gitquerystring": true,
}

func checkCaps(list string) error {
	for _, cap := range strings.Split(list, ",") {
		name, _, _ := strings.Cut(cap, "+")
		if name != "" && !knownCaps[name] {
			return errdefs.NewUnsupportedFrontendCapError(name)
		}
	}
	return nil
}
