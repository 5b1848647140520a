package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// versioned is a shop in a work tree of three commits on main, and a hotfix branch
// from the first.
type versioned struct {
	*shop
	work
	first, second, third, hotfix string
}

const shopSource = "https://example.com/acme/shop.git"

func newVersioned(t *testing.T) *versioned {
	t.Helper()
	v := &versioned{work: newWork(t), shop: newShop(t, "")}
	v.git("remote", "add", "origin", shopSource)
	v.first = v.adds("first")
	v.git("checkout", "-q", "-b", "hotfix")
	v.hotfix = v.adds("hotfix")
	v.git("checkout", "-q", "main")
	v.second, v.third = v.adds("second"), v.adds("third")
	v.source = shopSource
	return v
}

// publishes publishes a commit's release to a ring, as git knew it then.
func (v *versioned) publishes(ring, commit string) {
	v.shop.t.Helper()
	v.shop.commit, v.ancestors = commit, gitAncestors(v.shop.t.Context(), v.work.dir, commit)
	v.publish(ring, commit)
}

// judge checks out a commit, and asks whether a build of it may be published.
func (v *versioned) judge(c commits, ring, commit string) (foundCommits, error) {
	v.shop.t.Helper()
	p, err := store.Open(v.host, "acme/shop", registry.Options{})
	if err != nil {
		v.shop.t.Fatal(err)
	}
	if c.dir == "" {
		c.dir = v.work.dir
		v.git("checkout", "-q", "--detach", commit)
	}
	c.push, c.project = true, p
	c.state = func() (string, string) { return gitState(v.shop.t.Context(), c.dir) }
	err = c.check(v.shop.t.Context(), v.plan(p, ring, "of a build"))
	return c.found, err
}

// refused expects a refusal that says each text, and that the exit code is 4.
func refused(t *testing.T, err error, texts ...string) {
	t.Helper()
	var out bytes.Buffer
	if code := report(&out, err); code != exitRefused || !errors.As(err, new(*refusedError)) {
		t.Errorf("exit code %d, want %d: %v", code, exitRefused, err)
	}
	for _, text := range texts {
		if !strings.Contains(out.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, out.String())
		}
	}
}

// goesOn expects no error, and as many warnings as texts, which they say.
func goesOn(t *testing.T, found foundCommits, err error, texts ...string) {
	t.Helper()
	if err != nil {
		t.Errorf("it is refused: %v", err)
	}
	if len(found.warnings) != len(texts) {
		t.Errorf("warnings: %q", found.warnings)
		return
	}
	for i, text := range texts {
		if !strings.Contains(found.warnings[i], text) {
			t.Errorf("it does not warn %q: %s", text, found.warnings[i])
		}
	}
}

func TestAnOlderCommitDoesNotTakeBackANewerOne(t *testing.T) {
	v := newVersioned(t)
	v.publishes("developers", v.third)
	t.Run("its job is run again", func(t *testing.T) {
		_, err := v.judge(commits{}, "developers", v.second)
		refused(t, err, "developers has 0.1.0 of commit "+brief(v.third), "record 1", brief(v.second), "--older")
	})
	t.Run("its job is run again in its own clone, which lacks the newer commit", func(t *testing.T) {
		origin := newWork(t)
		origin.git("pull", "-q", v.work.dir, v.second)
		_, err := v.judge(commits{dir: origin.clone("1").dir}, "developers", v.second)
		refused(t, err, brief(v.third), brief(v.second))
	})
	t.Run("it is meant", func(t *testing.T) {
		found, err := v.judge(commits{commitFlags: commitFlags{older: true}}, "developers", v.second)
		goesOn(t, found, err, "because of --older")
		if !found.older {
			t.Error("it is not for the record")
		}
	})
	t.Run("the newest is run again", func(t *testing.T) {
		found, err := v.judge(commits{commitFlags: commitFlags{older: true}}, "developers", v.third)
		goesOn(t, found, err)
		if len(found.ancestors) != 2 || found.older {
			t.Errorf("for the record: %+v", found)
		}
	})
	t.Run("a newer one", func(t *testing.T) {
		v.git("checkout", "-q", "main")
		found, err := v.judge(commits{}, "developers", v.work.adds("fourth"))
		goesOn(t, found, err)
	})
	t.Run("another ring has nothing yet", func(t *testing.T) {
		found, err := v.judge(commits{}, "users", v.first)
		goesOn(t, found, err)
	})
	t.Run("the address is another, the commits are the same", func(t *testing.T) {
		v.git("remote", "set-url", "origin", "git@example.com:fork/shop.git")
		defer v.git("remote", "set-url", "origin", shopSource)
		_, err := v.judge(commits{}, "developers", v.second)
		refused(t, err, brief(v.third))
	})
}

