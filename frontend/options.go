package frontend

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
)

// The build arguments that are Quoit's own. They are never a part of a revision.
const (
	ArgRing     = "QUOIT_RING"
	ArgMajor    = "QUOIT_MAJOR"
	ArgRebuild  = "QUOIT_REBUILD"
	ArgMerge    = "QUOIT_MERGE"
	ArgFirst    = "QUOIT_FIRST"
	ArgPull     = "QUOIT_PULL"
	ArgRegistry = "QUOIT_REGISTRY"
	// ArgExitCode makes the plan request answer with the exit code 2 if
	// something changes.
	ArgExitCode = "QUOIT_DETAILED_EXITCODE"
)

// OptionUnsettled is the frontend option by which the quoit command says that it
// would rather complete an interrupted publish than build upon a part of it: if
// versions are there already and others are to be built, the result is the plan
// alone, see [Unsettled].
const OptionUnsettled = "quoit.unsettled"

// OptionExport is the frontend option by which the quoit command asks for every
// changed image as a ref of its own and nothing else; see [New].
const OptionExport = "quoit.export"

// OptionPart is the frontend option by which the quoit command asks for a part
// of the images that are built, by its number from 0; see [Part].
const OptionPart = "quoit.part"

// AllImages is the target that stands for every changed image.
const AllImages = "*"

// options are a build's frontend options as far as Quoit reads them itself.
type options struct {
	ring      string // "" for the default
	registry  string // overrides the manifest's
	major     selection
	rebuild   selection
	merge     []string // rings whose release this build contains
	first     bool
	pull      bool
	export    bool
	part      int // -1 for all
	unsettled bool
	request   string // the subrequest, if any
	target    string // IMAGE, IMAGE/STAGE, AllImages or ""
	platforms []ocispecs.Platform
	noCache   bool
	exitCode  bool
	contexts  map[string]string // named contexts
	args      map[string]string // build arguments that may make another image
	labels    map[string]string
	source    string
	commit    string
}

func readOptions(opts map[string]string) (options, error) {
	o := options{
		ring:     opts["build-arg:"+ArgRing],
		registry: opts["build-arg:"+ArgRegistry],
		major:    newSelection(opts["build-arg:"+ArgMajor]),
		rebuild:  newSelection(opts["build-arg:"+ArgRebuild]),
		merge:    splitList(opts["build-arg:"+ArgMerge]),
		export:   opts[OptionExport] != "", unsettled: opts[OptionUnsettled] != "",
		request:  opts["requestid"],
		target:   opts["target"],
		contexts: map[string]string{},
		args:     map[string]string{},
		labels:   map[string]string{},
		source:   withoutCredentials(opts["vcs:source"]),
		commit:   opts["vcs:revision"],
	}
	_, o.noCache = opts["no-cache"]
	o.part = -1
	if text := opts[OptionPart]; text != "" {
		part, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return options{}, fmt.Errorf("%s is %q: write a number", OptionPart, text)
		}
		o.part = int(part)
	}
	if err := checkArgs(opts); err != nil {
		return options{}, err
	}
	for key, value := range opts {
		if name, ok := strings.CutPrefix(key, "build-arg:"); ok && !neutralArg(name) {
			o.args[name] = value
		} else if name, ok := strings.CutPrefix(key, "context:"); ok {
			o.contexts[name] = value
		} else if name, ok := strings.CutPrefix(key, "label:"); ok {
			o.labels[name] = value
		}
	}
	for name, to := range map[string]*bool{ArgFirst: &o.first, ArgPull: &o.pull, ArgExitCode: &o.exitCode} {
		if err := readBool(opts, name, to); err != nil {
			return options{}, err
		}
	}
	o.pull = o.pull || opts["image-resolve-mode"] == "pull"
	return o, o.readPlatforms(opts["platform"])
}

// checkArgs refuses to give the platform's arguments other values. Plain BuildKit
// takes them, for all platforms the same; to drop them without a word would build
// something else than what was asked for.
func checkArgs(opts map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(opts)) {
		if name, ok := strings.CutPrefix(key, "build-arg:"); ok && manifest.PlatformArg(name) {
			return fmt.Errorf("the build argument %s has its value from the platform or stage that is built: leave it out, platforms: and target: of the manifest choose those", name)
		}
	}
	return nil
}

// splitList reads a list with commas, without what is empty.
func splitList(list string) []string {
	parts := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(parts)
	return slices.Compact(parts)
}

// withoutCredentials takes user, password and query out of a repository's URL.
func withoutCredentials(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return diag.Mask(source)
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

func readBool(opts map[string]string, name string, to *bool) error {
	value, ok := opts["build-arg:"+name]
	if !ok || value == "" {
		return nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("%s is %q: write 1 or 0", name, value)
	}
	*to = b
	return nil
}

func (o *options) readPlatforms(list string) error {
	if list == "" {
		return nil
	}
	for _, text := range strings.Split(list, ",") {
		p, err := platforms.Parse(text)
		if err != nil {
			return fmt.Errorf("reading platform %q: %w", text, err)
		}
		o.platforms = append(o.platforms, platforms.Normalize(p))
	}
	return nil
}

// narrow returns those of an image's platforms that this build is for.
func (o options) narrow(all []ocispecs.Platform) []ocispecs.Platform {
	if len(o.platforms) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(p ocispecs.Platform) bool {
		return !slices.ContainsFunc(o.platforms, func(q ocispecs.Platform) bool {
			return platforms.FormatAll(p) == platforms.FormatAll(q)
		})
	})
}

// splitTarget cuts IMAGE/STAGE.
func (o options) splitTarget() (image, stage string) {
	image, stage, _ = strings.Cut(o.target, "/")
	return image, stage
}

// selection is a list of images, or "*" for all.
type selection []string

func newSelection(list string) selection {
	var s selection
	for _, name := range strings.Split(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s = append(s, name)
		}
	}
	return s
}

func (s selection) has(image string) bool {
	return slices.Contains(s, image) || slices.Contains(s, "*")
}

// unknown returns the first name that is no image, or "".
func (s selection) unknown(images []string) string {
	for _, name := range s {
		if name != "*" && !slices.Contains(images, name) {
			return name
		}
	}
	return ""
}
