package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

// work is a git work tree.
type work struct {
	t   *testing.T
	dir string
}

// newWork is a work tree without a commit. Without git the test is skipped.
func newWork(t *testing.T) work {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	for name, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull, "GIT_CONFIG_COUNT": "1",
		"GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always",
		"GIT_AUTHOR_NAME": "ann", "GIT_AUTHOR_EMAIL": "ann@example.com",
		"GIT_COMMITTER_NAME": "ann", "GIT_COMMITTER_EMAIL": "ann@example.com",
	} {
		t.Setenv(name, value)
	}
	w := work{t, t.TempDir()}
	w.git("init", "-q", "-b", "main")
	return w
}

func (w work) git(args ...string) string {
	w.t.Helper()
	out, err := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.dir}, args...)...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w work) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// adds commits a file of its own, and returns the commit.
func (w work) adds(name string) string {
	w.t.Helper()
	w.write(name, name)
	w.git("add", "-A")
	w.git("commit", "-q", "-m", name)
	return w.git("rev-parse", "HEAD")
}

// clone is a clone with the newest commits, "" for all.
func (w work) clone(newest string) work {
	w.t.Helper()
	c := work{w.t, w.t.TempDir()}
	args := []string{"clone", "-q"}
	if newest != "" {
		args = append(args, "--depth", newest)
	}
	c.git(append(args, "file://"+w.dir, ".")...)
	return c
}

func TestSourcesHaveNoCredentials(t *testing.T) {
	for remote, want := range map[string]string{
		"https://ann:secret@example.com/shop.git?token=x#y": "https://example.com/shop.git",
		"git@example.com:acme/shop.git":                     "git@example.com:acme/shop.git",
		"ann@example.com:acme/shop.git":                     "",
		"../shop":                                           "../shop",
		"://secret":                                         "",
		"":                                                  "",
	} {
		if got := bareURL(remote); got != want {
			t.Errorf("%s is recorded as %q, want %q", remote, got, want)
		}
	}
}

func TestAFolderThatIsNoWorkTreeHasNoCommit(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	if commit, source := gitState(t.Context(), dir); commit != "" || source != "" {
		t.Errorf("%q, %q", commit, source)
	}
}

func TestTheCommitAndItsSource(t *testing.T) {
	w := newWork(t)
	first := w.adds("a")
	w.adds("b")
	w.git("remote", "add", "origin", "https://ann:secret@example.com/shop.git")
	w.git("checkout", "-q", "--detach", first)
	if commit, source := gitState(t.Context(), w.dir); commit != first || source != "https://example.com/shop.git" {
		t.Errorf("%q, %q", commit, source)
	}
}

