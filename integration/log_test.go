//go:build stack

package integration

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/labels"
)

// history is what quoit history says of a project.
func history(t *testing.T, dir string, flags ...string) (records []logged) {
	t.Helper()
	var result struct{ Records []logged }
	if err := json.Unmarshal([]byte(mustQuoit(t, dir, append([]string{"history", "-o", "json"}, flags...)...)), &result); err != nil {
		t.Fatal(err)
	}
	return result.Records
}

// logged is what matters here of a record.
type logged struct {
	Number                    int
	Operation, Actor, Message string
	Moves                     []struct{ Ring, From, To string }
}

// brief is a record in one line.
func (l logged) brief() string {
	text := strings.Join([]string{l.Operation, l.Actor, l.Message}, " ")
	for _, move := range l.Moves {
		text += " " + move.Ring + ":" + move.From + ">" + move.To
	}
	return text
}

func TestHistory(t *testing.T) {
	t.Setenv("QUOIT_ACTOR", "ann")
	dir, prefix := small(t)
	if got := mustQuoit(t, dir, "history"); !strings.HasPrefix(got, "nothing was published to ") {
		t.Errorf("before the first publish it says %q", got)
	}
	if got := mustQuoit(t, dir, "verify"); !strings.Contains(got, " has no log: ") {
		t.Errorf("before the first publish verify says %q", got)
	}
	mustQuoit(t, dir, "build", "--push", "--message", "the first one")
	edit(t, dir, "2")
	mustQuoit(t, dir, "build", "--push")
	edit(t, dir, "hotfix")
	mustQuoit(t, dir, "build", "--push", "--ring", "users", "--message", "a\nhotfix")

	want := []string{"publish ann a\nhotfix users:>0.1.2", "publish ann  developers:0.1.0>0.1.1", "publish ann the first one developers:>0.1.0"}
	var got []string
	for _, record := range history(t, dir) {
		got = append(got, record.brief())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if got := history(t, dir, "-n", "1"); len(got) != 1 || got[0].Number != 3 {
		t.Errorf("the newest one is %+v", got)
	}
	table := mustQuoit(t, dir, "history")
	for _, want := range []string{"NUMBER", "developers: 0.1.0 → 0.1.1", "users: 0.1.2", "the first one"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	if got := mustQuoit(t, dir, "verify"); !strings.Contains(got, " is whole: 3 records, 2 rings, 6 images") {
		t.Errorf("verify says %q", got)
	}
	if got := mustQuoit(t, dir, "verify", "users"); !strings.Contains(got, " is whole: 3 records, 1 rings, 3 images") {
		t.Errorf("verify says %q", got)
	}
	checkWhole(t, prefix)
}

// tampering is what others do to a project of two releases, in which the ring
// developers has 0.1.1, and what is said of it.
var tampering = map[string]struct {
	tag  string // below the project, that is written
	do   func(t *testing.T, ref, prefix string)
	next string // what verify says to do
	// publish is what the next publish says, "" if it does not build on it.
	publish string
}{
	"the ring's tag is moved by hand": {
		tag:  "deploy:developers",
		do:   forge(func(release map[string]any) { release["commit"] = "another" }),
		next: "`quoit repair`", publish: "put it back with `quoit repair`",
	},
	"a version's tag is overwritten": {
		tag:  "s000:0.1.1",
		do:   func(t *testing.T, ref, _ string) { putLabels(t, ref, map[string]string{"whose": "another's"}) },
		next: "`quoit repair`",
	},
	"a version's tag that another image is built on is overwritten": { // which comes by the log's digest
		tag:  "base:0.1.0",
		do:   func(t *testing.T, ref, _ string) { putLabels(t, ref, map[string]string{"whose": "another's"}) },
		next: "`quoit repair`",
	},
	"an older version's tag is deleted": {
		tag:  "s000:0.1.0",
		do:   func(t *testing.T, ref, _ string) { crane(t, "delete", ref) },
		next: "`quoit repair`",
	},
	"a release's label is forged": {
		tag:  "deploy:0.1.1",
		do:   forge(func(release map[string]any) { release["source"] = "https://example.com/another" }),
		next: "`quoit repair`",
	},
	"the newest record is removed": {
		tag:  "records:record-00000002",
		do:   func(t *testing.T, ref, _ string) { crane(t, "delete", ref) },
		next: "`quoit repair`", publish: "the tag records is ",
	},
	"an older record is removed": {
		tag:  "records:record-00000001",
		do:   func(t *testing.T, ref, _ string) { crane(t, "delete", ref) },
		next: "`quoit repair`",
	},
	"a record is altered": {
		tag:  "records:record-00000002",
		do:   func(t *testing.T, ref, _ string) { putLabels(t, ref, map[string]string{labels.Record: "{}"}) },
		next: "`quoit repair`", publish: "the tag records is ",
	},
}

// forge lets a tag name an image with the labels of the ring's release, and
// another release.
func forge(change func(release map[string]any)) func(t *testing.T, ref, prefix string) {
	return func(t *testing.T, ref, prefix string) {
		have := maps.Clone(config(t, prefix+"/deploy:developers").Config.Labels)
		var release map[string]any
		if err := json.Unmarshal([]byte(have[labels.Release]), &release); err != nil {
			t.Fatal(err)
		}
		change(release)
		data, err := json.Marshal(release)
		if err != nil {
			t.Fatal(err)
		}
		have[labels.Release] = string(data)
		putLabels(t, ref, have)
	}
}

func TestTampering(t *testing.T) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	edit(t, dir, "2")
	publish(t, dir, prefix, "developers")
	edit(t, dir, "3")
	for name, test := range tampering {
		t.Run(name, func(t *testing.T) {
			ref := prefix + "/" + test.tag
			before := digestOf(t, ref)
			test.do(t, ref, prefix)
			defer func() {
				mustQuoit(t, dir, "repair") // as it was told
				if now := digestOf(t, ref); now != before {
					t.Errorf("it was put back to %s", now)
				}
				if out, _, code := quoit(t, dir, "verify"); code != 0 {
					t.Errorf("after it was put back, verify says: %s", out)
				}
			}()
			out, stderr, code := quoit(t, dir, "verify")
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.HasPrefix(line, ref+": ") && strings.Contains(line, test.next)
			}
			if code != 1 || !found {
				t.Errorf("verify: exit code %d, no line has %q and %q:\n%s%s", code, ref, test.next, out, stderr)
			}
			if test.publish == "" {
				return
			}
			got := runQuoit(t.Context(), dir, stack.Registry, "build", "--push")
			if got.code != 1 || !strings.Contains(got.stderr, test.publish) || !strings.Contains(got.stderr, "quoit verify") && !strings.Contains(got.stderr, ref) {
				t.Errorf("publish: exit code %d, it does not say %q:\n%s", got.code, test.publish, got.stderr)
			}
		})
	}
	if got := publish(t, dir, prefix, "developers")["s000"]; got != "0.1.2" {
		t.Errorf("s000 is %s, want 0.1.2", got)
	}
}

