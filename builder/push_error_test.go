package builder

import (
	"errors"
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
