package main

import (
	"errors"
	"strings"
	"testing"
)

func TestPushErrors(t *testing.T) {
	const image = "localhost:40350/acme/shop/api"
	for problem, want := range map[string]string{
		"unauthorized":        "unauthorized: docker login localhost:40350",
		"denied: no":          "denied: no: docker login localhost:40350 with an account that may push",
		"toomanyrequests: no": "toomanyrequests: no: run the same command again later, it resumes",
		"unexpected status from PUT request to http://x/403/401: 502 Bad Gateway: <html>\n": "unexpected status from PUT request to http://x/403/401: 502 Bad Gateway: <html>: run the same command again later, it resumes",
		"unexpected status from PUT request to http://x: 404 Not Found":                     "unexpected status from PUT request to http://x: 404 Not Found: create the repository first",
	} {
		cause := errors.New("failed to solve: failed to push " + image + ": " + problem)
		err := explainPush(cause)
		if want := "pushing " + image + ": " + want; err.Error() != want || !errors.Is(err, cause) {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestOtherErrorsAreNoPushErrors(t *testing.T) {
	cause := errors.New("process \"/bin/false\" did not complete successfully")
	if err := explainPush(cause); err != cause {
		t.Error(err)
	}
}

func TestErrorsDoNotWriteToTheTerminal(t *testing.T) {
	var out strings.Builder
	printError(&out, errors.New("failed to solve: \x1b]0;owned\a \x9b2J \xff\tünï"))
	if want := "error: \\x1b]0;owned\\x07 \ufffd2J \ufffd\tünï\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
	out.Reset()
	printError(&out, errors.New(strings.Repeat("x", 100000)+"\nlast"))
	if !strings.HasSuffix(out.String(), "x…\nlast\n") || len(out.String()) > 2100 {
		t.Errorf("%d bytes", out.Len())
	}
}
