package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/store/records"
)

func TestAProjectWithoutARelease(t *testing.T) {
	s := newShop(t, "")
	s.says([]string{"status"}, "developers")
	s.says([]string{"history"}, "nothing was published to acme/shop yet")
	s.says([]string{"verify"}, "acme/shop has no log")
	if got := s.holds(); got != "- - - - -" {
		t.Errorf("the rings have %s", got)
	}
}

func TestReleasesGoFromRingToRing(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	s.says([]string{"shift", "--dry-run"}, "0.1.0")
	s.says([]string{"shift"}, "testers")
	s.publish("developers", "second")
	if got := s.holds(); got != "- 0.2.0 0.1.0 - -" {
		t.Fatalf("the rings have %s", got)
	}
	s.does("shift", "--message", "to the users")
	s.says([]string{"history"}, "shift", "to the users", "ann", "users: 0.1.0")
	s.says([]string{"history", "-n", "1"}, "shift")
	s.says([]string{"unshift", "users", "--dry-run"}, "users")
	s.says([]string{"unshift", "users"}, "users")
	if got := s.holds(); got != "- 0.2.0 0.2.0 - -" {
		t.Errorf("after unshift the rings have %s", got)
	}
	s.says([]string{"status"}, "held: users")
	s.does("unhold", "users")
	s.does("set", "users", "0.1.0")
	s.does("hold", "users", "--reason", "audit until Friday")
	s.says([]string{"status"}, "audit until Friday")
	s.does("unhold", "users")
	s.says([]string{"history", "-n", "2"}, "users held: audit until Friday", "users no longer held: audit until Friday")
	if got := s.holds(); got != "- 0.2.0 0.2.0 0.1.0 -" {
		t.Errorf("at last the rings have %s", got)
	}
	s.says([]string{"verify"}, "acme/shop is whole")
	s.says([]string{"verify", "users"}, "acme/shop is whole")
}

func TestEveryCommandThatReadsHasJSON(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	for _, args := range [][]string{
		{"status"}, {"history"}, {"verify"}, {"shift", "--dry-run"}, {"shift"}, {"unshift"}, {"unhold", "testers"},
		{"set", "users", "0.1.0"}, {"hold", "users", "--reason", "x"}, {"prune", "--dry-run"},
	} {
		var result struct{ Schema int }
		if s.reads(&result, args...); result.Schema != 1 {
			t.Errorf("quoit %v: schema %d", args, result.Schema)
		}
	}
}

// TestDiscard: the release that may be lost is named, and only one that can be.
func TestDiscard(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "first")
	s.does("set", "users", "0.1.0")
	s.does("set", "testers", "0.1.0")
	s.publish("testers", "a hotfix")
	s.fails(1, []string{"shift", "--to", "testers"}, "--discard testers", "--merge testers")
	s.fails(1, []string{"set", "testers", "0.1.0"}, "--discard testers")
	s.fails(64, []string{"set", "testers", "0.1.0", "--discard", "users"}, "--discard users: only testers changes")
	s.fails(64, []string{"shift", "--to", "testers", "--discard", "users"}, "--discard users: only testers changes")
	s.fails(64, []string{"shift", "--discard", "developers"}, "--discard developers: only testers, users, post change")
	s.fails(64, []string{"shift", "--discard", "usrs"}, `there is no ring "usrs"`, `did you mean "users"?`)
	s.fails(64, []string{"deploy", "eu", "--discard", "lab"}, "--discard lab: only eu changes")
	s.fails(64, []string{"deploy", "--ring", "users", "--discard", "lab"}, "--discard lab: only eu changes")
	s.does("set", "testers", "0.1.0", "--discard", "testers", "--dry-run")
	s.does("shift", "--to", "testers", "--discard", "testers")
	if got := s.holds(); got != "- 0.1.0 0.1.0 0.1.0 -" {
		t.Errorf("the rings have %s", got)
	}
}

