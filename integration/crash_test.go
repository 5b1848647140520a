//go:build stack

package integration

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	kit "github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// tagging chooses the writes of tags by quoit itself: of the log, of versions
// and of rings.
func tagging(r proxy.Request) bool {
	return byQuoit("PUT", func(r proxy.Request) bool {
		return r.Kind() == "manifests" && !strings.HasPrefix(r.Identifier(), "sha256:")
	})(r)
}

// crashProject makes a project with one release and a change that is to be
// published: a new step, which no cache can have, below other images.
type crashProject struct {
	name string
	make func(t *testing.T) (dir, prefix string)
}

var crashSmall = crashProject{"small", func(t *testing.T) (string, string) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	write(t, dir, "base/Dockerfile", "FROM busybox\nRUN echo "+prefix+" > /base\n")
	return dir, prefix
}}

var crashShop = crashProject{"shop", func(t *testing.T) (string, string) {
	dir, prefix := project(t, "shop")
	publish(t, dir, prefix, "developers")
	replace(t, dir, "images/base/Dockerfile", "COPY motd", "RUN echo "+prefix+" > /etc/changed\nCOPY motd")
	return dir, prefix
}}

// crashProjects are those whose every point is tried.
func crashProjects() []crashProject {
	if os.Getenv("QUOIT_TEST_LONG") != "" {
		return []crashProject{crashSmall, crashShop}
	}
	return []crashProject{crashSmall}
}

func TestCrashAtEveryTag(t *testing.T) {
	points := 0
	logPoints(t, &points)
	for _, p := range crashProjects() {
		want, requests := p.undisturbed(t)
		for k, tag := range tagNames(requests) {
			for _, done := range []bool{false, true} {
				if !done && k > 0 && os.Getenv("QUOIT_TEST_LONG") == "" {
					continue // the registry is as after the tag before
				}
				points++
				t.Run(fmt.Sprintf("%s, killed %s %s", p.name, moment(done), tag), func(t *testing.T) {
					t.Parallel()
					v := p.victim(t)
					v.kill(t, k+1, tagging, done)
					v.afterwards(t, want)
				})
			}
		}
	}
}

// TestCrashAtAVoteAgainst is killed at the no tag that it writes because of what
// an earlier one, killed too, has tried.
func TestCrashAtAVoteAgainst(t *testing.T) {
	marked := func(mark records.Mark) func(proxy.Request) bool {
		return func(r proxy.Request) bool {
			name, _ := records.ParseName(r.Identifier())
			return tagging(r) && name.Mark == mark
		}
	}
	for _, p := range crashProjects() {
		want, _ := p.undisturbed(t)
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %s it", p.name, moment(done)), func(t *testing.T) {
				t.Parallel()
				v := p.victim(t)
				v.kill(t, 1, marked(records.Try), true)
				v.kill(t, 1, marked(records.No), done)
				v.afterwards(t, want)
			})
		}
	}
}

func moment(done bool) string {
	if done {
		return "after"
	}
	return "before"
}

// logPoints tells at the end how many points there were.
func logPoints(t *testing.T, points *int) {
	begin := time.Now()
	t.Cleanup(func() { t.Logf("%d points in %s", *points, time.Since(begin).Round(time.Second)) })
}

// undisturbed publishes without a crash, and returns the release and what the
// registry was asked, in order.
func (p crashProject) undisturbed(t *testing.T) (versioning.Release, []proxy.Request) {
	t.Helper()
	dir, prefix := p.make(t)
	through := startProxy(t)
	if got := runQuoit(t.Context(), dir, through.Host, "build", "--push"); got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, got.stderr)
	}
	return release(t, prefix+"/deploy:developers"), through.Requests()
}

