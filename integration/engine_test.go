//go:build stack

package integration

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

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

// in is the same for a subtest.
func (n newcomer) in(t *testing.T) newcomer {
	n.t = t
	return n
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

// has is what the engine says of an image.
type has struct {
	Architecture string
	Config       v1.Config
	RootFS       struct{ Layers []v1.Hash }
}

// image is what the engine has under a name.
func (n newcomer) image(name string) has {
	n.t.Helper()
	var found []has
	if err := json.Unmarshal([]byte(n.must(".", "docker", "image", "inspect", name)), &found); err != nil || len(found) != 1 {
		n.t.Fatalf("docker image inspect %s: %d images, %v", name, len(found), err)
	}
	return found[0]
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

// uneven is a project with an image whose layer is still made when those of all others are.
func uneven(t *testing.T) (dir, prefix string) {
	t.Helper()
	dir, prefix = generated(t, 12)
	large := make([]byte, 32<<20)
	_, _ = rand.Read(large)
	write(t, dir, "services/s000/main.txt", string(large))
	return dir, prefix
}

func TestPublishWithADockerEngine(t *testing.T) {
	n := newNewcomer(t, false)
	dir, prefix := uneven(t)
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
	t.Run("through the manifest's frontend image", func(t *testing.T) {
		n := n.in(t)
		dir, prefix := small(t)
		write(t, dir, "quoit.yaml", "# syntax="+frontendImage(t)+"\n"+content(t, filepath.Join(dir, "quoit.yaml")))
		n.must(dir, quoitRun, "build", "--load", "s000")
		n.must(dir, quoitRun, "build", "--push")
		n.must(dir, quoitRun, "build", "--load", "base")
		if diff := cmp.Diff([]string{"base:0.1.0", "s000:0.1.0"}, n.images(prefix)); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
		if got := versions(t, prefix, "developers"); got["s000"] != "0.1.0" {
			t.Errorf("the ring has %v", got)
		}
	})
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
			dir, prefix := uneven(t)
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

func TestLoad(t *testing.T) {
	for name, classic := range map[string]bool{"by the engine itself": false, "by one with the classic store": true} {
		t.Run(name, func(t *testing.T) { testLoad(t, newNewcomer(t, classic)) })
	}
	t.Run("by a BuildKit beside the engine", func(t *testing.T) {
		n := newNewcomer(t, false)
		n.env = append(n.env, "BUILDKIT_HOST="+stack.BuildkitHost)
		testLoad(t, n)
	})
}

func testLoad(t *testing.T, n newcomer) {
	dir, prefix := small(t)
	write(t, dir, "base/Dockerfile", "FROM busybox AS tools\nRUN echo tool > /tool\nFROM busybox\nRUN echo base > /base\n")
	t.Run("all that a new project has", func(t *testing.T) {
		n := n.in(t)
		n.must(dir, quoitRun, "build", "--load")
		if diff := cmp.Diff([]string{"base:0.1.0", "deploy:0.1.0", "s000:0.1.0"}, n.images(prefix)); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
		if got := n.image(prefix + "/s000:0.1.0").Config.Labels[labels.RefName]; got != repository(prefix)+"/s000" {
			t.Errorf("s000 is %q", got)
		}
	})
	publish(t, dir, prefix, "developers")
	edit(t, dir, "another")
	t.Run("those that are named, as published or as they are now", func(t *testing.T) {
		n := n.in(t)
		out := n.must(dir, quoitRun, "build", "--load", "s000", "base")
		for _, text := range []string{"loaded " + prefix + "/s000:0.1.1\n", "loaded " + prefix + "/base:0.1.0\n"} {
			if !strings.Contains(out, text) {
				t.Errorf("the output lacks %q:\n%s", text, out)
			}
		}
		if diff := cmp.Diff([]string{"base:0.1.0", "deploy:0.1.0", "s000:0.1.0", "s000:0.1.1"}, n.images(prefix)); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
		want, got := config(t, prefix+"/base:0.1.0"), n.image(prefix+"/base:0.1.0")
		if diff := cmp.Diff(want.RootFS.DiffIDs, got.RootFS.Layers); diff != "" {
			t.Errorf("layers of base (-published +loaded):\n%s", diff)
		}
		if diff := cmp.Diff(want.Config.Labels, got.Config.Labels); diff != "" {
			t.Errorf("labels of base (-published +loaded):\n%s", diff)
		}
	})
	t.Run("a stock client names what it loads, for an engine knows no name=*", func(t *testing.T) {
		n := n.in(t)
		args := []string{"buildx", "build", "-f", "quoit.yaml", "--build-arg", "BUILDKIT_SYNTAX=" + frontendImage(t), "--build-arg", "QUOIT_REGISTRY=" + stack.Registry, "--target", "s000"}
		if _, stderr, code := n.runs(dir, "docker", append(args, "--output", `type=image,"name=*"`, ".")...); code == 0 || !strings.Contains(stderr, "invalid reference format") {
			t.Errorf("name=*: exit code %d\n%s", code, stderr)
		}
		n.must(dir, "docker", append(args, "-t", prefix+"/recipe:dev", "--load", ".")...)
		if got := n.image(prefix + "/recipe:dev").Config.Labels[labels.Version]; got != "0.1.1" {
			t.Errorf("its version is %q", got)
		}
	})
	t.Run("one, or a stage of it, under another name", func(t *testing.T) {
		n := n.in(t)
		n.must(dir, quoitRun, "build", "--load", "--target", "s000", "-t", prefix+"/mine:1", "-t", prefix+"/mine:2")
		n.must(dir, quoitRun, "build", "--target", "base/tools", "-o", "type=docker,name="+prefix+"/stage:1")
		if diff := cmp.Diff([]string{"base:0.1.0", "deploy:0.1.0", "mine:1", "mine:2", "recipe:dev", "s000:0.1.0", "s000:0.1.1", "stage:1"}, n.images(prefix)); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
	})
	t.Run("of several platforms, this machine's", func(t *testing.T) {
		n := n.in(t)
		replace(t, dir, "quoit.yaml", "root: deploy", "root: deploy\ndefaults: {platforms: [linux/arm64, linux/amd64]}")
		write(t, dir, "base/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
		n.must(dir, quoitRun, "build", "--load")
		if got := n.image(prefix + "/s000:0.1.1").Architecture; got != runtime.GOARCH {
			t.Errorf("s000 is for %s", got)
		}
	})
	if got := versions(t, prefix, "developers"); got["s000"] != "0.1.0" {
		t.Errorf("the ring has %v", got)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	out := t.TempDir()
	write(t, dir, "base/Dockerfile", "FROM busybox AS tools\nCOPY tool /\nFROM busybox\nRUN echo base > /base\n")
	write(t, dir, "base/tool", "tool\n")
	publish(t, dir, prefix, "developers")
	t.Run("the root image, as files", func(t *testing.T) {
		mustQuoit(t, dir, "build", "-o", out+"/root")
		if got := content(t, out+"/root/overlays/dev/kustomization.yaml"); got != "resources: []\n" {
			t.Errorf("it has %q", got)
		}
	})
	t.Run("a stage that no image reads, of an image that did not change", func(t *testing.T) {
		mustQuoit(t, dir, "build", "--target", "base/tools", "-o", "type=local,dest="+out+"/stage")
		if got := content(t, out+"/stage/tool"); got != "tool\n" {
			t.Errorf("it has %q", got)
		}
	})
	t.Run("an archive on stdout, and what is said elsewhere", func(t *testing.T) {
		archive, stderr, code := quoit(t, dir, "build", "--target", "s000", "-o", "-")
		if code != 0 || !strings.Contains(stderr, "nothing to do") || !strings.Contains(archive, "service s000") || strings.Contains(archive, "nothing to do") {
			t.Errorf("exit code %d, %d bytes\n%s", code, len(archive), stderr)
		}
	})
	t.Run("an archive of an image", func(t *testing.T) {
		mustQuoit(t, dir, "build", "--target", "s000", "-o", "type=oci,dest="+filepath.Join(out, "s000.tar"))
		if got := read(t, filepath.Join(out, "s000.tar")); !strings.Contains(got, prefix+"/s000:0.1.0") {
			t.Error("it does not name the image")
		}
	})
	t.Run("a registry, under a name of the caller's", func(t *testing.T) {
		mustQuoit(t, dir, "build", "--target", "s000", "-t", prefix+"-own/s000:1", "-o", "type=registry")
		if diff := cmp.Diff(config(t, prefix+"/s000:0.1.0").RootFS, config(t, prefix+"-own/s000:1").RootFS); diff != "" {
			t.Errorf("layers (-published +pushed):\n%s", diff)
		}
	})
}
