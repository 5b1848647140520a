package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// forget deletes the shop's log, as if an older quoit had published.
func (s *shop) forget() {
	s.t.Helper()
	at, err := registry.Open(s.host, "acme/shop", registry.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	tags, err := registry.AllTags(s.t.Context(), at.Repository(records.Repository))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, tag := range tags {
		request, err := http.NewRequest(http.MethodDelete, "http://"+s.host+"/v2/acme/shop/"+records.Repository+"/manifests/"+tag, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			s.t.Fatal(err)
		}
		response.Body.Close()
	}
}

var someDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

func TestTakeOver(t *testing.T) {
	s := newShop(t, "vendor: ACME\n")
	s.publish("developers", "1")
	s.forget()
	const release = `developers: release 0.1.0 DIGEST (that no record has)
  it says that it is of acme/shop, commit c0ffee, created 0001-01-01T00:00:00Z
  api     0.1.0  DIGEST  not in the log
  deploy  0.1.0  DIGEST  not in the log
`
	if got := someDigest.ReplaceAllString(s.does("take-over", "developers", "--dry-run"), "DIGEST"); got != release {
		t.Errorf("--dry-run:\n%s", got)
	}
	s.fails(exitUsage, []string{"take-over"}, "name the rings")
	s.fails(exitUsage, []string{"take-over", "developer", "--yes"}, `did you mean "developers"?`)
	s.fails(exitFailed, []string{"take-over", "developers"}, "developers: release 0.1.0", "there is no terminal to ask on: look at what is above, and say --yes")
	s.fails(exitFailed, []string{"shift"}, "see what that is and take it over with `quoit take-over developers`")
	s.says([]string{"history"}, "nothing was published to acme/shop yet")

	var taken struct {
		Releases []struct {
			Rings  []string
			Claims struct{ Project, Commit string }
			Images []struct{ Image, Version, Digest string }
			Record int
		}
	}
	s.reads(&taken, "take-over", "developers", "--yes", "--message", "as it was")
	if r := taken.Releases[0]; r.Record != 1 || r.Claims.Commit != "c0ffee" || len(r.Images) != 2 || !strings.HasPrefix(r.Images[0].Digest, "sha256:") {
		t.Errorf("%+v", taken)
	}
	s.says([]string{"history"}, "developers: 0.1.0", "as it was")
	s.says([]string{"take-over", "developers"}, "ring developers has 0.1.0 in the log already\nnothing to do\n")
	s.says([]string{"verify"}, "is whole")
	s.publish("developers", "2")
}

// TestAQuestionIsWaitedFor for some minutes, and until an interrupt.
func TestAQuestionIsWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		after  time.Duration // of an interrupt, 0 for none
		want   string
		took   time.Duration
	}{
		"yes":          {answer: "y\n"},
		"no":           {answer: "\n", want: "it was not confirmed"},
		"the end":      {answer: "EOF", want: "it was not confirmed"},
		"nobody":       {want: "nobody has answered within 10m0s", took: 10 * time.Minute},
		"an interrupt": {after: time.Second, want: "context canceled", took: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, out := io.Pipe()
				defer out.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				switch {
				case test.answer == "EOF":
					out.Close()
				case test.answer != "":
					go func() { _, _ = io.WriteString(out, test.answer) }()
				case test.after > 0:
					time.AfterFunc(test.after, cancel)
				}
				begin, said := time.Now(), ""
				if err := confirmed(ctx, in); err != nil {
					said = err.Error()
				}
				if took := time.Since(begin); said != test.want || took != test.took {
					t.Errorf("after %s: %s", took, said)
				}
			})
		})
	}
}
