//go:build stack

package integration

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
)

// gated publishes a project whose image smoke may be a gate, as 0.1.0.
func gated(t *testing.T) (dir, prefix string) {
	t.Helper()
	dir = t.TempDir()
	own := "t" + strings.ToLower(rand.Text()[:10]) + "/gated"
	write(t, dir, "head", "project: "+own+"\nregistry: registry.example.com\nroot: deploy\nimages: {deploy: deploy, smoke: smoke}\n")
	write(t, dir, "deploy/Dockerfile", "FROM scratch\nCOPY content /\n")
	write(t, dir, "deploy/content", "1")
	write(t, dir, "smoke/Dockerfile", "FROM busybox\nENV OF_THE_IMAGE=yes\nWORKDIR /work\nUSER 1000:1000\nCMD [\"sh\", \"-c\", \"echo what the image runs\"]\n")
	gates(t, dir, "{}")
	mustQuoit(t, dir, "build", "--push")
	return dir, stack.Ref(own)
}

// gates writes the project's gates.
func gates(t *testing.T, dir, text string) {
	t.Helper()
	head, err := os.ReadFile(filepath.Join(dir, "head"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "quoit.yaml", string(head)+"gates: "+text+"\n")
}

// shell is a gate before the ring users that runs a script.
func shell(script, more string) string {
	return fmt.Sprintf("{users: {image: smoke, command: [sh, -c, %q]%s}}", script, more)
}

// told are the gates of the newest record.
func told(t *testing.T, dir string) (operation string, gates []records.Gate) {
	t.Helper()
	var result struct {
		Records []struct {
			Operation string
			Gates     []records.Gate
		}
	}
	if err := json.Unmarshal([]byte(mustQuoit(t, dir, "history", "-n", "1", "-o", "json")), &result); err != nil {
		t.Fatal(err)
	}
	return result.Records[0].Operation, result.Records[0].Gates
}

// holds are the versions in rings, - for none.
func holds(t *testing.T, dir string) string {
	t.Helper()
	var result struct {
		Rings []struct{ Ring, Version string }
	}
	if err := json.Unmarshal([]byte(mustQuoit(t, dir, "status", "-o", "json")), &result); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range result.Rings {
		if r.Version == "" {
			r.Version = "-"
		}
		all = append(all, r.Version)
	}
	return strings.Join(all, " ")
}

var logPrefix = regexp.MustCompile(`(?m)^#\d+ \d+\.\d+ `)

// printed is what a gate printed, in what the command shows.
func printed(stderr string) string { return logPrefix.ReplaceAllString(stderr, "") }

func TestAGateThatFailsMovesNothing(t *testing.T) {
	dir, _ := gated(t)
	before := holds(t, dir)
	for name, test := range map[string]struct {
		gate  string
		flags []string
		want  []string
	}{
		"its output is shown": {gate: shell("echo it is broken; exit 3", ""),
			want: []string{"it is broken\n", "gate of ring users: smoke 0.1.0 failed with exit code 3 (nothing was written)"}},
		"its output is shown at the end of a quiet command": {gate: shell("echo it is broken >&2; exit 255", ""), flags: []string{"--progress=quiet"},
			want: []string{"smoke 0.1.0 printed at last:\n  it is broken\n", "failed with exit code 255 (nothing was written)"}},
		"it takes too long": {gate: shell("echo so far; sleep 1000", ", timeout: 1s"),
			want: []string{"smoke 0.1.0 printed at last:\n  so far\n", "gate of ring users: smoke 0.1.0 took longer than 1s (nothing was written)"}},
		"there is no such program": {gate: "{users: {image: smoke, command: [/nonexistent]}}",
			want: []string{`"/nonexistent"`, "(nothing was written)"}},
		"there is nothing to run": {gate: "{users: {image: deploy}}",
			want: []string{"gate of ring users: deploy 0.1.0 could not be run: the image has no entrypoint and no command", "(nothing was written)"}},
	} {
		t.Run(name, func(t *testing.T) {
			gates(t, dir, test.gate)
			_, stderr, code := quoit(t, dir, append([]string{"set", "users", "0.1.0"}, test.flags...)...)
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			for _, want := range test.want {
				if !strings.Contains(printed(stderr), want) {
					t.Errorf("it does not say %q:\n%s", want, stderr)
				}
			}
			if got := holds(t, dir); got != before {
				t.Errorf("the rings have %s, was %s", got, before)
			}
			if operation, _ := told(t, dir); operation != "publish" {
				t.Errorf("the newest record is a %s", operation)
			}
		})
	}
}

func TestAGateThatPassesIsInTheRecord(t *testing.T) {
	dir, prefix := gated(t)
	gates(t, dir, shell("env; id -u; pwd; echo release $(cat $QUOIT_RELEASE)", ""))
	if _, stderr, code := quoit(t, dir, "set", "users", "0.1.0", "--dry-run", "--addr", "unix:///nonexistent"); code != 0 {
		t.Fatalf("a dry run asks the gate: %s", stderr)
	}
	if _, stderr, code := quoit(t, dir, "set", "testers", "0.1.0", "--addr", "unix:///nonexistent"); code != 0 {
		t.Fatalf("a ring without a gate needs a BuildKit: %s", stderr)
	}
	_, stderr, code := quoit(t, dir, "set", "users", "0.1.0")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	smoke, deploy := digestOf(t, prefix+"/smoke:0.1.0"), digestOf(t, prefix+"/deploy:0.1.0")
	project := strings.TrimPrefix(prefix, stack.Ref(""))
	for _, want := range []string{
		"OF_THE_IMAGE=yes\n", "1000\n", "/work\n", "QUOIT_PROJECT=" + project + "\n", "QUOIT_RING=users\n", "QUOIT_VERSION=0.1.0\n",
		"QUOIT_RELEASE_DIGEST=" + deploy + "\n",
		fmt.Sprintf("release { \"deploy\": \"%s/deploy@%s\", \"smoke\": \"%[1]s/smoke@%[3]s\" }\n", prefix, deploy, smoke),
	} {
		if !strings.Contains(printed(stderr), want) {
			t.Errorf("it does not print %q:\n%s", want, stderr)
		}
	}
	operation, got := told(t, dir)
	if diff := cmp.Diff([]records.Gate{{Ring: "users", Image: "smoke", Digest: smoke, Passed: true}}, got); operation != "set" || diff != "" {
		t.Errorf("the record of the %s has (-want +got):\n%s", operation, diff)
	}
	if got := digestOf(t, prefix+"/deploy:users"); got != deploy {
		t.Errorf("the ring has %s, want %s", got, deploy)
	}
}

func TestGatesOfAShift(t *testing.T) {
	dir, _ := gated(t)
	mustQuoit(t, dir, "shift")
	write(t, dir, "deploy/content", "of the second release")
	mustQuoit(t, dir, "build", "--push")
	before := holds(t, dir)
	const quick = "{image: smoke, command: [sh, -c, 'echo before $QUOIT_RING: $QUOIT_VERSION']}"

	gates(t, dir, "{users: {image: smoke, command: [sh, -c, exit 1]}, testers: "+quick+"}")
	_, stderr, code := quoit(t, dir, "shift")
	if code != 1 || !strings.Contains(stderr, "before testers: 0.2.0") || !strings.Contains(stderr, "gate of ring users: smoke 0.1.0 failed with exit code 1") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if got := holds(t, dir); got != before {
		t.Errorf("after one of two gates failed the rings have %s, was %s", got, before)
	}

	gates(t, dir, "{users: {image: smoke}, testers: "+quick+", developers: {image: smoke, command: [sh, -c, exit 1]}}")
	_, stderr, code = quoit(t, dir, "shift")
	if code != 0 || strings.Index(stderr, "before testers: 0.2.0") > strings.Index(stderr, "what the image runs") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	_, got := told(t, dir)
	var rings []string
	for _, gate := range got {
		rings = append(rings, fmt.Sprintf("%s %s %v", gate.Ring, gate.Image, gate.Passed))
	}
	if diff := cmp.Diff([]string{"testers smoke true", "users smoke true"}, rings); diff != "" {
		t.Errorf("gates of the record (-want +got):\n%s", diff)
	}
	mustQuoit(t, dir, "unshift", "testers") // back is never barred
}

func TestGatesAreNeverCached(t *testing.T) {
	dir, _ := gated(t)
	gates(t, dir, shell("echo once $(cat /proc/sys/kernel/random/uuid)", ""))
	seen, once := map[string]bool{}, regexp.MustCompile(`once (\S{36})`)
	mark, err := stack.HistoryMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		_, stderr, code := quoit(t, dir, args...)
		found := once.FindStringSubmatch(stderr)
		if code != 0 || found == nil || seen[found[1]] {
			t.Fatalf("%q: exit code %d\n%s", args, code, stderr)
		}
		seen[found[1]] = true
	}
	run("set", "users", "0.1.0")
	write(t, dir, "deploy/content", "of the second release")
	mustQuoit(t, dir, "build", "--push")
	run("set", "users", strings.Fields(holds(t, dir))[1]) // what developers have
	run("set", "users", "0.1.0", "--discard", "users")
	builds, err := stack.BuildsSince(t.Context(), mark)
	if err != nil {
		t.Fatal(err)
	}
	if len(builds) != 4 {
		t.Errorf("there were %d builds, want three gates and one publish", len(builds))
	}
	if _, stderr, _ := quoit(t, dir, "set", "users", "0.1.0"); once.MatchString(stderr) {
		t.Errorf("the gate was run for nothing:\n%s", stderr)
	}
}

