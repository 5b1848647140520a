package frontend

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/llb"
)

// AllImages is the target that stands for every changed image, and in
// [Options.Major] and [Options.Rebuild] for every image.
const AllImages = "*"

// Keys of BuildKit's frontend attributes; those that end in a colon are followed
// by a name. Only quoit's are not BuildKit's.
const (
	attrArg      = "build-arg:"
	attrContext  = "context:"
	attrLabel    = "label:"
	attrAttest   = "attest:"
	attrFilename = "filename"
	attrTarget   = "target"
	attrPlatform = "platform"
	attrNoCache  = "no-cache"
	attrResolve  = "image-resolve-mode"
	attrRequest  = "requestid"
	attrSource   = "vcs:source"
	attrCommit   = "vcs:revision"
	attrExport   = "quoit.export"
	attrDefault  = "quoit.platform"
	attrPart     = "quoit.part"
)

// Options are what a build is asked for, besides the project's files. The zero
// value asks for the root image, built against the first ring.
type Options struct {
	Filename string // of the manifest, "" if the client does not say
	Ring     string // "" for the manifest's first, [versioning.None] for none
	Registry string // takes the place of the manifest's, "" for that one
	Project  string // [REGISTRY/]PROJECT: a manifest of another project is refused; "" for any
	// Record is the digest of the log's newest record, [rings.NoRecord] if there is no log, or
	// "" to believe the log's hint, which may be behind.
	Record string
	// AllowSyntax are the frontends that container files may name; nil for any.
	AllowSyntax llb.Frontends
	// Major and Rebuild are the images that get a new major version, or are built
	// although nothing changed.
	Major, Rebuild []string
	Merge          []string // rings whose release this build contains, sorted
	First          bool     // nothing is published yet, so nothing is looked up
	Pull           bool     // externals follow their tags in every ring
	ExitCode       bool     // see [ArgExitCode]
	NoCache        bool
	// NoCacheFor are images, or IMAGE/STAGE, whose steps run even if BuildKit has cached them.
	NoCacheFor []string
	Target     string   // IMAGE, IMAGE/STAGE, [AllImages], or "" for the root image
	Platforms  []string // of the manifest's, those to build; none for all
	Request    string   // the subrequest, "" for a build
	// Default is the platform of images whose manifest says none; "": the builder's first.
	Default string
	// Args are the build arguments that are not Quoit's own, Labels are for every
	// image, Attestations are parameters by kind. Contexts are named contexts of every image,
	// each an image, docker-image://REFERENCE, or a folder by [FolderContext].
	Args, Labels, Contexts, Attestations map[string]string
	// Source and Commit are where the project's files come from, "" if unknown.
	Source, Commit string

	// Export asks for every changed image as a ref of its own and nothing else;
	// see [New].
	Export bool
	// Part asks for a part of the images that are built, by its number from 0; nil
	// for all. See [Part].
	Part *int
}

// Attrs returns the options as BuildKit hands them to a frontend. [ParseOptions]
// is its inverse.
func (o Options) Attrs() map[string]string {
	attrs := map[string]string{}
	named(attrs, attrArg, o.Args)
	named(attrs, attrLabel, o.Labels)
	named(attrs, attrContext, o.Contexts)
	named(attrs, attrAttest, o.Attestations)
	for key, value := range map[string]string{
		attrFilename: o.Filename, attrTarget: o.Target, attrRequest: o.Request,
		attrPlatform: strings.Join(o.Platforms, ","),
		attrSource:   o.Source, attrCommit: o.Commit,
		attrExport: flagValue(o.Export), attrDefault: o.Default,
		attrArg + ArgRing: o.Ring, attrArg + ArgRegistry: o.Registry, attrArg + ArgProject: o.Project, attrArg + ArgRecord: o.Record,
		attrArg + ArgMajor:    strings.Join(o.Major, ","),
		attrArg + ArgRebuild:  strings.Join(o.Rebuild, ","),
		attrArg + ArgMerge:    strings.Join(o.Merge, ","),
		attrArg + ArgFirst:    flagValue(o.First),
		attrArg + ArgPull:     flagValue(o.Pull),
		attrArg + ArgExitCode: flagValue(o.ExitCode),
	} {
		if value != "" {
			attrs[key] = value
		}
	}
	if o.NoCache || len(o.NoCacheFor) > 0 {
		attrs[attrNoCache] = strings.Join(o.NoCacheFor, ",")
	}
	if o.AllowSyntax != nil {
		attrs[attrArg+ArgAllowSyntax] = strings.Join(o.AllowSyntax, ",")
	}
	if o.Part != nil {
		attrs[attrPart] = strconv.Itoa(*o.Part)
	}
	return attrs
}

