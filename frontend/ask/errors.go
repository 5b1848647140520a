package ask

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/status"

	"github.com/quoitbuild/quoit/internal/show"
)

// ForClients makes an error that quotes what others wrote fit for a client's
// terminal, and for a message of gRPC, which has to be UTF-8. What the error is
// made of stays.
func ForClients(err error) error {
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

// Explained says a registry's error in one line, without what may be a
// credential in an address, and adds the next step.
func Explained(err error) error {
	text := show.MaskRequest(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", ": "))
	if step := nextStep(text); step != "" {
		text += ": " + step
	}
	return &shownError{text: text, err: err}
}

// LookingUp is the error of a look-up of a reference.
func LookingUp(ref string, err error) error {
	return &shownError{text: "looking up " + ref + ": " + Explained(err).Error(), err: err}
}

// BuildKit passes on texts, no types.
var unexpectedStatus = regexp.MustCompile(`unexpected status from [A-Z]+ request to \S+: (\d{3})\b`)

const (
	LogIn = "log in to the registry (docker login) with an account that may read it"
	later = "run the same command again later"
)

var stepByStatus = map[int]string{
	401: LogIn,
	403: "this account may not read it, log in (docker login) with one that may; some registries also answer 403 for a repository that does not exist yet: if this project has no release, say so with --first, or with the build argument QUOIT_FIRST=1",
	429: "the registry limits requests, " + later,
}

var stepByText = []struct{ text, step string }{
	{"repository does not exist or may require authorization", LogIn},
	{"failed to authorize", LogIn},
	{"failed to fetch anonymous token", "check that the registry's token service is up, and " + LogIn},
	{"failed to fetch oauth token", "check that the registry's token service is up, and " + LogIn},
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
