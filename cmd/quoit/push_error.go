package main

import (
	"regexp"
	"strings"
)

// pushError says that BuildKit could not push an image.
type pushError struct {
	reference string
	problem   string
	step      string // what to do
	err       error
}

func (e *pushError) Error() string {
	return "pushing " + e.reference + ": " + e.problem + ": " + e.step
}

func (e *pushError) Unwrap() error { return e.err }

// pushFailure is how BuildKit says it; it sends no type.
var pushFailure = regexp.MustCompile(`(?s)failed to push ([^\s:]+(?::\d+)?/[^\s:]+): (.*)$`)

// explainPush adds the next step to a failed push. Other errors stay as they are.
func explainPush(err error) error {
	found := pushFailure.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	problem := strings.ReplaceAll(strings.TrimSpace(found[2]), "\n", ": ")
	return &pushError{reference: found[1], problem: problem, step: pushStep(found[1], problem), err: err}
}

var refusedStatus = regexp.MustCompile(`unexpected status from [A-Z]+ request to \S+: (\d{3})\b`)

// pushStep says what may help. Nothing has a tag yet, so the same command
// resumes in any case.
func pushStep(reference, problem string) string {
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
