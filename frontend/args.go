package frontend

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/frontend/secret"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
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
	ArgProject  = "QUOIT_PROJECT"
	ArgRecord   = "QUOIT_RECORD"
	// ArgAllowSyntax are the frontends that container files may name, as [llb.Frontends];
	// an empty list is one.
	ArgAllowSyntax = "QUOIT_ALLOW_SYNTAX"
	// ArgExitCode makes the plan request answer with the exit code 2 if
	// something changes.
	ArgExitCode = "QUOIT_DETAILED_EXITCODE"
)

// ArgCheck is the build argument that takes the place of what files say of their checks.
const ArgCheck = "BUILDKIT_DOCKERFILE_CHECK"

// ArgEpoch is the build argument with the time that files and configs get, in
// seconds since 1970.
const ArgEpoch = "SOURCE_DATE_EPOCH"

// EpochOfContext is the value of [ArgEpoch] for the time of the commit, or of the archive,
// that the project's files come from.
const EpochOfContext = "context"

// ownArgs is what the names of Quoit's own build arguments begin with.
const ownArgs = "QUOIT_"

// neutralArg tells whether a build argument is no part of a revision. A proxy does not make
// another image of the same sources.
func neutralArg(name string) bool {
	return secret.Proxy(name) || name == ArgEpoch ||
		strings.HasPrefix(name, "BUILDKIT_") || strings.HasPrefix(name, ownArgs)
}

// imageArgs are the build arguments that may make another image.
func (o Options) imageArgs() map[string]string {
	args := maps.Clone(o.Args)
	maps.DeleteFunc(args, func(name, _ string) bool { return neutralArg(name) })
	return args
}

// checkArgs refuses to give the platform's arguments other values. Plain BuildKit
// takes them, for all platforms the same; to drop them without a word would build
// something else than what was asked for.
func checkArgs(attrs map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		if name, ok := strings.CutPrefix(key, attrArg); ok && manifest.PlatformArg(name) {
			return fmt.Errorf("the build argument %s gets its value from the platform or stage that is built: leave it out; platforms: and target: in the manifest choose those", name)
		}
	}
	return nil
}

// misplaced is an error of [manifest.Manifest.At] with the argument or the line that it is
// about.
func (o Options) misplaced(err error, source *bk.SourceMap) error {
	if _, _, wrong := manifest.SplitProject(o.Project); o.Project != "" && wrong != nil {
		return fmt.Errorf("%s: %w", ArgProject, err)
	}
	if found := diag.All(err); len(found) > 0 && found[0].Source != nil {
		return inManifest(err, source)
	}
	return fmt.Errorf("%s: %w", ArgRegistry, err)
}

func readBool(attrs map[string]string, name string, to *bool) error {
	value := attrs[attrArg+name]
	if value == "" {
		return nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("%s is %q: write 1 or 0", name, value)
	}
	*to = b
	return nil
}

func checkRecord(record string) error {
	if _, err := digest.Parse(record); err != nil && record != "" && record != rings.NoRecord {
		return fmt.Errorf("%s is %q: write the digest of a record of the log, or %s", ArgRecord, record, rings.NoRecord)
	}
	return nil
}

// readAllowSyntax keeps a list that is empty apart from none.
func (o *Options) readAllowSyntax(attrs map[string]string) error {
	list, given := attrs[attrArg+ArgAllowSyntax]
	if !given {
		return nil
	}
	o.AllowSyntax = append(llb.Frontends{}, splitNames(list)...)
	if err := o.AllowSyntax.Check(); err != nil {
		return fmt.Errorf("%s: %w", ArgAllowSyntax, err)
	}
	return nil
}

// CheckSecrets refuses to publish what looks like a secret, given as a build argument or by
// the manifest, whose readers are not the images' readers. The error is a
// [*secret.ArgsError].
func (o Options) CheckSecrets(m *manifest.Manifest) error {
	given := []map[string]string{o.Args}
	for _, image := range m.Images {
		given = append(given, imageArgs(image, nil))
	}
	return secret.Check(o.Attrs(), given...)
}
