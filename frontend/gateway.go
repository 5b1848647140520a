package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/frontend/folder"
	"github.com/quoitbuild/quoit/frontend/selection"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/revision"
)

// gateway is BuildKit as all steps ask it: it has the project's files and registries,
// and solves.
type gateway struct {
	client.Client
	ui     *dockerui.Client
	runner func() (fs bk.State, path string, err error) // see [Runner]
	host   Host
	opts   Options
}

// run is a run that asks BuildKit for everything.
func (g gateway) run() run {
	return run{gateway: g, files: g, configs: g, remotes: llb.RemotesOf{Gateway: g}, images: gatewayImages{g}, accounts: g.accounts(), hasher: g, newest: g.newest, made: g.ui.ResolveMainContextSourceDateEpoch, opts: g.opts, warn: g.Warn, pinned: g.host.Pins, fresh: g.host.Fresh, sent: g.host.Sent}
}

// newest says which record is the newest, as [Options.Record] does.
func (g gateway) newest(ctx context.Context) (string, error) {
	if g.host.Record == nil {
		return g.opts.Record, nil
	}
	return g.host.Record(ctx)
}

func (g gateway) open(ctx context.Context) (source *dockerui.Source, at place, err error) {
	if g.host.Manifest != nil {
		source = given(g.opts.Filename, g.host.Manifest, g.Warn)
	} else if source, err = g.ui.ReadEntrypoint(ctx, manifestLanguage); err != nil {
		return nil, place{}, fmt.Errorf("reading the manifest: %w", err)
	}
	remote, err := g.remoteTree(ctx)
	return source, place{remote: remote, session: localSession(g), key: g.host.Key}, err
}

// remoteTree returns the project's tree if the client does not send it.
func (g gateway) remoteTree(ctx context.Context) (*bk.State, error) {
	ref := g.BuildOpts().Opts[contextKey(g)]
	_, isGit, err := dockerui.DetectGitContext(ref, nil)
	if isGit && err != nil {
		return nil, fmt.Errorf("reading the context %q: %w", ref, err)
	}
	_, _, isHTTP := dockerui.DetectHTTPContext(ref)
	if !isGit && !isHTTP {
		inputs, err := g.Inputs(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the build's inputs: %w", err)
		}
		if _, ok := inputs[localName]; !ok {
			return nil, nil
		}
	}
	st, err := g.ui.MainContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the context: %w", err)
	}
	return st, nil
}

func contextKey(c client.Client) string {
	if key := c.BuildOpts().Opts["contextkey"]; key != "" {
		return key
	}
	return localName
}

func localSession(c client.Client) string {
	opts := c.BuildOpts()
	if id := opts.Opts["local-sessionid:"+localName]; id != "" {
		return id
	}
	return opts.SessionID
}

func (g gateway) control(ctx context.Context, d declared) (*controlFiles, error) {
	st := d.at.remote
	if st == nil {
		local := bk.Local(localName,
			bk.SessionID(d.at.session),
			bk.FollowPaths(d.controlPaths()),
			d.at.hint(d.manifest.Project+":control"),
			bk.Differ(bk.DiffNone, false),
			dockerui.WithInternalName("load container files and ignore files"),
		)
		st = &local
	}
	def, err := st.Marshal(ctx, bk.WithCaps(g.BuildOpts().LLBCaps))
	if err != nil {
		return nil, err
	}
	if g.host.Folder != "" && d.at.remote == nil {
		return &controlFiles{tree: folder.Folder(g.host.Folder), def: def}, nil
	}
	res, err := g.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return nil, err
	}
	ref, err := res.SingleRef()
	if err != nil || d.at.remote != nil {
		return &controlFiles{tree: ref, def: def}, err // whose folders may be large
	}
	return &controlFiles{tree: folder.NewListed(ref), def: def}, nil
}

// hash digests in a build step with the trees as read-only mounts, so BuildKit caches it on
// their contents. What the client sends is selected by what is read, and then, if links
// lead out of that, by where they lead.
func (g gateway) hash(ctx context.Context, p project, req revision.Request) (revision.Response, contexts, error) {
	if g.host.Sent != nil {
		res, err := g.hashSent(ctx, p, req)
		return res, p.own, err
	}
	if remote := p.at.remote; remote != nil {
		res, err := g.hashIn(ctx, req, bk.AddMount("/project", *remote, bk.Readonly))
		return res, func(source llb.Source) bk.State { return llb.Context(*remote, source, false) }, err
	}
	req.Beyond = true
	if req.Scheme != revision.Scheme {
		p.at.key += ":former" // of fewer images, so it is a transfer of its own
	}
	for s, round := selection.New(req.Images, p.transfer), 1; ; round++ {
		res, err := g.hashIn(ctx, s.Request(req), s.Mounts()...)
		if err != nil {
			return res, nil, err
		}
		wider, grown := s.Widen(res.Beyond, round)
		if !grown || len(res.Problems) > 0 {
			return res, s.Context, nil
		}
		if round > selection.MaxRounds {
			return res, nil, errors.New("links lead out of what is sent again and again")
		}
		s = wider
	}
}