// ParseOptions reads what [Options.Attrs] writes, and what stock clients send.
// Attributes that are none of them are left to BuildKit's own code. It takes
// credentials out of the source.
func ParseOptions(attrs map[string]string) (Options, error) {
	if err := checkArgs(attrs); err != nil {
		return Options{}, err
	}
	filter, noCache := attrs[attrNoCache]
	o := Options{
		Filename: attrs[attrFilename],
		Ring:     attrs[attrArg+ArgRing],
		Registry: attrs[attrArg+ArgRegistry],
		Project:  attrs[attrArg+ArgProject],
		Record:   attrs[attrArg+ArgRecord],
		Major:    splitNames(attrs[attrArg+ArgMajor]),
		Rebuild:  splitNames(attrs[attrArg+ArgRebuild]),
		Merge:    splitList(attrs[attrArg+ArgMerge]),
		NoCache:  noCache && filter == "", NoCacheFor: splitNames(filter),
		Target:   attrs[attrTarget],
		Request:  attrs[attrRequest],
		Args:     withPrefix(attrs, attrArg),
		Labels:   withPrefix(attrs, attrLabel),
		Contexts: withPrefix(attrs, attrContext), Attestations: withPrefix(attrs, attrAttest),
		Source: withoutCredentials(attrs[attrSource]),
		Commit: attrs[attrCommit],
		Export: attrs[attrExport] != "", Default: attrs[attrDefault],
	}
	maps.DeleteFunc(o.Args, func(name, _ string) bool { return strings.HasPrefix(name, ownArgs) })
	for name, to := range map[string]*bool{ArgFirst: &o.First, ArgPull: &o.Pull, ArgExitCode: &o.ExitCode} {
		if err := readBool(attrs, name, to); err != nil {
			return Options{}, err
		}
	}
	if err := cmp.Or(checkRecord(o.Record), o.readAllowSyntax(attrs)); err != nil {
		return Options{}, err
	}
	o.Pull = o.Pull || attrs[attrResolve] == "pull"
	var err error
	if o.Part, err = readPart(attrs[attrPart]); err != nil {
		return Options{}, err
	}
	if o.Platforms, err = readPlatforms(attrs[attrPlatform]); err != nil {
		return Options{}, err
	}
	if _, err := platforms.Parse(cmp.Or(o.Default, "linux/amd64")); err != nil {
		return Options{}, fmt.Errorf("reading platform %q: %w", o.Default, err)
	}
	return o, nil
}

func named(attrs map[string]string, prefix string, values map[string]string) {
	for name, value := range values {
		attrs[prefix+name] = value
	}
}

// withPrefix is the inverse of named.
func withPrefix(attrs map[string]string, prefix string) map[string]string {
	values := map[string]string{}
	for key, value := range attrs {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			values[name] = value
		}
	}
	return values
}

func flagValue(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// splitList reads a list with commas, without what is empty.
func splitList(list string) []string {
	parts := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(parts)
	return slices.Compact(parts)
}

// splitNames reads names with commas between, in their order.
func splitNames(list string) []string {
	var names []string
	for _, name := range strings.Split(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// withoutCredentials takes user, password and query out of a repository's URL.
func withoutCredentials(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return show.Mask(source)
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

func readPart(text string) (*int, error) {
	if text == "" {
		return nil, nil
	}
	part, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%s is %q: write a number", attrPart, text)
	}
	return new(int(part)), nil
}

// readPlatforms reads a list with commas and spells each as an image's config does.
func readPlatforms(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	var all []string
	for _, text := range strings.Split(list, ",") {
		p, err := platforms.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("reading platform %q: %w", text, err)
		}
		all = append(all, platforms.FormatAll(platforms.Normalize(p)))
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// narrow returns those of an image's platforms that this build is for.
func (o Options) narrow(all []ocispecs.Platform) []ocispecs.Platform {
	if len(o.Platforms) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(p ocispecs.Platform) bool {
		return !slices.Contains(o.Platforms, platforms.FormatAll(p))
	})
}

// noCache are the stages of an image whose steps run in any case; nil: none, empty: all.
func (o Options) noCache(image string) (stages []string) {
	for _, name := range o.NoCacheFor {
		of, stage, cut := strings.Cut(name, "/")
		if of == image && !cut {
			return []string{}
		} else if of == image {
			stages = append(stages, stage)
		}
	}
	return stages
}

// splitTarget cuts IMAGE/STAGE.
func (o Options) splitTarget() (image, stage string) {
	image, stage, _ = strings.Cut(o.Target, "/")
	return image, stage
}

// selects tells whether names, as [Options.Major], say an image.
func selects(names []string, image string) bool {
	return slices.Contains(names, image) || slices.Contains(names, AllImages)
}

// unknownName returns the first of the names that is none of the images, or "".
func unknownName(names, images []string) string {
	for _, name := range names {
		if name != AllImages && !slices.Contains(images, name) {
			return name
		}
	}
	return ""
}