func TestHowCommitsStand(t *testing.T) {
	w := newWork(t)
	a, b, c := w.adds("a"), w.adds("b"), w.adds("c")
	w.git("checkout", "-q", "-b", "hotfix", a)
	hotfix := w.adds("hotfix")
	w.git("checkout", "-q", "-b", "rebased", c)
	w.git("cherry-pick", hotfix)
	rebased := w.git("rev-parse", "HEAD")
	w.git("checkout", "-q", "-b", "merged", c)
	w.git("merge", "-q", "-m", "merge", hotfix)
	merged := w.git("rev-parse", "HEAD")
	w.git("checkout", "-q", "--orphan", "alone")
	alone := w.adds("alone")
	gone := strings.Repeat("12", 20)
	for name, test := range map[string]struct {
		head, other string
		ancestors   []string
		want        relation
		base        string
	}{
		"the same":                          {c, c, nil, contains, ""},
		"a later one":                       {c, a, nil, contains, ""},
		"an earlier one":                    {a, c, nil, older, ""},
		"a merge and its second parent":     {merged, hotfix, nil, contains, ""},
		"a merge and its first parent":      {merged, c, nil, contains, ""},
		"a second parent and its merge":     {hotfix, merged, nil, older, ""},
		"two branches":                      {c, hotfix, nil, apart, a},
		"a rebased branch and what it was":  {rebased, hotfix, nil, apart, a},
		"no common commit":                  {alone, c, nil, apart, ""},
		"one that is not there":             {c, gone, nil, unknown, ""},
		"not there, of others":              {c, gone, []string{a, b}, unknown, ""},
		"not there, but known to be before": {b, gone, []string{c, b, a}, older, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if is, base := gitRelation(t.Context(), w.dir, test.head, test.other, test.ancestors); is != test.want || base != test.base {
				t.Errorf("%v at %q, want %v at %q", is, base, test.want, test.base)
			}
		})
	}
	t.Run("no work tree", func(t *testing.T) {
		dir := t.TempDir()
		t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
		if is, _ := gitRelation(t.Context(), dir, b, a, nil); is != unknown {
			t.Errorf("%v", is)
		}
	})
	t.Run("the newest ancestors are those of every branch", func(t *testing.T) {
		got := gitAncestors(t.Context(), w.dir, merged)
		if want := []string{a, b, c, hotfix}; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

func TestAShallowCloneKnowsWhatItHas(t *testing.T) {
	w := newWork(t)
	a, b := w.adds("a"), w.adds("b")
	w.git("checkout", "-q", "-b", "hotfix", a)
	hotfix := w.adds("hotfix")
	w.git("checkout", "-q", "main")
	c := w.adds("c")
	t.Run("what lies beyond is not known until it is fetched", func(t *testing.T) {
		clone := w.clone("1")
		if is, _ := gitRelation(t.Context(), clone.dir, c, a, nil); is != unknown {
			t.Errorf("%v", is)
		}
		command := fetchCommand(store.Origin{Commit: a}, "file://"+w.dir, gitShallow(t.Context(), clone.dir))
		clone.git(strings.Fields(command)[1:]...)
		if is, _ := gitRelation(t.Context(), clone.dir, c, a, nil); is != contains {
			t.Errorf("after %s: %v", command, is)
		}
	})
	t.Run("what it has is known", func(t *testing.T) {
		if is, _ := gitRelation(t.Context(), w.clone("2").dir, c, b, nil); is != contains {
			t.Errorf("%v", is)
		}
	})
	t.Run("two ends without the middle are not apart", func(t *testing.T) {
		clone := w.clone("1")
		clone.git("fetch", "-q", "--depth", "1", "origin", hotfix)
		if is, _ := gitRelation(t.Context(), clone.dir, c, hotfix, nil); is != unknown {
			t.Errorf("%v", is)
		}
	})
}

func TestARecordNamesAHundredAncestors(t *testing.T) {
	w := newWork(t)
	var all []string
	for range 103 {
		w.git("commit", "-q", "--allow-empty", "-m", "x")
		all = append(all, w.git("rev-parse", "HEAD"))
	}
	got := gitAncestors(t.Context(), w.dir, all[102])
	if want := all[2:102]; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%d ancestors, not the newest 100", len(got))
	}
}

func TestWhatIsDirty(t *testing.T) {
	for name, test := range map[string]struct {
		change func(w work)
		want   []string
	}{
		"nothing":           {func(work) {}, nil},
		"a changed file":    {func(w work) { w.write("shop/a", "other") }, []string{"shop/a"}},
		"a staged file":     {func(w work) { w.write("shop/a", "other"); w.git("add", "-A") }, []string{"shop/a"}},
		"a new file":        {func(w work) { w.write("shop/new", "") }, []string{"shop/new"}},
		"a removed file":    {func(w work) { w.git("rm", "-q", "shop/a") }, []string{"shop/a"}},
		"a renamed file":    {func(w work) { w.git("mv", "shop/a", "shop/z") }, []string{"shop/a", "shop/z"}},
		"an ignored file":   {func(w work) { w.write("shop/out.log", "") }, nil},
		"a file outside":    {func(w work) { w.write("b", "other"); w.write("c", "") }, nil},
		"an odd name":       {func(w work) { w.write("shop/ä b", "") }, []string{"shop/ä b"}},
		"new files, hidden": {func(w work) { w.git("config", "status.showUntrackedFiles", "no"); w.write("shop/new", "") }, []string{"shop/new"}},
		"a file whose time is new": {func(w work) {
			w.write("shop/a", "shop/a") // as it was committed
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWork(t)
			w.write(".gitignore", "*.log\n")
			w.write("shop/keep", "")
			w.write("b", "b")
			w.adds("shop/a")
			test.change(w)
			got, err := gitDirty(t.Context(), filepath.Join(w.dir, "shop"))
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("files (-want +got):\n%s%v", diff, err)
			}
		})
	}
	t.Run("a submodule at another commit", func(t *testing.T) {
		inner, w := newWork(t), newWork(t)
		first := inner.adds("a")
		inner.adds("b")
		w.git("submodule", "--quiet", "add", "file://"+inner.dir, "shop/inner")
		w.adds("shop/a")
		work{t, filepath.Join(w.dir, "shop/inner")}.git("checkout", "-q", first)
		got, err := gitDirty(t.Context(), filepath.Join(w.dir, "shop"))
		if diff := cmp.Diff([]string{"shop/inner"}, got); diff != "" || err != nil {
			t.Errorf("files (-want +got):\n%s%v", diff, err)
		}
	})
}

// TestAGitThatDoesNotAnswer ends with all that holds its output open.
func TestAGitThatDoesNotAnswer(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\nsleep 1000 &\nwait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	begin := time.Now()
	_, err := runGit(t.Context(), 100*time.Millisecond, t.TempDir(), "status")
	if took := time.Since(begin); err == nil || !strings.Contains(err.Error(), "git status has not answered in time") || took > time.Minute {
		t.Errorf("%v after %s", err, took)
	}
}

// TestTheTimeOfTheCommit: a build asks for it by a word, and it is what the seconds would be.
func TestTheTimeOfTheCommit(t *testing.T) {
	w := newWork(t)
	t.Setenv("GIT_COMMITTER_DATE", "1700000000 +0200")
	w.adds("a")
	f := planFlags{flags: pflag.NewFlagSet("", pflag.ContinueOnError), args: []string{"SOURCE_DATE_EPOCH=context"}}
	o, err := f.options(t.Context(), projectFlags{dir: w.dir}, &manifest.Manifest{})
	if err != nil || o.Args[frontend.ArgEpoch] != "1700000000" {
		t.Errorf("error %v, the time is %q", err, o.Args[frontend.ArgEpoch])
	}
	none := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(none))
	var usage *usageError
	if _, err := f.options(t.Context(), projectFlags{dir: none}, &manifest.Manifest{}); !errors.As(err, &usage) || !strings.Contains(err.Error(), "seconds since 1970") {
		t.Errorf("without a commit: error %v", err)
	}
}
