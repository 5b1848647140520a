// Package attestation is about what is attested of images that one build makes: each image's
// provenance, and the list of what is in it.
//
// BuildKit writes down the request that a result came from, with all sources of that request,
// and Quoit's one request makes all images of a project. So each image's finished graph goes
// through a request of its own, to BuildKit's frontend for container files: of a file at the
// path of the image's, which has nothing but stages that are that graph. What comes out is the
// same graph; what is noted is the path, the arguments, the commit, and the graph's sources.
package attestation

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/attestations"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Request is how an image is asked for.
type Request struct {
	// File is the path of its container file in the project.
	File string
	// Target is the file's stage, "" for the last one.
	Target string
	// Syntax is the frontend that the file names, "" for BuildKit's.
	Syntax string
	// Args and Labels are those that are given.
	Args, Labels map[string]string
	Platform     ocispecs.Platform
}

// HasProvenance reports whether what a build makes is to have provenance, by its options.
func HasProvenance(options map[string]string) bool {
	kinds, err := attestations.Parse(attestations.Filter(options))
	_, asked := kinds[attestations.KeyTypeProvenance]
	return err == nil && asked
}

// Recorder has BuildKit note how each image is asked for.
type Recorder struct {
	client client.Client
	caches []client.CacheOptionsEntry
	origin map[string]string
	files  *pb.Definition // the container files
}

// graph is the name that an image's finished graph has in its file.
const graph = "quoit-result"

// NewRecorder is one for these requests, whose solves import these caches. Origin are
// BuildKit's options that say where the project comes from, like vcs:revision.
func NewRecorder(ctx context.Context, c client.Client, caches []client.CacheOptionsEntry, origin map[string]string, all []Request) (*Recorder, error) {
	targets, args := map[string][]string{}, map[string][]string{}
	for _, r := range all {
		targets[r.File] = append(targets[r.File], strings.ToLower(r.target()))
		args[r.File] = slices.AppendSeq(args[r.File], maps.Keys(r.args()))
	}
	var actions *bk.FileAction
	for _, file := range slices.Sorted(maps.Keys(targets)) {
		actions = write(actions, file, contents(targets[file], args[file]))
	}
	def, err := bk.Scratch().File(actions, dockerui.WithInternalName("what provenance says of the images")).
		Marshal(ctx, bk.WithCaps(c.BuildOpts().LLBCaps))
	if err != nil {
		return nil, fmt.Errorf("writing what provenance says of the images: %w", err)
	}
	return &Recorder{c, caches, origin, def.ToPB()}, nil
}

// write adds a file, with its folder.
func write(actions *bk.FileAction, file, text string) *bk.FileAction {
	dir := path.Join("/", path.Dir(file))
	if actions == nil {
		actions = bk.Mkdir(dir, 0o755, bk.WithParents(true))
	} else {
		actions = actions.Mkdir(dir, 0o755, bk.WithParents(true))
	}
	return actions.Mkfile(path.Join("/", file), 0o644, []byte(text))
}

// contents is a container file with these stages, each of which is the image's graph. It
// declares the arguments, as the frontend warns of others.
func contents(targets, args []string) string {
	var text strings.Builder
	for _, name := range unique(args) {
		fmt.Fprintf(&text, "ARG %s\n", name)
	}
	for _, target := range unique(targets) {
		if target != "" {
			fmt.Fprintf(&text, "FROM %s AS %s\n", graph, target)
		}
	}
	return text.String() + "FROM " + graph + "\n" // the last one is what no target means
}

func unique(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// Solve solves an image's graph as what one of the requests asks for.
func (r *Recorder) Solve(ctx context.Context, asked Request, image *pb.Definition) (client.Reference, error) {
	opts, err := asked.options()
	if err != nil {
		return nil, err
	}
	maps.Copy(opts, r.origin)
	res, err := r.client.Solve(ctx, client.SolveRequest{
		Frontend: "dockerfile.v0", FrontendOpt: opts, CacheImports: r.caches,
		FrontendInputs: map[string]*pb.Definition{
			dockerui.DefaultLocalNameDockerfile: r.files, graph: image,
			// It would ask the client for an ignore file, and print an error if there is no context.
			dockerui.DefaultLocalNameContext: r.files,
		},
	})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// options are those of the request.
func (r Request) options() (map[string]string, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: r.Platform})
	if err != nil {
		return nil, err
	}
	meta, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: config})
	if err != nil {
		return nil, err
	}
	opts := map[string]string{
		"filename": r.File, "platform": platforms.FormatAll(r.Platform),
		"context:" + graph: "input:" + graph, "input-metadata:" + graph: string(meta),
	}
	if target := r.target(); target != "" {
		opts["target"] = target
	}
	if r.Syntax != "" {
		opts["source"], opts["cmdline"] = r.Syntax, r.Syntax
	}
	for name, value := range r.args() {
		opts["build-arg:"+name] = value
	}
	for name, value := range r.Labels {
		opts["label:"+name] = value
	}
	return opts, nil
}

var (
	stageName = regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)
	argName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// target is the stage if the file can have one of that name, else "": it may be the number of
// one, or what another frontend takes.
func (r Request) target() string {
	if name := strings.ToLower(r.Target); stageName.MatchString(name) && name != dockerui.EmptyImageName {
		return r.Target
	}
	return ""
}

// args are the arguments that the file can declare, without those that the frontend itself
// would follow.
func (r Request) args() map[string]string {
	args := maps.Clone(r.Args)
	maps.DeleteFunc(args, func(name, _ string) bool {
		return !argName.MatchString(name) || strings.HasPrefix(name, "BUILDKIT_") || name == "SOURCE_DATE_EPOCH"
	})
	return args
}