func TestMistakesWithRings(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	for _, test := range []struct {
		code int
		args string
		want string
	}{
		{64, "shift --from usrs", `did you mean "users"?`},
		{64, "shift --from users --to testers", "users"},
		{64, "set users", "quoit set wants RING VERSION, found 1 arguments"},
		{64, "set users 1", "1"},
		{1, "set users 9.9.9", "9.9.9"},
		{64, "hold users", "--reason"},
		{64, "hold", "quoit hold wants RING"},
		{64, "unhold", "`quoit status` shows which are held"},
		{64, "unhold usrs", `there is no ring "usrs": choose one of ante, developers, testers, users, post; did you mean "users"?`},
		{1, "unshift", "there is no shift to undo"},
		{64, "verify usrs", "usrs"},
		{64, "history -n 0", "-n 0"},
		{64, "prune --keep 0", "--keep 0"},
		{64, "prune --needed one", "--needed"},
		{64, "copy users", "where to copy them"},
		{64, "copy usrs ./media", `"usrs"`},
		{64, "copy --project acme/shop users ./media", "--project acme/shop does not say where the project is"},
		{64, "copy --project a.example.com/acme/shop --from ./media users ./copy", "the registry is said twice"},
		{64, "copy --project Acme users ./media", "not a valid name for a project"},
		{64, "status -o yaml", "choose text or json"},
		{64, "shift -o yaml", "choose text or json"},
	} {
		s.fails(test.code, strings.Fields(test.args), test.want)
	}
	s.fails(64, []string{"hold", "users", "--reason", "two\nlines"}, "write one line")
	s.fails(64, []string{"shift", "--message", "\x1b[2J"}, "leave out control characters")
	s.fails(64, []string{"shift", "--message", strings.Repeat("x", 70000)}, "at most 65536 are kept")
}

func TestGatesAreAskedBeforeARingMoves(t *testing.T) {
	s := newShop(t, "gates:\n  testers: {image: api, secrets: [token]}\n")
	s.publish("developers", "first")
	s.fails(64, []string{"shift"}, "gate of ring testers: there is no secret token: give it with --secret id=token,src=FILE")
	s.fails(64, []string{"shift", "--secret", "id=token,src=/nonexistent"}, "--secret: failed to stat /nonexistent")
	s.fails(64, []string{"set", "testers", "0.1.0", "--secret", "id=token,env=PATH", "--progress", "loud"}, "--progress: ")
	s.fails(1, []string{"set", "testers", "0.1.0", "--secret", "id=token,env=PATH"}, "BuildKit does not answer at unix:///nowhere.sock")
	s.does("set", "users", "0.1.0")
	if got := s.holds(); got != "- 0.1.0 - 0.1.0 -" {
		t.Errorf("the rings have %s", got)
	}
}

func TestPrune(t *testing.T) {
	s := newShop(t, "")
	for _, content := range []string{"first", "second", "third", "fourth"} {
		s.publish("developers", content)
	}
	s.says([]string{"prune", "--keep", "1", "--needed", "0.1.1", "--dry-run"}, "0.1.0")
	s.says([]string{"prune", "--keep", "1", "--needed", "0.1.1", "--message", "old"}, "0.1.0")
	s.says([]string{"verify"}, "acme/shop is whole")
	s.fails(1, []string{"set", "users", "0.1.0"}, "0.1.0")
	s.does("set", "users", "0.1.1")
}

