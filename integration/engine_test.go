//go:build stack

package integration

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit/engine"
	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/labels"
)

// newcomer is somebody who has Docker Engine, and nothing else that builds.
type newcomer struct {
	t      *testing.T
	engine *engine.Engine
	env    []string
}

func newNewcomer(t *testing.T, classic bool) newcomer {
	t.Helper()
	e, err := stack.StartEngine(t.Context(), classic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return newcomer{t, e, []string{"DOCKER_HOST=" + e.Host, "BUILDKIT_HOST=", "BUILDX_CONFIG=" + t.TempDir()}}
}

// runs runs a command in a folder.
func (n newcomer) runs(dir, name string, args ...string) (stdout, stderr string, code int) {
	n.t.Helper()
	var out, progress bytes.Buffer
	cmd := stack.Command(n.t.Context(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &progress
	cmd.Env = append(append(cmd.Env, n.env...), "XDG_CACHE_HOME="+cacheOf(dir))
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		n.t.Fatal(err)
	}
	return out.String(), progress.String(), cmd.ProcessState.ExitCode()
}

// must is runs for a command that has to succeed.
func (n newcomer) must(dir, name string, args ...string) (stdout string) {
	n.t.Helper()
	stdout, stderr, code := n.runs(dir, name, args...)
	if code != 0 {
		n.t.Fatalf("%s %s: exit code %d\n%s\n%s", name, strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// images are the names that the engine has below a prefix.
func (n newcomer) images(prefix string) []string {
	n.t.Helper()
	var names []string
	for _, name := range strings.Fields(n.must(".", "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")) {
		if below, ok := strings.CutPrefix(name, prefix+"/"); ok {
			names = append(names, below)
		}
	}
	slices.Sort(names)
	return names
}

func TestPublishWithADockerEngine(t *testing.T) {
	n := newNewcomer(t, false)
	dir, prefix := generated(t, 12)
	publishes := func(version string) {
		t.Helper()
		n.must(dir, quoitRun, "build", "--push")
		for name, image := range release(t, prefix+"/deploy:developers").Images {
			got := config(t, prefix+"/"+name+":"+image.Version.String()).Config.Labels[labels.Version]
			if got != image.Version.String() || strings.HasPrefix(name, "s") && got != version {
				t.Errorf("%s: version %s, its label says %s, want %s", name, image.Version, got, version)
			}
		}
	}
	publishes("0.1.0")
	write(t, dir, "base/Dockerfile", "FROM busybox\nRUN echo another > /base\n")
	n.env = append(n.env, "SOURCE_DATE_EPOCH=1700000000") // rewrites every layer
	publishes("0.1.1")
	if out := n.must(dir, quoitRun, "build", "--push"); !strings.Contains(out, "nothing to do") {
		t.Errorf("a build without changes says\n%s", out)
	}
	if kept := n.images(prefix); kept != nil {
		t.Errorf("the engine has images that were only to be published: %v", kept)
	}
}

// TestPublishWithOtherBuildKits publishes many images at once by builders that are not the
// usual one.
func TestPublishWithOtherBuildKits(t *testing.T) {
	for name, start := range map[string]func() (string, func() error, error){
		"the oldest": func() (string, func() error, error) {
			b, err := stack.StartOldestBuildkit(t.Context())
			if err != nil {
				return "", nil, err
			}
			return b.Host, b.Stop, nil
		},
		"one with a containerd": func() (string, func() error, error) {
			b, err := stack.StartContainerdBuildkit(t.Context())
			if err != nil {
				return "", nil, err
			}
			return b.Host, b.Stop, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, stop, err := start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
			dir, prefix := generated(t, 30)
			mustQuoit(t, dir, "build", "--push", "--addr", host)
			for name, image := range release(t, prefix+"/deploy:developers").Images {
				if got := config(t, prefix+"/"+name+":"+image.Version.String()).Config.Labels[labels.RefName]; got != repository(prefix)+"/"+name {
					t.Errorf("%s is %s", name, got)
				}
			}
		})
	}
}

// TestTheClassicStoreCannotPublish, which is said before anything is built.
func TestTheClassicStoreCannotPublish(t *testing.T) {
	n := newNewcomer(t, true)
	dir, prefix := small(t)
	before := stack.RegistryMark()
	stdout, stderr, code := n.runs(dir, quoitRun, "build", "--push", "--progress", "plain")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, text := range []string{"classic store", "docker buildx create --use", `"containerd-snapshotter": true`} {
		if !strings.Contains(stderr, text) {
			t.Errorf("the error lacks %q:\n%s", text, stderr)
		}
	}
	if strings.Contains(stderr, "RUN") {
		t.Errorf("something was built before it was said:\n%s\n%s", stdout, stderr)
	}
	requests, err := stack.RequestsSince(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range proxy.InRepository(requests, repository(prefix)) {
		if r.Method != "GET" && r.Method != "HEAD" {
			t.Errorf("the registry got %s %s", r.Method, r.Path)
		}
	}
	n.must(dir, quoitRun, "build") // which needs no store
}
