//go:build stack

package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// tagReads are what the registry was asked of tags of a project while do ran, without the
// log's: "HEAD deploy:users by quoit", each once, sorted.
func tagReads(t *testing.T, prefix string, do func()) []string {
	t.Helper()
	mark := stack.RegistryMark()
	do()
	all, err := stack.RequestsSince(mark)
	if err != nil {
		t.Fatal(err)
	}
	reads := []string{}
	for _, r := range proxy.InRepository(all, repository(prefix)) {
		image := strings.TrimPrefix(r.Repository(), repository(prefix)+"/")
		if r.Kind() == "tags" && image != "records" {
			reads = append(reads, "the tags of "+image)
		}
		if r.Kind() != "manifests" || proxy.IsWrite(r) || image == "records" || strings.HasPrefix(r.Identifier(), "sha256:") {
			continue
		}
		who := "somebody"
		if strings.HasPrefix(r.UserAgent, "quoit/") {
			who = "quoit"
		}
		reads = append(reads, r.Method+" "+image+":"+r.Identifier()+" by "+who)
	}
	slices.Sort(reads)
	return slices.Compact(reads)
}

// TestWhatDecidesReadsTheLog: of all that plan, build, deploy, diff, bootstrap and watch
// ask the registry, nothing that decides reads a version's or a ring's tag. A HEAD of a
// ring's tag only says that somebody has moved it; a publish looks at the tags that it is
// about to write. Then every such tag names another image, and nothing changes.
func TestWhatDecidesReadsTheLog(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	look := []string{"HEAD deploy:developers by quoit"}
	says := map[string]string{} // what each command prints, the last time
	check := func(want []string, args ...string) {
		t.Helper()
		var stdout, stderr string
		code := 0
		got := tagReads(t, s.prefix, func() { stdout, stderr, code = quoit(t, s.dir, args...) })
		if code != 0 {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		// Nobody else's tags are looked at to say what was moved.
		got = slices.DeleteFunc(got, func(read string) bool {
			return slices.Contains(want, read) || strings.HasPrefix(read, "HEAD deploy:") && !strings.Contains(read, ".") && len(want) > 0
		})
		if len(got) > 0 {
			t.Errorf("%q reads tags: %q", args, got)
		}
		says[args[0]], _, _ = strings.Cut(stdout, `"warnings"`) // of the plan
	}
	all := func() {
		check(look, "plan", "-o", "json")
		check(nil, "bootstrap", "eu")
		check(look, "diff", "eu")
		check(look, "deploy", "eu", "--dry-run")
	}
	check(look, "deploy", "eu")
	write(t, s.dir, "app/Dockerfile", "FROM busybox\nRUN echo another\n")
	check(nil, "plan", "--ring", "none")
	check(append(slices.Clone(look), "HEAD app:0.1.1 by quoit", "HEAD deploy:1.0.1 by quoit"), "build", "--push")
	check(nil, "build", "--push") // there is nothing to do
	check(look, "deploy", "eu")
	all()

	w := watch(t, s.dir, "eu")
	w.poll(t, 2)
	w.asksTheLog(t, s.name, "developers", false)
	w.end(t)

	for _, image := range []string{"app", "deploy"} {
		for _, tag := range strings.Fields(crane(t, "ls", s.prefix+"/"+image)) {
			crane(t, "copy", stack.Ref("library/busybox:latest"), s.prefix+"/"+image+":"+tag)
		}
	}
	before := maps.Clone(says)
	all()
	if diff := cmp.Diff(before, says); diff != "" {
		t.Errorf("(-before the tags moved +now):\n%s", diff)
	}
	if got := says["diff"]; !strings.Contains(got, "0 of 2 objects would be changed") {
		t.Errorf("it runs something else:\n%s", got)
	}
	w = watch(t, s.dir, "eu", "--resync", "1s", "--correct")
	w.find(t, `going on by the log: (\S+/deploy:developers): it is `)
	w.waitMetric(t, `quoit_site_drifted_objects{site="eu"} 0`)
	w.end(t)
	for _, args := range [][]string{{"status"}, {"verify"}, {"shift"}} {
		if stdout, stderr, _ := quoit(t, s.dir, args...); !strings.Contains(stdout+stderr, "/deploy:developers: it is ") || !strings.Contains(stdout+stderr, "quoit repair") {
			t.Errorf("%q does not name the moved tag:\n%s%s", args, stdout, stderr)
		}
	}
}
