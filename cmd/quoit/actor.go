package main

import (
	"os"
	"os/user"
	"strings"
	"unicode"
	"unicode/utf8"
)

// actorVariables name who does something: what the user says, then what CI
// systems say of whoever started them.
var actorVariables = []string{
	"QUOIT_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME",
	"BUILD_REQUESTEDFOREMAIL", "DRONE_COMMIT_AUTHOR", "CI_COMMIT_AUTHOR", "BITBUCKET_STEP_TRIGGERER_UUID", "BUILD_USER_ID",
}

// maxText is how long a line of a signature gets, in bytes.
const maxText = 1024

// actor is the first of the variables that is set, else the user at the host.
func actor() string {
	for _, name := range actorVariables {
		if value := oneLine(os.Getenv(name)); value != "" {
			return value
		}
	}
	name := os.Getenv("USER")
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	if host, err := os.Hostname(); err == nil && host != "" {
		name += "@" + host
	}
	return oneLine(name)
}

// checkMessage says what is wrong with a message for the log.
func checkMessage(message string) error {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case len(message) > 64<<10:
		return usagef("--message has %d bytes, at most 65536 are kept", len(message))
	case !utf8.ValidString(message) || strings.ContainsFunc(message, control):
		return usagef("--message: leave out control characters, and write it in UTF-8")
	}
	return nil
}

// checkReason says what is wrong with a reason for the log.
func checkReason(reason string) error {
	if len(reason) > maxText || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) {
		return usagef("--reason: write one line of at most %d bytes in UTF-8", maxText)
	}
	return nil
}

// oneLine makes a line that a record may have; how it is shown is for others.
func oneLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}
