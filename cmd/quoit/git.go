package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quoitbuild/quoit/store/records"
)

// gitTime bounds each question to git that every command asks, and gitLong all those
// that walk the work tree or the history.
const (
	gitTime = 5 * time.Second
	gitLong = time.Minute
)

// gitState is the commit of a git work tree and where it came from, both "" if
// the folder is none or there is no git.
func gitState(ctx context.Context, dir string) (commit, source string) {
	var asked sync.WaitGroup
	asked.Go(func() { commit = git(ctx, dir, "rev-parse", "--verify", "HEAD") })
	asked.Go(func() { source = bareURL(git(ctx, dir, "config", "--get", "remote.origin.url")) })
	asked.Wait()
	if commit == "" {
		return "", ""
	}
	return commit, source
}

// gitSeconds is when the commit of a work tree was made, in seconds since 1970; "" if there
// is none.
func gitSeconds(ctx context.Context, dir string) string {
	return git(ctx, dir, "log", "--max-count=1", "--format=%ct")
}

// gitDirty lists the files below a folder of a work tree that differ from its commit,
// tracked or not, without those that are ignored; a submodule counts with what is in it.
func gitDirty(ctx context.Context, dir string) (files []string, err error) {
	out, err := runGit(ctx, gitLong, dir, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=none", "--", ".")
	for entry := range strings.SplitSeq(out, "\x00") {
		if len(entry) > 3 {
			files = append(files, oneLine(entry[3:])) // XY and a space come before it
		}
	}
	return files, err
}

// gitAncestors are the newest ancestors of a commit that the work tree knows.
func gitAncestors(ctx context.Context, dir, commit string) []string {
	out, err := runGit(ctx, gitLong, dir, "rev-list", "--max-count="+ancestorsAndItself, "--end-of-options", commit)
	if err != nil {
		return nil // then a later build has to know the commit itself
	}
	return slices.DeleteFunc(strings.Fields(out), func(other string) bool { return other == commit || !records.IsCommit(other) })
}

// ancestorsAndItself is how many commits a record names, and one.
const ancestorsAndItself = "101"

// relation is how what is built stands to the commit that a ring has.
type relation int

const (
	unknown  relation = iota // the work tree lacks what would tell
	contains                 // HEAD is the commit, or descends from it
	older                    // the commit descends from HEAD
	apart                    // neither descends from the other
)

// gitRelation compares HEAD with another commit, of which some ancestors may be known.
// Both are ids in full. base is, for those that are apart, the newest commit that both
// have, "" for none.
func gitRelation(ctx context.Context, dir, head, other string, ancestors []string) (is relation, base string) {
	if head == other {
		return contains, ""
	}
	if slices.Contains(ancestors, head) {
		return older, ""
	}
	descends := func(newer, than string) (yes, known bool) {
		_, err := runGit(ctx, gitLong, dir, "merge-base", "--is-ancestor", "--end-of-options", than, newer)
		var exit *exec.ExitError
		return err == nil, err == nil || errors.As(err, &exit) && exit.ExitCode() == 1
	}
	newer, known := descends(head, other)
	if newer {
		return contains, ""
	}
	if !known {
		return unknown, ""
	}
	if back, _ := descends(other, head); back {
		return older, ""
	}
	if gitShallow(ctx, dir) {
		return unknown, "" // what was cut off may join them
	}
	base, err := runGit(ctx, gitLong, dir, "merge-base", "--end-of-options", head, other)
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		return unknown, ""
	}
	return apart, oneLine(base)
}

// gitShallow tells whether the work tree's history is cut off.
func gitShallow(ctx context.Context, dir string) bool {
	return git(ctx, dir, "rev-parse", "--is-shallow-repository") != "false"
}

// git asks for one line, "" if there is none to get.
func git(ctx context.Context, dir string, args ...string) string {
	out, err := runGit(ctx, gitTime, dir, args...)
	if err != nil {
		return "" // no work tree, no commit, no git: there is nothing to record
	}
	return oneLine(out)
}

// runGit asks git with settings under which it starts no hook, pager, monitor or prompt.
func runGit(ctx context.Context, limit time.Duration, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	fixed := []string{"-C", dir, "--no-pager", "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"}
	cmd := exec.CommandContext(ctx, "git", append(fixed, args...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second // for what it has started, and has not ended
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("git %s has not answered in time: %w", args[0], context.Cause(ctx))
	}
	return out.String(), err
}

// bareURL takes credentials, query and fragment off a remote's address.
func bareURL(remote string) string {
	parsed, err := url.Parse(remote)
	if err != nil || parsed.Scheme == "" || parsed.Host == "" {
		// git@host:path has no secret in it, other forms may.
		if before, _, found := strings.Cut(remote, "@"); found && before != "git" || strings.Contains(remote, "://") {
			return ""
		}
		return remote
	}
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return parsed.String()
}