func TestBranchesThatPart(t *testing.T) {
	v := newVersioned(t)
	v.publishes("developers", v.third)
	t.Run("a branch that lacks what the ring has", func(t *testing.T) {
		_, err := v.judge(commits{}, "developers", v.hotfix)
		refused(t, err, "they part at "+brief(v.first), brief(v.third), brief(v.hotfix), "--merge developers")
	})
	t.Run("a rebased branch", func(t *testing.T) {
		v.git("checkout", "-q", "--detach", v.third)
		v.git("commit", "-q", "--amend", "-m", "third, with other words")
		_, err := v.judge(commits{}, "developers", v.git("rev-parse", "HEAD"))
		refused(t, err, "they part at "+brief(v.second))
	})
	t.Run("no common commit", func(t *testing.T) {
		v.git("checkout", "-q", "--orphan", "alone")
		_, err := v.judge(commits{}, "developers", v.work.adds("alone"))
		refused(t, err, "they have no commit in common")
	})
	t.Run("a merge", func(t *testing.T) {
		v.git("checkout", "-q", "--detach", v.hotfix)
		v.git("merge", "-q", "-m", "merge", v.third)
		found, err := v.judge(commits{}, "developers", v.git("rev-parse", "HEAD"))
		goesOn(t, found, err)
	})
	t.Run("--merge says that the sources contain it", func(t *testing.T) {
		found, err := v.judge(commits{merge: []string{"developers"}}, "developers", v.hotfix)
		goesOn(t, found, err)
	})
	t.Run("--merge of another ring says nothing of this one", func(t *testing.T) {
		_, err := v.judge(commits{merge: []string{"users"}}, "developers", v.hotfix)
		refused(t, err)
	})
	t.Run("another repository may have no commit in common", func(t *testing.T) {
		v.git("remote", "set-url", "origin", "https://example.com/acme/other.git")
		defer v.git("remote", "set-url", "origin", shopSource)
		found, err := v.judge(commits{}, "developers", v.hotfix)
		goesOn(t, found, err, "`git fetch "+shopSource+" "+v.third+"`")
	})
}

func TestTheOrderIsThatOfTheRing(t *testing.T) {
	v := newVersioned(t)
	v.publishes("users", v.first)
	v.publishes("developers", v.third)
	t.Run("a hotfix descends from what its outer ring has", func(t *testing.T) {
		found, err := v.judge(commits{}, "users", v.hotfix)
		goesOn(t, found, err)
	})
	v.publishes("users", v.hotfix)
	t.Run("the outer ring keeps its hotfix", func(t *testing.T) {
		_, err := v.judge(commits{}, "users", v.third)
		refused(t, err, "users has", brief(v.hotfix), "they part at "+brief(v.first))
	})
	v.publishes("ante", v.third)
	t.Run("ante takes any commit", func(t *testing.T) {
		found, err := v.judge(commits{}, "ante", v.second)
		goesOn(t, found, err)
	})
}

