package main

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// commitFlags say which commits may be published.
type commitFlags struct {
	older bool
	clean bool
}

func (f *commitFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.older, "older", false, "publish even if the ring has a release of commits that this checkout lacks, and record that")
	flags.BoolVar(&f.clean, "clean", false, "refuse to build changes if files differ from the commit")
}

// refusedError says that a command would do harm, today and if it is run again.
type refusedError struct{ error }

func refusef(format string, values ...any) error {
	return &refusedError{fmt.Errorf(format, values...)}
}

// commits judges by git whether a plan may be built and published. What it finds out is
// for the record.
type commits struct {
	commitFlags
	dir     string
	state   func() (commit, source string)
	merge   []string // rings whose releases the sources are said to contain
	push    bool
	project *store.Project
	say     func(what string) // is told what is waited for

	found foundCommits
}

// foundCommits is what is known of the commit that a plan is made of.
type foundCommits struct {
	dirty     bool
	older     bool
	ancestors []string
	warnings  []string
}

// check is the [builder.Options.Check] of a plan that changes something. The error is a
// [*refusedError], or that of the log.
func (c *commits) check(ctx context.Context, plan versioning.Plan) error {
	c.found = foundCommits{}
	ctx, cancel := context.WithTimeout(ctx, gitLong)
	defer cancel()
	defer slowly(c.say, "waiting for git to look at "+c.dir)()
	commit, source := c.state()
	if err := c.checkDirty(ctx, commit); err != nil || !c.push || commit == "" {
		return err
	}
	c.found.ancestors = gitAncestors(ctx, c.dir, commit)
	merged := slices.Contains(c.merge, plan.Ring)
	if merged || plan.Ring == versioning.Ante || plan.Current == nil || plan.Current.Ring != plan.Ring {
		return nil
	}
	origin, err := c.project.Origin(ctx, plan.Root, plan.Ring, plan.Current.Digest)
	if err != nil {
		return fmt.Errorf("reading which commit ring %s has: %w", plan.Ring, err)
	}
	return c.checkOrder(ctx, plan, commit, source, origin)
}

// mark writes what was found into the plan.
func (f foundCommits) mark(plan *versioning.Plan) {
	plan.Dirty = f.dirty
	plan.Warnings = append(plan.Warnings, f.warnings...)
}

func (c *commits) warn(format string, values ...any) {
	c.found.warnings = append(c.found.warnings, fmt.Sprintf(format, values...))
}

func (c *commits) checkDirty(ctx context.Context, commit string) error {
	if commit == "" {
		if c.clean {
			return refusef("--clean: %s is in no git work tree with a commit, so nobody can tell what is built", c.dir)
		}
		return nil
	}
	files, err := gitDirty(ctx, c.dir)
	switch {
	case err != nil && c.clean:
		return refusef("--clean: git status does not say whether files differ from commit %s: %w", brief(commit), err)
	case err != nil:
		c.warn("git status does not say whether files differ from commit %s: %v", brief(commit), err)
	case len(files) > 0 && c.clean:
		return refusef("--clean: %s from commit %s; nothing was built: commit or remove that", differ(files), brief(commit))
	case len(files) > 0:
		c.found.dirty = true
		c.warn("%s from commit %s: a release of this is recorded as dirty", differ(files), brief(commit))
	}
	return nil
}

func differ(files []string) string {
	if len(files) == 1 {
		return fmt.Sprintf("%q differs", files[0])
	}
	return fmt.Sprintf("%q and %d more differ", files[0], len(files)-1)
}

// checkOrder compares the commit with the one of the release that the ring has.
func (c *commits) checkOrder(ctx context.Context, plan versioning.Plan, commit, source string, origin store.Origin) error {
	if origin.Commit == "" {
		return nil // it was published without git, so there is no order
	}
	has := fmt.Sprintf("%s has %s of commit %s", plan.Ring, plan.Current.Version, brief(origin.Commit))
	if origin.Record > 0 {
		has += fmt.Sprintf(" (record %d)", origin.Record)
	}
	if !records.IsCommit(origin.Commit) || !records.IsCommit(commit) {
		c.warn("%s, and whether commit %s contains that is not known: one of them is no id of a commit", has, brief(commit))
		return nil
	}
	is, base := gitRelation(ctx, c.dir, commit, origin.Commit, origin.Ancestors)
	if is == apart && !sameSource(source, origin.Source) {
		is = unknown // two repositories need not have a commit in common
	}
	var why, instead string
	switch is {
	case contains:
		return nil
	case unknown:
		c.warn("%s, and whether commit %s contains that is not known: `%s` before the build lets git tell",
			has, brief(commit), fetchCommand(origin, source, gitShallow(ctx, c.dir)))
		return nil
	case older:
		why = fmt.Sprintf("which is newer than commit %s", brief(commit))
		instead = "build a commit that contains it"
	case apart:
		why = fmt.Sprintf("which commit %s does not contain: they part at %s", brief(commit), brief(base))
		if base == "" {
			why = fmt.Sprintf("which commit %s does not contain: they have no commit in common", brief(commit))
		}
		instead = fmt.Sprintf("merge that commit, or rebase onto it, or use --merge %s if the sources contain it in another way", plan.Ring)
	}
	if c.older {
		c.found.older = true
		c.warn("%s, %s: it is built all the same, because of --older", has, why)
		return nil
	}
	return refusef("%s, %s; that work would be taken back, so nothing was built: %s, or go on with --older", has, why, instead)
}

// brief is the beginning of a commit's id, for people.
func brief(commit string) string {
	return strings.ToValidUTF8(commit[:min(len(commit), 12)], "")
}

// sameSource tells whether two addresses are of one repository, however it is reached.
// What is not known may be any.
func sameSource(a, b string) bool {
	return a == "" || b == "" || placeOf(a) == placeOf(b)
}

// placeOf is host and path of a repository's address.
func placeOf(source string) string {
	place := source
	if parsed, err := url.Parse(source); err == nil && parsed.Host != "" {
		place = strings.ToLower(parsed.Hostname()) + "/" + strings.Trim(parsed.Path, "/")
	} else if host, path, found := strings.Cut(strings.TrimPrefix(source, "git@"), ":"); found {
		place = strings.ToLower(host) + "/" + strings.Trim(path, "/")
	}
	return strings.TrimSuffix(place, ".git")
}

// plainAddress is the form of a repository's address that people may copy from an error,
// though somebody else wrote it.
var plainAddress = regexp.MustCompile(`^(?:https://|ssh://|git@)[A-Za-z0-9][A-Za-z0-9._~:/@-]*$`)

// fetchCommand gets what git needs to compare a release's commit with HEAD.
func fetchCommand(origin store.Origin, source string, shallow bool) string {
	command := "git fetch"
	if shallow {
		command += " --unshallow"
	}
	remote := "origin"
	switch other := !sameSource(source, origin.Source); {
	case (other || source == "") && plainAddress.MatchString(origin.Source):
		remote = origin.Source
	case other || source == "":
		remote = "REMOTE"
	}
	return command + " " + remote + " " + origin.Commit
}
