package frontend

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/status"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/show"
)

// What is sent of excerpts at most: every one has the whole file in it, and a
// message to a client may have 16 MiB.
const (
	maxExcerpts     = 20
	maxExcerptBytes = 2 << 20
)

// inManifest gives the first diagnostics of an error the excerpts that BuildKit's
// clients print, all of them joined: of the manifest, or of the file that the
// diagnostic names. The others are text. The diagnostics stay in the error, for the
// quoit command to render.
func inManifest(err error, source *bk.SourceMap) error {
	list := diag.All(err).Sorted()
	if len(list) == 0 {
		return err
	}
	var all []error
	size := 0
	for i, d := range list {
		info := sourceOf(d, source)
		if size += len(info.Data); i == maxExcerpts || size > maxExcerptBytes {
			all = append(all, list[i:])
			break
		}
		all = append(all, errdefs.WithSource(d, &errdefs.Source{
			Info: info, Ranges: []*pb.Range{pbRange(d.Range)},
		}))
	}
	return errors.Join(all...)
}

// sourceOf is the file that a diagnostic is in.
func sourceOf(d diag.Diagnostic, manifest *bk.SourceMap) *pb.SourceInfo {
	if d.Source != nil && d.Source.Name != manifest.Filename {
		return &pb.SourceInfo{Filename: d.Source.Name, Data: d.Source.Data}
	}
	info := &pb.SourceInfo{Filename: manifest.Filename, Language: manifest.Language, Data: manifest.Data}
	if manifest.Definition != nil {
		info.Definition = manifest.Definition.ToPB()
	}
	return info
}

// forClients makes an error that quotes what others wrote fit for a client's
// terminal, and for a message of gRPC, which has to be UTF-8. What the error is
// made of stays.
func forClients(err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = show.Line(line)
	}
	if text := strings.Join(lines, "\n"); text != err.Error() {
		return &shownError{text: text, err: err}
	}
	return err
}

// shownError is an error with a text for people.
type shownError struct {
	text string
	err  error
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.err }

// GRPCStatus keeps the text on its way out of a container: gRPC would take that
// of the innermost error that came over it, which names no reference.
func (e *shownError) GRPCStatus() *status.Status {
	return status.New(grpcerrors.Code(e.err), e.text)
}

// pbRange is a range as BuildKit counts: lines from one, characters from zero.
func pbRange(r diag.Range) *pb.Range {
	end := r.End
	if end.Line == 0 {
		end = r.Start
	}
	return &pb.Range{
		Start: &pb.Position{Line: int32(r.Start.Line), Character: int32(max(r.Start.Column-1, 0))},
		End:   &pb.Position{Line: int32(end.Line), Character: int32(max(end.Column-1, 0))},
	}
}

// explained says a registry's error in one line, without what may be a
// credential in an address, and adds the next step.
func explained(err error) error {
	text := show.MaskRequest(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", ": "))
	if step := nextStep(text); step != "" {
		text += ": " + step
	}
	return &shownError{text: text, err: err}
}

// lookingUp is the error of a look-up of a reference.
func lookingUp(ref string, err error) error {
	return &shownError{text: "looking up " + ref + ": " + explained(err).Error(), err: err}
}

// BuildKit passes on texts, no types.
var (
	unexpectedStatus = regexp.MustCompile(`unexpected status from [A-Z]+ request to \S+: (\d{3})\b`)
)

const (
	logIn = "log in to the registry (docker login) with an account that may read it"
	later = "run the same command again later"
)

var stepByStatus = map[int]string{
	401: logIn,
	403: fmt.Sprintf("this account may not read it, log in (docker login) with one that may; some registries also answer 403 for a repository that does not exist yet: if this project has no release, say so with --first, or with the build argument %s=1", ArgFirst),
	429: "the registry limits requests, " + later,
}

var stepByText = []struct{ text, step string }{
	{"repository does not exist or may require authorization", logIn},
	{"failed to authorize", logIn},
	{"failed to fetch anonymous token", "check that the registry's token service is up, and " + logIn},
	{"failed to fetch oauth token", "check that the registry's token service is up, and " + logIn},
	{"connection refused", "check that the registry runs, and its address"},
	{"no such host", "check the registry's address"},
	{"dial tcp: lookup", "check the registry's address"},
	{"no match for platform", "the image is not made for a platform of the manifest: check platforms:"},
	{"encountered unknown type", "this is not an image, another tool wrote there: let the tag name a release again, or delete it"},
	{"unexpected commit digest", "what came is not what was stored: check a proxy before the registry, " + later},
	{"from remote: not found", "the registry lost a part of the image: push it again"},
	{"not found: not found", "the registry lost a part of the image: push it again"},
	{"no answer within", "the registry is in trouble, " + later},
	{"EOF", "the connection broke, " + later},
	{"connection reset", "the connection broke, " + later},
	{"i/o timeout", "the registry does not answer, " + later},
}

// nextStep says what may help against a registry's error, "" if nothing is known.
func nextStep(text string) string {
	if found := unexpectedStatus.FindStringSubmatch(text); found != nil {
		status, err := strconv.Atoi(found[1])
		if err == nil && status >= 500 {
			return "the registry is in trouble, " + later
		}
		return stepByStatus[status]
	}
	for _, s := range stepByText {
		if strings.Contains(text, s.text) {
			return s.step
		}
	}
	return ""
}