func TestWhatGitDoesNotKnow(t *testing.T) {
	gone := strings.Repeat("12", 20)
	for name, test := range map[string]struct {
		commit, source, want string
	}{
		"a commit that is not fetched":     {gone, shopSource, "`git fetch origin " + gone + "`"},
		"by another way to the repository": {gone, "git@example.com:acme/shop.git", "`git fetch origin " + gone + "`"},
		"from another repository":          {gone, "https://example.com/acme/other", "`git fetch https://example.com/acme/other " + gone + "`"},
		"from an address that is a trap":   {gone, "ext::sh -c evil", "`git fetch REMOTE " + gone + "`"},
		"what is no commit":                {"--output=/tmp/x", shopSource, "no id of a commit"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVersioned(t)
			v.source, v.shop.commit = test.source, test.commit
			v.publish("developers", "1")
			found, err := v.judge(commits{}, "developers", v.third)
			goesOn(t, found, err, test.want)
		})
	}
	t.Run("no git at all", func(t *testing.T) {
		v := newVersioned(t)
		v.publishes("developers", v.third)
		t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(v.shop.dir))
		found, err := v.judge(commits{dir: v.shop.dir}, "developers", "")
		goesOn(t, found, err)
		_, err = v.judge(commits{dir: v.shop.dir, commitFlags: commitFlags{clean: true}}, "developers", "")
		refused(t, err, "--clean")
	})
	t.Run("a shallow clone", func(t *testing.T) {
		v := newVersioned(t)
		v.publishes("developers", v.second)
		clone := v.work.clone("1")
		clone.git("remote", "set-url", "origin", shopSource)
		found, err := v.judge(commits{dir: clone.dir}, "developers", v.third)
		goesOn(t, found, err, "`git fetch --unshallow origin "+v.second+"`")
	})
}

func TestADirtyTree(t *testing.T) {
	v := newVersioned(t)
	v.publishes("developers", v.third)
	found, err := v.judge(commits{commitFlags: commitFlags{clean: true}}, "developers", v.third)
	goesOn(t, found, err)
	v.work.write("first", "never committed")
	v.work.write("new", "never committed")
	t.Run("it is marked", func(t *testing.T) {
		found, err := v.judge(commits{}, "developers", v.third)
		goesOn(t, found, err, `"first" and 1 more differ from commit `+brief(v.third))
		plan := versioning.Plan{Ring: versioning.None}
		found.mark(&plan)
		if !plan.Dirty || !strings.Contains(plan.String(), "dirty") {
			t.Errorf("the plan: %+v\n%s", plan, plan)
		}
	})
	t.Run("--clean refuses it", func(t *testing.T) {
		_, err := v.judge(commits{commitFlags: commitFlags{clean: true}}, "developers", v.third)
		refused(t, err, "--clean", `"first"`, brief(v.third))
	})
}

func TestHistoryMarksWhatTheCommitDoesNotTell(t *testing.T) {
	v := newVersioned(t)
	p, err := store.Open(v.host, "acme/shop", registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v.shop.commit = v.third
	plan := v.plan(p, "developers", "1")
	foundCommits{dirty: true}.mark(&plan)
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		digests[name] = v.push(plan, name)
	}
	rings := versioning.Rings([]string{"developers", "testers", "users"})
	publication := store.Publication{Plan: plan, Rings: rings, Digests: digests, Ancestors: []string{v.second}, Older: true}
	if _, err := p.Publish(t.Context(), publication); err != nil {
		t.Fatal(err)
	}
	v.says([]string{"history"}, v.third[:11]+"…-dirty (older)")
	var history struct {
		Records []struct {
			Commit       string
			Dirty, Older bool
		}
	}
	v.reads(&history, "history")
	if got := history.Records[0]; got.Commit != v.third || !got.Dirty || !got.Older {
		t.Errorf("history: %+v", got)
	}
	origin, err := p.Origin(t.Context(), "deploy", "developers", digests["deploy"])
	if err != nil || origin.Commit != v.third || len(origin.Ancestors) != 1 || origin.Record != 1 {
		t.Errorf("origin: %+v, %v", origin, err)
	}
}
