package integration

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/records"
	"github.com/quoitbuild/quoit/versioning"
)

// tagging chooses the writes of tags by quoit itself: of the log, of versions
// and of rings.
func tagging(r testkit.Request) bool {
	return byQuoit("PUT", func(r testkit.Request) bool {
		return r.Kind() == "manifests" && !strings.HasPrefix(r.Identifier(), "sha256:")
	})(r)
}

// crashProject makes a project with one release and a change that is to be published.
type crashProject struct {
	name string
	make func(t *testing.T) (dir, prefix string)
}

var crashSmall = crashProject{"small", func(t *testing.T) (string, string) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	write(t, dir, "base/Dockerfile", "FROM busybox\nRUN echo 2 > /base\n")
	return dir, prefix
}}

var crashShop = crashProject{"shop", func(t *testing.T) (string, string) {
	dir, prefix := project(t, "shop")
	publish(t, dir, prefix, "developers")
	replace(t, dir, "images/base/Dockerfile", "FROM ", "# changed\nFROM ")
	return dir, prefix
}}

func TestCrashAtEveryTag(t *testing.T) {
	projects := []crashProject{crashSmall}
	if os.Getenv("QUOIT_TEST_LONG") != "" {
		projects = append(projects, crashShop)
	}
	for _, p := range projects {
		want, tags := p.undisturbed(t)
		for k, tag := range tags {
			for _, done := range []bool{false, true} {
				if !done && k > 0 && os.Getenv("QUOIT_TEST_LONG") == "" {
					continue // the registry is as after the tag before
				}
				moment := map[bool]string{false: "before", true: "after"}[done]
				t.Run(fmt.Sprintf("%s, killed %s %s", p.name, moment, tag), func(t *testing.T) {
					t.Parallel()
					dir, prefix := p.make(t)
					kill(t, dir, prefix, k+1, tagging, done)
					afterwards(t, dir, prefix, want)
				})
			}
		}
	}
}

// TestCrashAtAVoteAgainst is killed at the no tag that it writes because of what
// an earlier one, killed too, has tried.
func TestCrashAtAVoteAgainst(t *testing.T) {
	want, _ := crashSmall.undisturbed(t)
	marked := func(mark records.Mark) func(testkit.Request) bool {
		return func(r testkit.Request) bool {
			name, _ := records.ParseName(r.Identifier())
			return tagging(r) && name.Mark == mark
		}
	}
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("done %v", done), func(t *testing.T) {
			t.Parallel()
			dir, prefix := crashSmall.make(t)
			kill(t, dir, prefix, 1, marked(records.Try), true)
			kill(t, dir, prefix, 1, marked(records.No), done)
			afterwards(t, dir, prefix, want)
		})
	}
}

// undisturbed publishes without a crash, and returns the release and what was
// tagged, in order.
func (p crashProject) undisturbed(t *testing.T) (versioning.Release, []string) {
	t.Helper()
	dir, prefix := p.make(t)
	through := proxy(t)
	if got := runQuoit(t.Context(), dir, through.Host, "build", "--push"); got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, got.stderr)
	}
	var tags []string
	for _, request := range through.Requests() {
		if !tagging(request) {
			continue
		}
		tag := path.Base(request.Repository()) + ":" + request.Identifier()
		switch name, ok := records.ParseName(request.Identifier()); {
		case ok && name.Mark == records.Decided:
			tag = "the record"
		case ok:
			tag = "the log's " + string(name.Mark)
		}
		tags = append(tags, tag)
	}
	return release(t, prefix+"/deploy:developers"), tags
}

// kill publishes and kills the process at its k-th request that match chooses.
func kill(t *testing.T, dir, prefix string, k int, match func(testkit.Request) bool, done bool) {
	t.Helper()
	p := proxy(t)
	cmd := stack.Command(t.Context(), quoitFile, "build", "--push")
	cmd.Env = append(cmd.Env, "QUOIT_REGISTRY="+p.Host)
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	dead, killed := make(chan struct{}), false
	p.Use(testkit.CrashAt(k, match, done, func(testkit.Request) {
		killed = true
		_ = cmd.Process.Kill() // if it is gone already, the test fails below
		<-dead
	}))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	close(dead)
	p.Close()
	if !killed || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("it was not killed: exit code %d\n%s", cmd.ProcessState.ExitCode(), output.String())
	}
	checkWhole(t, prefix)
	recorded(t, prefix)
}

// afterwards runs the same command again, which has to end as if nothing had been.
func afterwards(t *testing.T, dir, prefix string, want versioning.Release) {
	t.Helper()
	before := recorded(t, prefix)
	mustQuoit(t, dir, "build", "--push")
	if diff := cmp.Diff(unnamed(want), unnamed(release(t, prefix+"/deploy:developers"))); diff != "" {
		t.Errorf("release (-undisturbed +disturbed):\n%s", diff)
	}
	checkWhole(t, prefix)
	after := recorded(t, prefix)
	for tag, digest := range before {
		if after[tag] != digest {
			t.Errorf("%s:%s was %s and is %s", tag.Repository, tag.Tag, digest, after[tag])
		}
	}
	if out := mustQuoit(t, dir, "build", "--push"); !strings.Contains(out, "nothing to do") {
		t.Errorf("what was released is not what the sources are:\n%s", out)
	}
	if out, _, code := quoit(t, dir, "verify"); code != 0 {
		t.Errorf("verify: exit code %d\n%s", code, out)
	}
}

// unnamed is what has to be equal in releases of projects of two names. Revisions
// are not: container files may have the name.
func unnamed(r versioning.Release) map[string]versioning.Image {
	images := map[string]versioning.Image{}
	for name, image := range r.Images {
		image.Revision = ""
		images[name] = image
	}
	return images
}

// recorded returns all version tags, each of which has to be in a record.
func recorded(t *testing.T, prefix string) map[records.Content]string {
	t.Helper()
	host, name, _ := strings.Cut(prefix, "/")
	p, err := registry.Open(host, name, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	history, err := p.History(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	assigned, images := map[records.Content]string{}, map[string]bool{}
	for _, sealed := range history {
		for _, tag := range sealed.Record.Versions() {
			assigned[records.Content{Repository: tag.Repository, Tag: tag.Tag}] = tag.Digest
			images[tag.Repository] = true
		}
	}
	all := map[records.Content]string{}
	for image := range images {
		for _, tag := range strings.Fields(crane(t, "ls", prefix+"/"+image)) {
			if _, err := versioning.Parse(tag); err != nil {
				continue
			}
			key := records.Content{Repository: image, Tag: tag}
			all[key] = crane(t, "digest", prefix+"/"+image+":"+tag)
			if assigned[key] != all[key] {
				t.Errorf("%s:%s is %s, the log says %q", image, tag, all[key], assigned[key])
			}
		}
	}
	return all
}