func TestGatesHaveANetworkOnRequest(t *testing.T) {
	dir, _ := gated(t)
	_, port, _ := strings.Cut(stack.Registry, ":")
	connect := "nc -w 5 127.0.0.1 " + port + " </dev/null"
	gates(t, dir, shell(connect, ""))
	if _, stderr, code := quoit(t, dir, "set", "users", "0.1.0"); code != 1 || !strings.Contains(stderr, "can't connect") {
		t.Errorf("without a network: exit code %d\n%s", code, stderr)
	}
	gates(t, dir, shell(connect, ", network: true"))
	if _, stderr, code := quoit(t, dir, "set", "users", "0.1.0"); code != 0 {
		t.Errorf("with a network: exit code %d\n%s", code, stderr)
	}
}

func TestGatesHaveTheirSecrets(t *testing.T) {
	dir, _ := gated(t)
	gates(t, dir, shell("echo it has $(ls /run/secrets), $(cat /run/secrets/token)", ", secrets: [token]"))
	_, stderr, code := quoit(t, dir, "set", "users", "0.1.0")
	want := "gate of ring users: there is no secret token: give it with --secret id=token,src=FILE or --secret id=token,env=VARIABLE (nothing was written)"
	if code != 64 || !strings.Contains(stderr, want) || strings.Contains(stderr, "[gate of ring") {
		t.Errorf("without it: exit code %d\n%s", code, stderr)
	}
	write(t, dir, "secret", "of a file")
	_, stderr, code = quoit(t, dir, "set", "users", "0.1.0", "--secret", "id=token,src="+filepath.Join(dir, "secret"), "--secret", "id=other,env=PATH")
	if code != 0 || !strings.Contains(stderr, "it has token, of a file") {
		t.Errorf("with it: exit code %d\n%s", code, stderr)
	}
}

