package account

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/versioning"
)

// Changes names what differs between what an image was made of and what it is made of now.
// None means that the difference is in nothing that an account tells.
func Changes(old, now Account) []versioning.Reason {
	var reasons []versioning.Reason
	if old.Target != now.Target {
		reasons = append(reasons, versioning.Reason{Kind: versioning.ReasonTarget, From: old.Target, To: now.Target})
	}
	reasons = append(reasons, steps(old, now)...)
	reasons = append(reasons, args(old.Args, now.Args)...)
	if paths := entries(old.Entries, now.fold(old.Depth).Entries); len(paths) > 0 {
		reasons = append(reasons, files(paths))
	}
	if len(reasons) > 0 {
		return reasons
	}
	if hidden := hidden(old, now); len(hidden) > 0 {
		return []versioning.Reason{files(hidden)}
	}
	return nil
}

func files(paths []versioning.Path) versioning.Reason {
	kept := paths[:min(len(paths), versioning.MaxPaths)]
	return versioning.Reason{Kind: versioning.ReasonRevision, Paths: kept, More: len(paths) - len(kept)}
}

// hidden are what may have changed without anybody being able to tell.
func hidden(old, now Account) []versioning.Path {
	was := map[string]bool{}
	for _, entry := range old.Entries {
		was[entry.Path] = entry.Digest == "" && entry.Link == "" && !strings.HasSuffix(entry.Path, "/")
	}
	var paths []versioning.Path
	for _, entry := range now.Entries {
		if was[entry.Path] {
			paths = append(paths, versioning.Path{Path: entry.Path, Change: versioning.PathUnknown})
		}
	}
	return paths
}

// entries lists what differs of files. A folder is only of interest for itself: not where it
// came or went with what is in it.
func entries(old, now []revision.Entry) []versioning.Path {
	before, after := byPath(old), byPath(now)
	both := map[string]bool{}
	for name := range before {
		both[name] = true
	}
	for name := range after {
		both[name] = true
	}
	var paths []versioning.Path
	for _, name := range slices.Sorted(maps.Keys(both)) {
		from, was := before[name]
		to, is := after[name]
		passing := strings.HasSuffix(name, "/") && from.Digest == "" && to.Digest == ""
		one := versioning.Path{Path: name}
		switch {
		case was && is && from == to, passing && was != is:
			continue
		case !was:
			one.Change = versioning.PathAdded
		case !is:
			one.Change = versioning.PathRemoved
		case from.Link != to.Link:
			one.Change, one.From, one.To = versioning.PathLink, from.Link, to.Link
		case from.Digest != to.Digest:
			one.Change = versioning.PathChanged
		default:
			one.Change, one.From, one.To = versioning.PathMode, from.Mode, to.Mode
		}
		paths = append(paths, one)
	}
	return paths
}

func byPath(entries []revision.Entry) map[string]revision.Entry {
	all := map[string]revision.Entry{}
	for _, entry := range entries {
		all[entry.Path] = entry
	}
	return all
}

func args(old, now map[string]string) []versioning.Reason {
	names := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(now))
	slices.Sort(names)
	var reasons []versioning.Reason
	for _, name := range slices.Compact(names) {
		from, was := old[name]
		to, is := now[name]
		if was && is && from == to {
			continue
		}
		reasons = append(reasons, versioning.Reason{Kind: versioning.ReasonArgument, Subject: name, From: given(from, was), To: given(to, is)})
	}
	return reasons
}

// given is the digest of a value that was given, of one that looks like a secret a word.
func given(digest string, given bool) string {
	if !given {
		return ""
	}
	return cmp.Or(digest, "not kept")
}

// maxSteps bounds the instructions that reasons name.
const maxSteps = 20

// steps compares the instructions of each stage. With another target other stages are
// reached, which nobody has to have edited.
func steps(old, now Account) []versioning.Reason {
	before, after := byStage(old.Steps), byStage(now.Steps)
	var reasons []versioning.Reason
	for _, stage := range stages(now.Steps, old.Steps) {
		if old.Target != now.Target && (len(before[stage]) == 0 || len(after[stage]) == 0) {
			continue
		}
		for _, change := range aligned(before[stage], after[stage]) {
			reason := versioning.Reason{Kind: versioning.ReasonInstruction}
			at := old.File
			if change.from != nil {
				reason.Subject, reason.From = place(at, change.from.Line), change.from.Keyword
			}
			if at = now.File; change.to != nil {
				reason.Subject, reason.To = place(at, change.to.Line), change.to.Keyword
			}
			reasons = append(reasons, reason)
		}
	}
	if more := len(reasons) - maxSteps; more > 0 {
		reasons = reasons[:maxSteps]
		reasons[maxSteps-1].More = more
	}
	return reasons
}

func place(file string, line int) string { return fmt.Sprintf("%s:%d", path.Clean(file), line) }

func byStage(steps []Step) map[string][]Step {
	all := map[string][]Step{}
	for _, step := range steps {
		all[step.Stage] = append(all[step.Stage], step)
	}
	return all
}

// stages are those of two container files in their order.
func stages(lists ...[]Step) []string {
	var names []string
	known := map[string]bool{}
	for _, steps := range lists {
		for _, step := range steps {
			if !known[step.Stage] {
				known[step.Stage] = true
				names = append(names, step.Stage)
			}
		}
	}
	return names
}

// change is an instruction that was replaced, added or removed.
type change struct{ from, to *Step }

// aligned compares two lists of instructions. What both begin and end with is the same; of
// the rest, those with a digest that the other has nowhere are paired by their keyword.
func aligned(old, now []Step) []change {
	for len(old) > 0 && len(now) > 0 && old[0].same(now[0]) {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1].same(now[len(now)-1]) {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	gone, come := without(old, now), without(now, old)
	if len(gone)+len(come) == 0 && len(old) > 0 && len(now) > 0 {
		return []change{{&old[0], &now[0]}} // they were moved
	}
	var changes []change
	for i := range come {
		var from *Step
		at := slices.IndexFunc(gone, func(s Step) bool { return s.Keyword == come[i].Keyword })
		if at >= 0 {
			step := gone[at]
			from, gone = &step, slices.Delete(gone, at, at+1)
		}
		changes = append(changes, change{from, &come[i]})
	}
	for i := range gone {
		changes = append(changes, change{from: &gone[i]})
	}
	return changes
}

func (s Step) same(other Step) bool { return s.Keyword == other.Keyword && s.Digest == other.Digest }

// without are the steps that the other list does not have as often.
func without(steps, other []Step) []Step {
	count := map[string]int{}
	for _, step := range other {
		count[step.Digest]++
	}
	var left []Step
	for _, step := range steps {
		if count[step.Digest]--; count[step.Digest] < 0 {
			left = append(left, step)
		}
	}
	return left
}
