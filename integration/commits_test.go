//go:build stack

package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/versioning"
)

// committed commits all that is in a work tree and returns the commit.
func committed(t *testing.T, dir, message string) string {
	t.Helper()
	inGit(t, dir, "add", "-A")
	inGit(t, dir, "commit", "-q", "-m", message)
	return inGit(t, dir, "rev-parse", "HEAD")
}

func inGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// madeOf is what a record says of the sources.
type madeOf struct {
	Commit       string
	Dirty, Older bool
}

// sourcesOf is what the newest record says of the sources.
func sourcesOf(t *testing.T, dir string) madeOf {
	t.Helper()
	var result struct{ Records []madeOf }
	if err := json.Unmarshal([]byte(mustQuoit(t, dir, "history", "-n", "1", "-o", "json")), &result); err != nil || len(result.Records) != 1 {
		t.Fatalf("history: %+v, %v", result, err)
	}
	return result.Records[0]
}

func TestAnOlderCommitTakesNothingBack(t *testing.T) {
	dir, prefix := small(t)
	inGit(t, dir, "init", "-q", "-b", "main")
	older := committed(t, dir, "one")
	edit(t, dir, "2")
	newer := committed(t, dir, "two")
	publish(t, dir, prefix, "developers")
	if got := sourcesOf(t, dir); got.Commit != newer || got.Dirty || got.Older {
		t.Errorf("the newer one is recorded as %+v", got)
	}

	inGit(t, dir, "checkout", "-q", older)
	t.Run("its job is run again", func(t *testing.T) {
		_, stderr, code := quoit(t, dir, "build", "--push")
		if code != 4 || !strings.Contains(stderr, newer[:12]) || !strings.Contains(stderr, older[:12]) || !strings.Contains(stderr, "--older") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
		if got := versions(t, prefix, "developers")["deploy"]; got != "0.1.0" {
			t.Errorf("developers has %s", got)
		}
	})
	t.Run("the newer one has nothing to do", func(t *testing.T) {
		inGit(t, dir, "checkout", "-q", "main")
		if out := mustQuoit(t, dir, "build", "--push"); !strings.Contains(out, "nothing to do") {
			t.Errorf("it prints:\n%s", out)
		}
	})
	t.Run("changed files", func(t *testing.T) {
		edit(t, dir, "never committed")
		if _, stderr, code := quoit(t, dir, "build", "--push", "--clean"); code != 4 || !strings.Contains(stderr, "main.txt") {
			t.Errorf("--clean: exit code %d\n%s", code, stderr)
		}
		var dirty versioning.Plan
		if err := json.Unmarshal([]byte(mustQuoit(t, dir, "plan", "-o", "json")), &dirty); err != nil || !dirty.Dirty || len(dirty.Warnings) == 0 {
			t.Errorf("the plan is dirty %v, with the warnings %q: %v", dirty.Dirty, dirty.Warnings, err)
		}
		if out := mustQuoit(t, dir, "build", "--push"); !strings.Contains(out, "warning: ") || !strings.Contains(out, "dirty") {
			t.Errorf("it prints no warning:\n%s", out)
		}
		if got := sourcesOf(t, dir); got.Commit != newer || !got.Dirty {
			t.Errorf("it is recorded as %+v", got)
		}
	})
	t.Run("an older one that is meant", func(t *testing.T) {
		inGit(t, dir, "checkout", "-q", "-f", older)
		if out := mustQuoit(t, dir, "build", "--push", "--older"); !strings.Contains(out, "because of --older") {
			t.Errorf("it prints no warning:\n%s", out)
		}
		if got := sourcesOf(t, dir); got.Commit != older || got.Dirty || !got.Older {
			t.Errorf("it is recorded as %+v", got)
		}
	})
	t.Run("a newer one", func(t *testing.T) {
		inGit(t, dir, "checkout", "-q", "main")
		edit(t, dir, "3")
		third := committed(t, dir, "three")
		publish(t, dir, prefix, "developers")
		if got := sourcesOf(t, dir); got.Commit != third || got.Dirty || got.Older {
			t.Errorf("it is recorded as %+v", got)
		}
	})
}