// hashSent digests what a client sends that knows what is read. Each context is a folder of
// its own. What is not sent is known.
func (g gateway) hashSent(ctx context.Context, p project, req revision.Request) (res revision.Response, err error) {
	sent := revision.Request{Scheme: req.Scheme}
	known := revision.Response{Scheme: req.Scheme, Trees: map[string]digest.Digest{}, Git: map[string][]int{}, Named: g.host.Sent.Named}
	var mounts []bk.RunOption
	mounted := map[string]bool{}
	for _, image := range req.Images {
		local, ok := g.host.Sent.Locals[image.Name]
		if !ok {
			if tree, ok := g.host.Sent.Answers[req.Scheme].Trees[image.Name]; ok {
				known.Trees[image.Name] = tree
			}
			if reads := g.host.Sent.Answers[req.Scheme].Git[image.Name]; len(reads) > 0 {
				known.Git[image.Name] = reads
			}
			continue
		}
		if !mounted[local] {
			mounted[local] = true
			mounts = append(mounts, bk.AddMount("/project/"+local, p.own(p.sourceOf(image)), bk.Readonly))
		}
		image.Context, image.Overlays = local, false
		sent.Images = append(sent.Images, image)
	}
	if len(sent.Images) == 0 {
		return known, nil
	}
	if res, err = g.hashIn(ctx, sent, mounts...); err != nil {
		return res, err
	}
	maps.Copy(known.Trees, res.Trees)
	maps.Copy(known.Git, res.Git)
	res.Trees, res.Git, res.Named = known.Trees, known.Git, known.Named
	return res, nil
}

// hashIn digests what is mounted below /project.
func (g gateway) hashIn(ctx context.Context, req revision.Request, mounts ...bk.RunOption) (res revision.Response, err error) {
	data, err := json.Marshal(req)
	if err != nil {
		return res, err
	}
	root, binary, err := g.runner()
	if err != nil {
		return res, err
	}
	request := bk.Scratch().File(bk.Mkfile(requestFile, 0o444, data), dockerui.WithInternalName("what the images read"))
	if g.host.Sent != nil || g.opts.Export || g.opts.NoCache {
		// BuildKit's cache does not tell the permissions of folders apart, and what it
		// remembers must not differ from the plan that was made where the project lies.
		mounts = append(mounts, bk.IgnoreCache)
	}
	// The runner is a mount, as BuildKit knows those by their contents, and a
	// local source in the place of the root by its session.
	step := bk.Scratch().Run(append(mounts,
		bk.Args([]string{"/runner" + binary, revision.StepCommand, "/project", "/request/" + requestFile, "/answer/" + responseFile}),
		bk.AddMount("/runner", root, bk.Readonly),
		bk.AddMount("/request", request, bk.Readonly),
		bk.Network(bk.NetModeNone),
		dockerui.WithInternalName("hash what the images read"),
	)...)
	def, err := step.AddMount("/answer", bk.Scratch()).Marshal(ctx, bk.Platform(buildPlatform(g.BuildOpts())), bk.WithCaps(g.BuildOpts().LLBCaps))
	if err != nil {
		return res, err
	}
	answer, err := g.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return res, err
	}
	ref, err := answer.SingleRef()
	if err != nil {
		return res, err
	}
	data, err = ask.ReadFile(ctx, ref, responseFile, maxResponse)
	if err != nil {
		return res, err
	}
	if err := json.Unmarshal(data, &res); err != nil {
		return res, fmt.Errorf("reading the answer: %w", err)
	}
	return res, nil
}

// given is a manifest that is read already.
func given(name string, data []byte, warn warner) *dockerui.Source {
	info := &pb.SourceInfo{Filename: name, Language: manifestLanguage, Data: data}
	return &dockerui.Source{
		SourceMap: bk.NewSourceMap(nil, name, manifestLanguage, data),
		Warn: func(ctx context.Context, message string, opts client.WarnOpts) {
			opts.Level, opts.SourceInfo = max(opts.Level, 1), info
			// A warning that cannot be delivered harms nobody.
			_ = warn(ctx, digest.FromBytes(data), message, opts)
		},
	}
}