// TestGatesBelongToTheRelease: what was required when a release was published is asked of
// it, whatever the manifest has become since, and leaving it out is on record.
func TestGatesBelongToTheRelease(t *testing.T) {
	dir, prefix := gated(t)
	gates(t, dir, shell("echo required by $QUOIT_VERSION", ""))
	write(t, dir, "deploy/content", "2")
	mustQuoit(t, dir, "build", "--push")
	gates(t, dir, "{users: {image: smoke, command: [sh, -c, exit 9]}}")
	second := strings.Fields(holds(t, dir))[1] // what developers have
	_, stderr, code := quoit(t, dir, "set", "users", second)
	if code != 0 || !strings.Contains(printed(stderr), "required by "+second+"\n") {
		t.Fatalf("another command today: exit code %d\n%s", code, stderr)
	}

	gates(t, dir, shell("echo it is broken; exit 3", ""))
	write(t, dir, "deploy/content", "3")
	mustQuoit(t, dir, "build", "--push")
	gates(t, dir, "{}")
	before := holds(t, dir)
	third := strings.Fields(before)[1]
	_, stderr, code = quoit(t, dir, "set", "users", third)
	if code != 1 || !strings.Contains(stderr, "gate of ring users: smoke 0.1.0 failed with exit code 3 (nothing was written)") {
		t.Errorf("no gate today: exit code %d\n%s", code, stderr)
	}
	if got := holds(t, dir); got != before {
		t.Errorf("the rings have %s, was %s", got, before)
	}
	mustQuoit(t, dir, "set", "users", third, "--skip-gate", "users", "--reason", "the lab burns", "--addr", "unix:///nonexistent")
	operation, got := told(t, dir)
	want := []records.Gate{{Ring: "users", Image: "smoke", Digest: digestOf(t, prefix+"/smoke:0.1.0"), Skipped: "the lab burns"}}
	if diff := cmp.Diff(want, got); operation != "set" || diff != "" {
		t.Errorf("the record of the %s has (-want +got):\n%s", operation, diff)
	}
	if history := mustQuoit(t, dir, "history", "-n", "1"); !strings.Contains(history, "gate users/smoke skipped: the lab burns") {
		t.Errorf("history says\n%s", history)
	}
}
