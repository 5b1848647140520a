package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/dial"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// buildkitFlags are those of every command that builds.
type buildkitFlags struct {
	addr      string
	builder   string
	tls       dial.TLS
	progress  string
	secrets   []string
	ssh       []string
	cacheFrom []string
	cacheTo   []string
	allow     []string
	timeout   time.Duration
}

func (f *buildkitFlags) register(flags *pflag.FlagSet) {
	f.registerBuilder(flags, "address of the BuildKit that builds")
	flags.StringVar(&f.progress, "progress", "auto", "how progress is shown: auto, plain, tty, rawjson, quiet")
	flags.StringArrayVar(&f.secrets, "secret", nil, "a secret for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE")
	flags.StringArrayVar(&f.ssh, "ssh", nil, "an SSH agent for RUN --mount=type=ssh: default, or NAME=SOCKET")
	flags.StringArrayVar(&f.cacheFrom, "cache-from", nil, "a build cache to read: type=registry,ref=…")
	flags.StringArrayVar(&f.cacheTo, "cache-to", nil, "a build cache to write: type=registry,ref=…,mode=max")
	flags.StringArrayVar(&f.allow, "allow", nil, "an entitlement to grant: network.host, security.insecure")
	flags.DurationVar(&f.timeout, "timeout", 0, "how long BuildKit may take, the files included (default as long as it does)")
}

// registerGates registers those that are for running gates.
func (f *buildkitFlags) registerGates(flags *pflag.FlagSet) {
	f.registerBuilder(flags, "address of the BuildKit that runs the gates")
	flags.StringVar(&f.progress, "progress", "auto", "how the gates' progress is shown: auto, plain, tty, rawjson, quiet")
	flags.StringArrayVar(&f.secrets, "secret", nil, "a secret for the gates: id=NAME,src=FILE or id=NAME,env=VARIABLE")
}

// registerBuilder registers those that say which BuildKit it is, as buildctl and docker
// buildx do.
func (f *buildkitFlags) registerBuilder(flags *pflag.FlagSet, what string) {
	flags.StringVar(&f.addr, "addr", "", what+" (default $BUILDKIT_HOST)")
	flags.StringVar(&f.builder, "builder", "", "a builder of docker buildx instead of an address (default $BUILDX_BUILDER, or the one in use)")
	flags.StringVar(&f.tls.ServerName, "tlsservername", "", "name in the certificate of the server at the address (default its host)")
	flags.StringVar(&f.tls.CACert, "tlscacert", "", "file with the certificate of those who may have signed it")
	flags.StringVar(&f.tls.Cert, "tlscert", "", "file with the client's certificate")
	flags.StringVar(&f.tls.Key, "tlskey", "", "file with the client's key")
	flags.StringVar(&f.tls.Dir, "tlsdir", "", "folder with all three: ca.pem, cert.pem, key.pem or ca.crt, tls.crt, tls.key")
}

// buildKit is the BuildKit that the flags mean. Its progress is written to out.
func (f *buildkitFlags) buildKit(out io.Writer) builder.BuildKit {
	return builder.BuildKit{
		Address: f.addr, TLS: f.tls, Builder: f.builder, Progress: builder.Progress{Out: out, Mode: f.progress},
		Secrets: f.secrets, SSH: f.ssh, CacheFrom: f.cacheFrom, CacheTo: f.cacheTo, Allow: f.allow, Timeout: f.timeout,
	}
}

// planFlags are what a plan depends on besides the project's files.
type planFlags struct {
	ring      string
	major     []string
	rebuild   []string
	merge     []string
	first     bool
	pull      bool
	noCache   bool
	anew      []string
	args      []string
	contexts  []string
	labels    []string
	platforms []string
	syntax    []string
	flags     *pflag.FlagSet
}

func (f *planFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.ring, "ring", os.Getenv("QUOIT_RING"), "the ring to build against, or none (default the manifest's first)")
	flags.StringSliceVar(&f.major, "major", nil, "images that get a new major version, * for all")
	flags.StringSliceVar(&f.rebuild, "rebuild", nil, "images to build even if nothing changed, * for all")
	flags.StringSliceVar(&f.merge, "merge", nil, "rings whose release the sources contain, so that a shift may replace it")
	flags.BoolVar(&f.first, "first", false, "state that the project has no release yet; no ring is looked up, and a publish is refused if it has one")
	flags.BoolVar(&f.pull, "pull", false, "follow the tags of external images in later rings too")
	flags.BoolVar(&f.noCache, "no-cache", false, "run every step of what is built, and read and compile every file anew")
	flags.StringSliceVar(&f.anew, "no-cache-filter", nil, "images, or IMAGE/STAGE, of which every step is run")
	flags.StringArrayVar(&f.labels, "label", nil, "a label for every image that is built, KEY=VALUE")
	flags.StringSliceVar(&f.platforms, "platform", nil, "build only these of the manifest's platforms; cannot be published")
	f.registerGraph(flags)
}

// registerGraph registers those that decide which images need which.
func (f *planFlags) registerGraph(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.args, "build-arg", nil, "a build argument, NAME=VALUE or NAME to take it from the environment")
	flags.StringArrayVar(&f.contexts, "build-context", nil, "what a name means in container files, before stages and images of it: NAME=FOLDER of the project, or NAME=docker-image://REFERENCE")
	flags.StringSliceVar(&f.syntax, "allow-syntax", nil, "frontends that the manifest and container files may name in a syntax line, as repositories with * for any part of a name; Docker's and quoit's always (default $QUOIT_ALLOW_SYNTAX, or all)")
	f.flags = flags
}