func TestCopies(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	s.does("shift")
	layout, mirror := s.dir+"/media", newRegistry(t)
	s.says([]string{"copy", "developers", layout, "--dry-run"}, "would copy")
	s.says([]string{"copy", "developers", "0.1.0", layout}, "acme/shop 0.1.0")
	s.says([]string{"copy", "--from", layout, "--project", "acme/shop", "developers", mirror + "/acme"}, "acme/shop 0.1.0")
	s.says([]string{"copy", "--project", s.host + "/acme/shop", "developers", s.dir + "/without"}, "acme/shop 0.1.0")
	s.says([]string{"verify", "--registry", mirror + "/acme"}, "acme/shop is whole")
	s.says([]string{"history", "--registry", mirror + "/acme"}, "publish")
	s.fails(1, []string{"copy", "users", layout}, "users")
	var copied struct{ Schema int }
	if s.reads(&copied, "copy", "testers", "oci:"+s.dir+"/more"); copied.Schema != 1 {
		t.Errorf("schema %d", copied.Schema)
	}
}

func TestAnInterruptedCommandSaysSo(t *testing.T) {
	s := newShop(t, "")
	var out, errOut bytes.Buffer
	if code := run(interrupted(t), []string{"status", "-C", s.dir}, nil, &out, &errOut); code != 130 || errOut.String() != "interrupted\n" {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
}

// TestARemovedGateIsStillAsked: a release takes with it what it was published with, and
// leaving that out is recorded with a reason.
func TestARemovedGateIsStillAsked(t *testing.T) {
	s := newShop(t, "")
	s.required = []records.Required{{Ring: "testers", Image: "api", Timeout: 60}}
	s.publish("developers", "first") // the manifest has no gates (any more)
	s.fails(1, []string{"shift"}, "BuildKit")
	s.fails(1, []string{"set", "testers", "0.1.0"}, "BuildKit")
	s.does("shift", "--dry-run")
	for _, args := range [][]string{{"--skip-gate", "testers"}, {"--reason", "x"}, {"--skip-gate", "testers", "--reason", " "}, {"--skip-gate", "", "--reason", "x"}} {
		s.fails(64, append([]string{"shift"}, args...), "--skip-gate and --reason belong together")
	}
	s.fails(64, []string{"shift", "--skip-gate", "users", "--reason", "x"}, "there is no gate users to skip", "nothing was written")
	s.fails(64, []string{"shift", "--skip-gate", "testers", "--reason", "a\x1b"}, "--reason: write one line")
	if got := s.holds(); got != "- 0.1.0 - - -" {
		t.Fatalf("the rings have %s", got)
	}
	s.does("shift", "--skip-gate", "testers/api", "--reason", "the lab burns")
	s.says([]string{"history"}, "testers: 0.1.0, gate testers/api skipped: the lab burns")
	s.does("set", "users", "0.1.0")
	s.does("unshift")
	s.does("set", "testers", "0.1.0", "--skip-gate", "testers", "--reason", "it still burns")
	s.says([]string{"history", "-n", "1"}, "set", "gate testers/api skipped: it still burns")
}

// The newest shift moved another ring than the one in trouble.
func TestUnshiftOfOneRing(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	s.does("shift")
	s.publish("developers", "second")
	for range 3 {
		s.does("shift")
	}
	if got := s.holds(); got != "- 0.2.0 0.2.0 0.2.0 0.2.0" {
		t.Fatalf("the rings have %s", got)
	}
	s.says([]string{"unshift", "users"}, "users  0.2.0  0.1.0", "undone: the shift by ann at ", "held: users, ")
	if got := s.holds(); got != "- 0.2.0 0.2.0 0.1.0 0.2.0" {
		t.Errorf("after unshift the rings have %s", got)
	}
	s.fails(1, []string{"unshift", "developers", "post"}, "developers has 0.2.0 by the publish by ann", "`quoit set developers VERSION`", "(nothing was written)")
	s.does("set", "testers", "0.1.0", "--discard", "testers")
	s.fails(1, []string{"unshift", "testers"}, "testers has 0.1.0 by the set by ann", "`quoit set testers VERSION`", "(nothing was written)")
	if got := s.holds(); got != "- 0.2.0 0.1.0 0.1.0 0.2.0" {
		t.Errorf("after refusals the rings have %s", got)
	}
	s.says([]string{"history", "-n", "1"}, "set")
}