func TestMovedRingSaysWho(t *testing.T) {
	t.Setenv("QUOIT_ACTOR", "ann")
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	other := copyOf(t, dir)
	edit(t, dir, "2")
	edit(t, other, "another length: files are sent if their size or time differs")
	p := startProxy(t)
	read := byQuoit("GET", proxy.Manifest("records", "records"))
	p.Use(proxy.Rule{Match: read, Skip: 1, Times: 1, Fault: proxy.Before(func(proxy.Request) {
		if got := runQuoit(t.Context(), other, stack.Registry, "build", "--push", "--message", "was faster"); got.code != 0 {
			t.Errorf("the other one: exit code %d\n%s", got.code, got.stderr)
		}
	})})
	got := runQuoit(t.Context(), dir, p.Host, "build", "--push")
	if got.code != 3 {
		t.Errorf("exit code %d\n%s", got.code, got.stdout)
	}
	for _, want := range []string{"ring developers moved since the plan was made, from 0.1.0 to 0.1.1 by ann at ", `"was faster"`, "run the build again"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, got.stderr)
		}
	}
}

func TestTheLogOfAProjectThatHadNone(t *testing.T) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	crane(t, "tag", prefix+"/deploy:developers", "users")
	for _, tag := range tagsOf(t, prefix+"/records") {
		crane(t, "delete", prefix+"/records:"+tag) // as if an older quoit had published
	}
	edit(t, dir, "2")
	got := runQuoit(t.Context(), dir, stack.Registry, "build", "--push")
	if got.code == 0 || !strings.Contains(got.stderr, "quoit take-over developers") {
		t.Errorf("a build before it is taken over: exit code %d\n%s", got.code, got.stderr)
	}
	mustQuoit(t, dir, "take-over", "developers", "users", "--yes")
	want := map[string]string{"base": "0.1.0", "s000": "0.2.0", "deploy": "0.2.0"}
	if diff := cmp.Diff(want, publish(t, dir, prefix, "developers")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	var all []string
	for _, record := range history(t, dir) {
		all = append(all, strings.Replace(record.brief(), record.Actor, "", 1))
	}
	if diff := cmp.Diff([]string{"publish   developers:0.1.0>0.2.0", "adopt   developers:>0.1.0 users:>0.1.0"}, all); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if out, _, code := quoit(t, dir, "verify"); code != 0 {
		t.Errorf("verify: exit code %d\n%s", code, out)
	}
}