// options are the frontend's options that the flags mean, for a project that may be
// elsewhere than its manifest says.
func (f *planFlags) options(ctx context.Context, project projectFlags, m *manifest.Manifest) (frontend.Options, error) {
	o := frontend.Options{
		Ring: f.ring, Project: project.project, Major: f.major, Rebuild: f.rebuild, Merge: f.merge,
		First: f.first, Pull: f.pull, NoCache: f.noCache, NoCacheFor: f.anew, Platforms: f.platforms,
		Args: map[string]string{}, Labels: map[string]string{},
	}
	if host, _, err := manifest.SplitProject(project.project); project.registry != "" || err == nil && host != "" {
		o.Registry = m.Registry
	}
	o.AllowSyntax = f.allowSyntax()
	if err := o.AllowSyntax.Check(); err != nil {
		return o, usagef("--allow-syntax: %w", err)
	}
	if epoch := os.Getenv(frontend.ArgEpoch); epoch != "" {
		o.Args[frontend.ArgEpoch] = epoch
	}
	for _, pair := range f.args {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			value, ok = os.LookupEnv(name)
		}
		if name == "" || strings.HasPrefix(name, "QUOIT_") {
			return o, usagef("--build-arg %s: write NAME=VALUE; the QUOIT_ arguments have flags of their own", name)
		}
		if ok {
			o.Args[name] = value
		}
	}
	var err error
	if o.Contexts, err = f.namedContexts(project.dir); err != nil {
		return o, err
	}
	for _, pair := range f.labels {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return o, usagef("--label %s: write KEY=VALUE", pair)
		}
		o.Labels[key] = value
	}
	if o.Args[frontend.ArgEpoch] == frontend.EpochOfContext {
		seconds := gitSeconds(ctx, project.dir)
		if seconds == "" {
			return o, usagef("%s=%s is the time of the project's commit, and git knows none in %s: write the seconds since 1970", frontend.ArgEpoch, frontend.EpochOfContext, project.dir)
		}
		o.Args[frontend.ArgEpoch] = seconds
	}
	return o, nil
}

// namedContexts are those that the flags mean, for a project in a folder.
func (f *planFlags) namedContexts(dir string) (map[string]string, error) {
	all := map[string]string{}
	for _, pair := range f.contexts {
		key, value, _ := strings.Cut(pair, "=")
		name, err := manifest.ContextName(key)
		if err != nil || value == "" {
			return nil, usagef("--build-context %s: write NAME=FOLDER, or NAME=docker-image://REFERENCE", pair)
		}
		switch {
		case strings.HasPrefix(value, "docker-image://"):
			all[name] = value
		case strings.Contains(value, "://"), strings.HasPrefix(value, "git@"):
			return nil, usagef("--build-context %s: it is no folder of the project and no docker-image://REFERENCE: ADD it in the container file, or copy it into the project", pair)
		default:
			folder, err := folderOf(dir, value)
			if err != nil {
				return nil, usagef("--build-context %s: %w", pair, err)
			}
			all[name] = frontend.FolderContext(folder)
		}
	}
	return all, nil
}

// folderOf is a folder as a slash path in a project's.
func folderOf(project, folder string) (string, error) {
	var paths [2]string
	for i, name := range []string{project, folder} {
		resolved, err := filepath.EvalSymlinks(name)
		if err == nil {
			paths[i], err = filepath.Abs(resolved)
		}
		if err != nil {
			return "", err
		}
	}
	inside, err := filepath.Rel(paths[0], paths[1])
	if err != nil || !filepath.IsLocal(inside) {
		return "", errors.New("the folder is outside of the project, and only what is in it counts in revisions: copy it into the project")
	}
	if info, err := os.Stat(paths[1]); err != nil || !info.IsDir() {
		return "", errors.New("it is not a folder")
	}
	return filepath.ToSlash(inside), nil
}

// allowSyntax is the list that is given, nil for none. A variable that is set to nothing
// is an empty list: what was meant to restrict a build must not vanish with a typing error.
func (f *planFlags) allowSyntax() llb.Frontends {
	list, given := os.LookupEnv(frontend.ArgAllowSyntax)
	switch {
	case f.flags.Changed("allow-syntax"):
		return append(llb.Frontends{}, f.syntax...)
	case given:
		return append(llb.Frontends{}, strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })...)
	}
	return nil
}

// discardFlag registers --discard, which means the same in every command: rings or
// sites by name, and these alone, may lose their release to one that does not contain it.
func discardFlag(flags *pflag.FlagSet, to *[]string, what string) {
	flags.StringSliceVar(to, "discard", nil, what)
}

// checkDiscard refuses a --discard of what a command cannot change.
func checkDiscard(discard, changing []string) error {
	for _, name := range discard {
		if slices.Contains(changing, name) {
			continue
		}
		verb := "change"
		if len(changing) == 1 {
			verb = "changes"
		}
		return usagef("--discard %s: only %s %s", name, strings.Join(changing, ", "), verb)
	}
	return nil
}

// takeOverFlag registers --take-over, and the name that it had before.
func takeOverFlag(flags *pflag.FlagSet, to *bool, what string) {
	flags.BoolVar(to, "take-over", false, "take over "+what+" that somebody else owns")
	flags.BoolVar(to, "adopt", false, "take over "+what+" that somebody else owns")
	_ = flags.MarkHidden("adopt") // it is there
}
