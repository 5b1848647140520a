package check

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/llb"
)

// What a report has at most: a message to a client may have 16 MiB, and every warning
// has its lines.
const (
	maxWarnings = 1000
	maxSources  = 4 << 20 // bytes of files that are quoted
)

// Report collects what is said of a project.
type Report struct {
	config   *linter.Config // that every file has, nil if each has its own
	warnings []warning
	errors   []string
}

// warning is one with its file.
type warning struct {
	lint.Warning
	source *pb.SourceInfo
}

// New returns an empty report. Given is the build argument BUILDKIT_DOCKERFILE_CHECK, which
// takes the place of what files say themselves; nil: there is none.
func New(given *string) (*Report, error) {
	if given == nil {
		return &Report{}, nil
	}
	config, err := linter.ParseLintOptions(*given)
	if err != nil {
		return nil, fmt.Errorf("BUILDKIT_DOCKERFILE_CHECK: %w", err)
	}
	return &Report{config: config}, nil
}

// Files holds images' container files to BuildKit's rules: one stage of each, or "" for all.
func (r *Report) Files(ctx context.Context, compiler *llb.Compiler, images []string, stage string) error {
	for _, name := range images {
		found, err := compiler.Lint(ctx, name, stage)
		if err != nil {
			return err
		}
		r.add(name, found)
	}
	return nil
}

// add takes in what is said of one image's container file. Images may share one.
func (r *Report) add(image string, found *lint.LintResults) {
	for _, w := range found.Warnings {
		var source *pb.SourceInfo
		if i := int(w.Location.GetSourceIndex()); i >= 0 && i < len(found.Sources) {
			source = found.Sources[i]
		}
		r.warn(warning{w, source})
	}
	if found.Error != nil {
		r.errors = append(r.errors, fmt.Sprintf("image %s: %s%s", image, found.Error.Message, excerpt(found)))
	}
}

// Broken tells whether there is an image that does not compile.
func (r *Report) Broken() bool { return len(r.errors) > 0 }

// excerpt are the lines of an error.
func excerpt(found *lint.LintResults) string {
	at := &found.Error.Location
	if i := int(at.SourceIndex); i < 0 || i >= len(found.Sources) || len(at.Ranges) == 0 {
		return ""
	}
	var text strings.Builder
	source := errdefs.Source{Info: found.Sources[at.SourceIndex], Ranges: at.Ranges}
	_ = source.Print(&text) // a Builder takes all
	return "\n" + strings.TrimSuffix(text.String(), "\n")
}

// say adds what one of Quoit's rules says of lines of a file, unless it is skipped there.
func (r *Report) say(rule Rule, source *pb.SourceInfo, ranges []*pb.Range, format string, values ...any) {
	config := r.config
	if config == nil {
		text, _, _, _ := parser.ParseDirective("check", source.Data)
		var err error
		if config, err = linter.ParseLintOptions(text); err != nil {
			config = &linter.Config{} // BuildKit says so of its own files
		}
	}
	if config.SkipAll || slices.Contains(config.SkipRules, rule.Name) {
		return
	}
	r.warn(warning{lint.Warning{
		RuleName: rule.Name, Description: rule.Description, URL: Page + "#" + strings.ToLower(rule.Name),
		Detail: fmt.Sprintf(format, values...), Location: &pb.Location{Ranges: ranges},
	}, source})
}

// warn adds a warning, once.
func (r *Report) warn(w warning) {
	same := func(other warning) bool {
		return other.RuleName == w.RuleName && other.Detail == w.Detail && other.source.GetFilename() == w.source.GetFilename() &&
			slices.EqualFunc(other.Location.GetRanges(), w.Location.GetRanges(), func(a, b *pb.Range) bool { return a.EqualVT(b) })
	}
	if !slices.ContainsFunc(r.warnings, same) {
		r.warnings = append(r.warnings, w)
	}
}

// Results is the report in BuildKit's form, sorted by files and lines. Of very many warnings
// it has the first ones.
func (r *Report) Results() *lint.LintResults {
	all := slices.Clone(r.warnings)
	slices.SortStableFunc(all, func(a, b warning) int {
		return cmp.Or(cmp.Compare(a.source.GetFilename(), b.source.GetFilename()), cmp.Compare(a.line(), b.line()))
	})
	res := &lint.LintResults{Warnings: []lint.Warning{}, Sources: []*pb.SourceInfo{}}
	for _, w := range all[:min(len(all), maxWarnings)] {
		at := quote(res, w.source)
		if at < 0 && w.source != nil {
			w.Detail = fmt.Sprintf("%s:%d: %s", w.source.Filename, w.line(), w.Detail)
		}
		w.Location = &pb.Location{SourceIndex: int32(at), Ranges: w.Location.GetRanges()}
		res.Warnings = append(res.Warnings, w.Warning)
	}
	if len(r.errors) > 0 {
		// Clients put the manifest's name where a location has a file, so the text has the lines.
		res.Error = &lint.BuildError{Message: strings.Join(r.errors, "\n"), Location: pb.Location{SourceIndex: int32(quote(res, &pb.SourceInfo{}))}}
	}
	return res
}

// quote returns the number of a file among those that are quoted, -1 for none that is.
func quote(res *lint.LintResults, source *pb.SourceInfo) int {
	if source == nil {
		return -1
	}
	size := 0
	for i, other := range res.Sources {
		if size += len(other.Data); other.Filename == source.Filename && bytes.Equal(other.Data, source.Data) {
			return i
		}
	}
	if size+len(source.Data) > maxSources {
		return -1
	}
	res.Sources = append(res.Sources, source)
	return len(res.Sources) - 1
}

// line is the first one, 0 for the whole file.
func (w warning) line() int32 {
	if ranges := w.Location.GetRanges(); len(ranges) > 0 {
		return ranges[0].GetStart().GetLine()
	}
	return 0
}

// version is one that buildx does not know: of those that it knows, it prints the form
// itself, and every file under the name of the manifest.
const version = "1.1.0"

// Result is the answer to the request frontend.lint.
func (r *Report) Result() (*client.Result, error) {
	results := r.Results()
	res, err := results.ToResult(nil)
	if err != nil {
		return nil, fmt.Errorf("writing the checks: %w", err)
	}
	text, err := Text(results)
	if err != nil {
		return nil, err
	}
	res.AddMeta("result.txt", []byte(text))
	res.AddMeta("version", []byte(version))
	return res, nil
}

// Parse reads results in BuildKit's form, as another process printed them.
func Parse(data []byte) (*lint.LintResults, error) {
	var results lint.LintResults
	if err := json.Unmarshal(data, &results); err != nil {
		return nil, fmt.Errorf("reading the checks: %w", err)
	}
	for _, w := range results.Warnings {
		if w.Location == nil || int(w.Location.SourceIndex) >= len(results.Sources) {
			return nil, errors.New("reading the checks: a warning is in no file")
		}
	}
	return &results, nil
}

// Text is what people read of the warnings, each with its lines.
func Text(results *lint.LintResults) (string, error) {
	var text strings.Builder
	if err := results.PrintTo(&text, nil); err != nil {
		return "", fmt.Errorf("writing the checks: %w", err)
	}
	return show.Block(text.String()), nil
}

// Passed is what a client says of results without an error after their text: how many
// warnings there are.
func Passed(results *lint.LintResults) string {
	switch len(results.Warnings) {
	case 0:
		return "Check complete, no warnings found."
	case 1:
		return "Check complete, 1 warning has been found!"
	}
	return fmt.Sprintf("Check complete, %d warnings have been found!", len(results.Warnings))
}
