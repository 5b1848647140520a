package builder

import (
	"regexp"
	"strings"
)

// PushError says that BuildKit could not push an image. Nothing has a tag then, so
// the same build resumes in any case.
type PushError struct {
	// Reference is the image's repository.
	Reference string
	// Problem is what the registry, or BuildKit on its way there, has said.
	Problem string
	// Next is what to do.
	Next string
	err  error
}

// Error is one line.
func (e *PushError) Error() string {
	return "pushing " + e.Reference + ": " + e.Problem + ": " + e.Next
}

// Unwrap returns what BuildKit said.
func (e *PushError) Unwrap() error { return e.err }

// pushFailure is how BuildKit says it; it sends no type.
var pushFailure = regexp.MustCompile(`(?s)failed to push ([^\s:]+(?::\d+)?/[^\s:]+): (.*)$`)

// explainPush adds the next step to a failed push. Other errors stay as they are.
func explainPush(err error) error {
	found := pushFailure.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	problem := strings.ReplaceAll(strings.TrimSpace(found[2]), "\n", ": ")
	return &PushError{Reference: found[1], Problem: problem, Next: nextStep(found[1], problem), err: err}
}

var refusedStatus = regexp.MustCompile(`unexpected status from [A-Z]+ request to \S+: (\d{3})\b`)

// nextStep says what may help.
func nextStep(reference, problem string) string {
	status := ""
	if found := refusedStatus.FindStringSubmatch(problem); found != nil {
		status = found[1]
	}
	host, _, _ := strings.Cut(reference, "/")
	switch {
	case status == "401", strings.HasPrefix(problem, "unauthorized"), strings.Contains(problem, "failed to authorize"):
		return "docker login " + host
	case status == "403", strings.HasPrefix(problem, "denied"):
		return "docker login " + host + " with an account that may push"
	case status == "404", strings.HasPrefix(problem, "name unknown"):
		return "create the repository first"
	case status == "413", strings.HasPrefix(problem, "size invalid"):
		return "the registry, or a proxy before it, limits the size"
	}
	return "run the same command again later, it resumes"
}
