package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"

	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/look"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// looked is what is known of a build before BuildKit is called.
type looked struct {
	plan     *versioning.Plan // nil if only a BuildKit can make it
	why      error            // why only a BuildKit can
	sources  look.Planned     // what the plan was made of
	warnings []client.VertexWarning
	dirty    bool // what the check has said

	// What BuildKit gets of the project's files: what is built reads, or what a frontend
	// image reads, which chooses of it; all if both are nil.
	sending *sending
	whole   fsutil.FS
	fresh   bool // BuildKit is to believe nothing that it has of them
}

// look plans where the project lies, as long as that needs no BuildKit. Errors are those of
// [Build].
func (o Options) look(ctx context.Context, log *reading) (looked, error) {
	planned, found, err := lookBy(ctx, o, log, look.Plan)
	if err != nil || planned == nil {
		return found, err
	}
	// As it comes from a frontend, so that both can be compared.
	var plan versioning.Plan
	data, err := json.Marshal(planned.Plan)
	if err == nil {
		plan, err = versioning.ParsePlan(data)
	}
	if err != nil {
		return found, fmt.Errorf("writing the plan: %w", err)
	}
	found.plan, found.sources = &plan, *planned
	return found, nil
}

// lookBy looks where the project lies; what it makes is nil if only a BuildKit can.
func lookBy[T any](ctx context.Context, o Options, log *reading, by func(context.Context, look.Options) (T, error)) (*T, looked, error) {
	var found looked
	if o.Project == nil {
		return nil, found, nil
	}
	var mu sync.Mutex
	made, err := by(ctx, look.Options{
		Dir: o.Dir, File: o.File, Manifest: o.Manifest, Frontend: job{Options: o}.options(), At: o.Project.Namespace(),
		Progress: o.BuildKit.Progress.reading(),
		Record:   func(ctx context.Context) (string, error) { return log.record(ctx, o.Frontend.Record) },
		Newest:   func() records.Sealed { return log.state.Newest },
		Warn: func(file, message string) {
			mu.Lock()
			defer mu.Unlock()
			found.warnings = append(found.warnings, client.VertexWarning{Short: []byte(message), SourceInfo: &pb.SourceInfo{Filename: file}})
		},
	})
	var needed *llb.BuilderError
	if errors.As(err, &needed) {
		found.why = err
		return nil, found, nil
	}
	if err != nil {
		found.warn(o.BuildKit.Progress)
		return nil, found, err
	}
	return &made, found, nil
}

// warn prints the warnings; a BuildKit that is asked has them too.
func (l looked) warn(to Progress) {
	slices.SortStableFunc(l.warnings, func(a, b client.VertexWarning) int {
		return cmp.Or(cmp.Compare(a.SourceInfo.Filename, b.SourceInfo.Filename), cmp.Compare(string(a.Short), string(b.Short)))
	})
	printWarnings(to.out(), l.warnings)
}

// connect connects to the BuildKit that is asked.
func (l looked) connect(ctx context.Context, b BuildKit) (*Client, error) {
	c, err := Connect(ctx, b)
	if err != nil && l.why != nil && !errors.As(err, new(*OptionError)) {
		return nil, errors.Join(l.why, err)
	}
	return c, err
}

// IncomparableError says that a frontend image plans otherwise than this command, of the
// same files.
type IncomparableError struct {
	Syntax string // the image
}

// Error names the ways out.
func (e *IncomparableError) Error() string {
	return fmt.Sprintf("the frontend image %s plans otherwise than this command, so they are of different versions; nothing was tagged: name an image of this command's version in the manifest's first line, or leave that line out", e.Syntax)
}
