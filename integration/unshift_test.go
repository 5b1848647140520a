//go:build stack

package integration

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rings are the versions that the rings have, in order; - for none.
func rings(t *testing.T, dir string) string {
	t.Helper()
	var held []string
	for line := range strings.Lines(mustQuoit(t, dir, "status")) {
		if fields := strings.Fields(line); fields[0] != "RING" && fields[0] != "held:" {
			held = append(held, fields[1])
		}
	}
	return strings.Join(held, " ")
}

func wantRings(t *testing.T, dir, want string) {
	t.Helper()
	if got := rings(t, dir); got != want {
		t.Errorf("ante, developers, testers, users, post hold %s, want %s", got, want)
	}
}

// A bad release is taken back, and a hotfix is not lost.
func TestFromShiftToUnshift(t *testing.T) {
	t.Setenv("QUOIT_ACTOR", "ann")
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	mustQuoit(t, dir, "shift")
	edit(t, dir, "bad")
	publish(t, dir, prefix, "developers")
	mustQuoit(t, dir, "shift", "--message", "the week's release")
	wantRings(t, dir, "- 0.2.0 0.2.0 0.1.0 -")

	out := mustQuoit(t, dir, "unshift")
	for _, want := range []string{"testers  0.2.0  0.1.0  deploy 0.2.0 → 0.1.0, s000 0.2.0 → 0.1.0\n", "users    0.1.0  -      3 images\n", "undone: the shift by ann at ", `"the week's release"`, "held: testers, "} {
		if !strings.Contains(out, want) {
			t.Errorf("unshift does not say %q:\n%s", want, out)
		}
	}
	wantRings(t, dir, "- 0.2.0 0.1.0 - -")
	if _, stderr, code := quoit(t, dir, "shift"); code != 1 || !strings.Contains(stderr, "quoit unhold testers users") {
		t.Errorf("a shift of held rings: exit code %d\n%s", code, stderr)
	}
	if out := mustQuoit(t, dir, "status"); !strings.Contains(out, "held: users, the shift of record 4 was undone (record 5)\n") {
		t.Errorf("status:\n%s", out)
	}
	mustQuoit(t, dir, "unhold", "testers", "users")

	// An emptied ring is an empty one, for a build and for a plan.
	edit(t, dir, "better")
	want := map[string]string{"base": "0.1.0", "s000": "0.2.1", "deploy": "0.2.1"}
	if diff := cmp.Diff(want, publish(t, dir, prefix, "developers")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	mustQuoit(t, dir, "shift")
	wantRings(t, dir, "- 0.2.1 0.2.1 0.1.0 -")

	edit(t, dir, "a hotfix")
	publish(t, dir, prefix, "users")
	wantRings(t, dir, "- 0.2.1 0.2.1 0.1.1 -")
	if _, stderr, code := quoit(t, dir, "shift"); code != 1 || !strings.Contains(stderr, "users has 0.1.1, and 0.2.1 does not descend from it") {
		t.Errorf("a shift over a hotfix: exit code %d\n%s", code, stderr)
	}
	edit(t, dir, "better, with the hotfix")
	mustQuoit(t, dir, "build", "--push", "--merge", "users")
	mustQuoit(t, dir, "shift", "--to", "testers")
	mustQuoit(t, dir, "shift")
	held := strings.Fields(rings(t, dir))
	if held[1] != held[2] || held[2] != held[3] || held[4] != "0.1.1" {
		t.Errorf("after the merge the rings have %s", held)
	}
	if out, _, code := quoit(t, dir, "verify"); code != 0 {
		t.Errorf("verify: exit code %d\n%s", code, out)
	}
}

// The newest shift moved another ring than the one in trouble, which is taken back at once
// and no other is.
func TestUnshiftOfOneRing(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	mustQuoit(t, dir, "shift")
	edit(t, dir, "bad")
	publish(t, dir, prefix, "developers")
	for range 3 {
		mustQuoit(t, dir, "shift")
	}
	wantRings(t, dir, "- 0.2.0 0.2.0 0.2.0 0.2.0")
	if out := mustQuoit(t, dir, "unshift", "users"); !strings.Contains(out, "users  0.2.0  0.1.0") || !strings.Contains(out, "(record 5") {
		t.Errorf("unshift says\n%s", out)
	}
	wantRings(t, dir, "- 0.2.0 0.2.0 0.1.0 0.2.0")
	if out := mustQuoit(t, dir, "status"); strings.Count(out, "held: ") != 1 || !strings.Contains(out, "held: users, ") {
		t.Errorf("status:\n%s", out)
	}
	mustQuoit(t, dir, "unshift", "users", "testers", "post") // each its own
	wantRings(t, dir, "- 0.2.0 0.1.0 - 0.1.0")
	if _, stderr, code := quoit(t, dir, "unshift", "users", "testers"); code != 1 || !strings.Contains(stderr, "`quoit set users VERSION`") || !strings.Contains(stderr, "(nothing was written)") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	wantRings(t, dir, "- 0.2.0 0.1.0 - 0.1.0")
	if out, _, code := quoit(t, dir, "verify"); code != 0 {
		t.Errorf("verify: exit code %d\n%s", code, out)
	}
}

func TestRingMistakes(t *testing.T) {
	t.Parallel()
	dir, _ := small(t)
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an unknown ring":     {[]string{"hold", "tester", "--reason", "x"}, 64, `did you mean "testers"?`},
		"no reason":           {[]string{"hold", "users"}, 64, "say why with --reason"},
		"a shift inward":      {[]string{"shift", "--from", "users", "--to", "testers"}, 64, "nothing shifts from users to testers"},
		"no version":          {[]string{"set", "users", "latest"}, 64, "latest"},
		"another's discard":   {[]string{"set", "users", "0.1.0", "--discard", "post"}, 64, "only users changes"},
		"a missing argument":  {[]string{"set", "users"}, 64, "wants RING VERSION, found 1 arguments"},
		"nothing to undo":     {[]string{"unshift"}, 1, "there is no shift to undo"},
		"an unknown release":  {[]string{"set", "users", "0.1.0"}, 1, "the log has no release 0.1.0 of deploy"},
		"merging an empty":    {[]string{"build", "--merge", "users"}, 1, "QUOIT_MERGE: users has no release"},
		"merging an unknown":  {[]string{"build", "--merge", "user"}, 1, `did you mean "users"?`},
		"a control character": {[]string{"hold", "users", "--reason", "a\nb"}, 64, "one line"},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := quoit(t, dir, test.args...)
			if code != test.code || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, want %d; it does not say %q:\n%s", code, test.code, test.want, stderr)
			}
		})
	}
}