// tagNames names the tags that quoit wrote, for people.
func tagNames(requests []proxy.Request) []string {
	var tags []string
	for _, request := range requests {
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
	return tags
}

// victim is a project whose publishes are killed.
type victim struct {
	dir, prefix  string
	was, planned versioning.Release // before the first of them
	mark         kit.HistoryMark
	registries   []string // one for each of them
}

func (p crashProject) victim(t *testing.T) *victim {
	t.Helper()
	dir, prefix := p.make(t)
	mark, err := stack.HistoryMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &victim{
		dir: dir, prefix: prefix, mark: mark,
		was: release(t, prefix+"/deploy:developers"), planned: plan(t, dir).Release(),
	}
}

// proxy is one for a single publish, to know its build by.
func (v *victim) proxy(t *testing.T) *proxy.Proxy {
	t.Helper()
	p := startProxy(t)
	v.registries = append(v.registries, p.Host)
	return p
}

// kill publishes and kills the process at its k-th request that match chooses,
// when everything is built.
func (v *victim) kill(t *testing.T, k int, match func(proxy.Request) bool, done bool) {
	t.Helper()
	p := v.proxy(t)
	cmd := stack.Command(t.Context(), quoitRun, "build", "--push")
	cmd.Env = append(cmd.Env, "QUOIT_REGISTRY="+p.Host)
	cmd.Dir = v.dir
	killAt(t, cmd, p, k, match, done)
	checkWhole(t, v.prefix)
	recorded(t, v.prefix)
}

// afterwards runs the same command again, which has to end as if nothing had been.
func (v *victim) afterwards(t *testing.T, want versioning.Release) {
	t.Helper()
	before := recorded(t, v.prefix)
	again := v.proxy(t)
	if got := runQuoit(t.Context(), v.dir, again.Host, "build", "--push"); got.code != 0 {
		t.Fatalf("again: exit code %d\n%s", got.code, got.stderr)
	}
	got := release(t, v.prefix+"/deploy:developers")
	if diff := cmp.Diff(unnamed(want), unnamed(got)); diff != "" {
		t.Errorf("release (-undisturbed +disturbed):\n%s", diff)
	}
	if diff := cmp.Diff(v.planned, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("release (-planned +disturbed):\n%s", diff)
	}
	v.checkExecuted(t)
	checkWhole(t, v.prefix)
	after := recorded(t, v.prefix)
	for tag, digest := range before {
		if after[tag] != digest {
			t.Errorf("%s:%s was %s and is %s", tag.Repository, tag.Tag, digest, after[tag])
		}
	}
	if out := mustQuoit(t, v.dir, "build", "--push"); !strings.Contains(out, "nothing to do") {
		t.Errorf("what was released is not what the sources are:\n%s", out)
	}
	if out, _, code := quoit(t, v.dir, "verify"); code != 0 {
		t.Errorf("verify: exit code %d\n%s", code, out)
	}
}

// checkExecuted checks that the first publish, which was killed when all was
// built, executed the changed step, and that no later one executed a step again.
func (v *victim) checkExecuted(t *testing.T) {
	t.Helper()
	for i, registry := range v.registries {
		steps, err := stack.ExecutedSince(t.Context(), v.mark, "build-arg:"+frontend.ArgRegistry, registry)
		if i > 0 && errors.Is(err, kit.ErrNoBuild) {
			continue // what was left undone was all that there was to do
		}
		if err != nil {
			t.Fatal(err)
		}
		changed := func(step string) bool { return strings.Contains(step, "RUN echo "+v.prefix) }
		if i == 0 && !slices.ContainsFunc(steps, changed) {
			t.Errorf("the changed step was not executed: %q", steps)
		}
		// What the command sends is hashed whatever BuildKit remembers.
		steps = slices.DeleteFunc(steps, func(step string) bool { return step == "[internal] hash what the images read" })
		if i > 0 && len(steps) > 0 {
			t.Errorf("executed again: %q", steps)
		}
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
	p, err := store.Open(host, name, registry.Options{})
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
		for _, tag := range tagsOf(t, prefix+"/"+image) {
			if _, err := versioning.Parse(tag); err != nil {
				continue
			}
			key := records.Content{Repository: image, Tag: tag}
			all[key] = digestOf(t, prefix+"/"+image+":"+tag)
			if assigned[key] != all[key] {
				t.Errorf("%s:%s is %s, the log says %q", image, tag, all[key], assigned[key])
			}
		}
	}
	return all
}
