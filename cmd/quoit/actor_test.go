package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheActorIsWhoeverTheEnvironmentNames(t *testing.T) {
	for _, name := range actorVariables {
		t.Setenv(name, "")
	}
	if host, err := os.Hostname(); err == nil && !strings.HasSuffix(actor(), "@"+host) {
		t.Errorf("without a variable it is %q", actor())
	}
	t.Setenv("GITLAB_USER_LOGIN", "ann\nand more")
	if actor() != "ann" {
		t.Errorf("with two lines it is %q", actor())
	}
	t.Setenv("QUOIT_ACTOR", "b\x1bob"+strings.Repeat("x", 2*maxText))
	if got := actor(); !strings.HasPrefix(got, "bobx") || len(got) != maxText {
		t.Errorf("what the user says is %q", got)
	}
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
	if _, err := exec.LookPath("git"); err != nil {
		return // a machine without git says the same of every folder
	}
	for _, args := range [][]string{{"init", "-q"}, {"remote", "add", "origin", "https://ann:secret@example.com/shop.git"},
		{"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "x"}} {
		if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	if commit, source := gitState(t.Context(), dir); len(commit) != 40 || source != "https://example.com/shop.git" {
		t.Errorf("%q, %q", commit, source)
	}
}
