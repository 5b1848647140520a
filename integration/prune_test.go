//go:build stack

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// aged is a small project: 0.1.0 is in testers, and of four later releases the
// last one in developers.
func aged(t *testing.T) (dir, prefix string) {
	t.Helper()
	dir, prefix = small(t)
	publish(t, dir, prefix, "developers")
	mustQuoit(t, dir, "shift", "--to", "testers")
	for i := range 4 {
		edit(t, dir, fmt.Sprint("a change ", i))
		publish(t, dir, prefix, "developers")
	}
	return dir, prefix
}

func TestPrune(t *testing.T) {
	t.Parallel()
	dir, prefix := aged(t)
	dry := mustQuoit(t, dir, "prune", "--keep", "1", "--dry-run")
	if out, _, code := quoit(t, dir, "verify"); code != 0 {
		t.Fatalf("verify: %s", out)
	}
	pruned := mustQuoit(t, dir, "prune", "--keep", "1", "--message", "room")
	if diff := cmp.Diff(dry, pruned); diff != "" {
		t.Errorf("(-dry +wet):\n%s", diff)
	}
	for _, want := range []string{"2 releases are not needed, 3 stay", "  deploy 0.2.0 0.2.1\n", "  s000 0.2.0 0.2.1\n"} {
		if !strings.Contains(pruned, want) {
			t.Errorf("it does not say %q:\n%s", want, pruned)
		}
	}
	stone := digestOf(t, prefix+"/s000:0.2.0")
	if other := digestOf(t, prefix+"/deploy:0.2.1"); stone != other {
		t.Errorf("pruned versions are %s and %s", stone, other)
	}
	if out := mustQuoit(t, dir, "verify"); !strings.Contains(out, " is whole: 7 records") {
		t.Errorf("verify: %s", out)
	}
	if out := mustQuoit(t, dir, "prune", "--keep", "1"); !strings.Contains(out, "has nothing to prune") {
		t.Errorf("again: %s", out)
	}
	if got := history(t, dir, "-n", "1")[0]; got.Operation != "prune" || got.Message != "room" {
		t.Errorf("the newest record is %+v", got)
	}
	if _, stderr, code := quoit(t, dir, "set", "users", "0.2.0"); code != 1 || !strings.Contains(stderr, "release 0.2.0 was pruned and cannot come back") {
		t.Errorf("set: exit code %d\n%s", code, stderr)
	}

	// The next versions are found among tags that name nothing.
	edit(t, dir, "a hotfix")
	if diff := cmp.Diff("0.1.1", publish(t, dir, prefix, "testers")["s000"]); diff != "" {
		t.Error(diff)
	}
	edit(t, dir, "a first release for users")
	publish(t, dir, prefix, "users")
	if out, _, code := quoit(t, dir, "verify"); code != 0 {
		t.Errorf("verify: %s", out)
	}
	if again := digestOf(t, prefix+"/s000:0.2.0"); again != stone {
		t.Errorf("a pruned version was used again: %s", again)
	}
}

// TestPruneKilledAtEveryWrite kills prunes, builds, and prunes again.
func TestPruneKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	dir, _ := aged(t)
	p := startProxy(t)
	if got := runQuoit(t.Context(), dir, p.Host, "prune", "--keep", "1"); got.code != 0 {
		t.Fatal(got.stderr)
	}
	var writes []string
	for _, request := range p.Requests() {
		if proxy.IsWrite(request) {
			writes = append(writes, request.Method+" "+path.Base(request.Repository())+" "+request.Kind())
		}
	}
	t.Logf("%d writes", len(writes))
	step := 4
	if os.Getenv("QUOIT_TEST_LONG") != "" {
		step = 1
	}
	for k := 0; k < len(writes); k += step {
		t.Run(fmt.Sprintf("at write %d, %s", k+1, writes[k]), func(t *testing.T) {
			t.Parallel()
			dir, prefix := aged(t)
			killPrune(t, dir, k+1)
			checkWhole(t, prefix)
			if out, _, code := quoit(t, dir, "verify"); code != 0 {
				t.Errorf("verify: %s", out)
			}
			edit(t, dir, "one more")
			publish(t, dir, prefix, "testers")
			mustQuoit(t, dir, "prune", "--keep", "1")
			checkWhole(t, prefix)
			if out, _, code := quoit(t, dir, "verify"); code != 0 {
				t.Errorf("verify: %s", out)
			}
			var result struct{ Releases, Tags []json.RawMessage }
			if err := json.Unmarshal([]byte(mustQuoit(t, dir, "prune", "--keep", "1", "-o", "json")), &result); err != nil {
				t.Fatal(err)
			}
			if len(result.Releases)+len(result.Tags) > 0 {
				t.Errorf("something is left: %+v", result)
			}
		})
	}
}

// killPrune prunes, and kills the process when its k-th write was carried out.
func killPrune(t *testing.T, dir string, k int) {
	t.Helper()
	p := startProxy(t)
	cmd := stack.Command(t.Context(), quoitRun, "prune", "--keep", "1")
	cmd.Env = append(cmd.Env, "QUOIT_REGISTRY="+p.Host)
	cmd.Dir = dir
	killAt(t, cmd, p, k, proxy.IsWrite, true)
}
