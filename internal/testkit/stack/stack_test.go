//go:build stack

package stack

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// startStack starts a stack that the test's end stops.
func startStack(t *testing.T, o Options) *Stack {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStack(t *testing.T) {
	s := startStack(t, Options{FreshBuildkit: true})
	t.Run("the registry has the base images", func(t *testing.T) {
		for repository, want := range map[string]string{
			"library/busybox": "latest", "library/debian": "bookworm-slim",
			"library/golang": "1.26", "docker/dockerfile": "1",
		} {
			repo, err := name.NewRepository(s.Ref(repository))
			if err != nil {
				t.Fatal(err)
			}
			tags, err := remote.List(repo, remote.WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{want}, tags); diff != "" {
				t.Errorf("tags of %s (-want +got):\n%s", repository, diff)
			}
		}
	})
	t.Run("buildctl builds with a RUN step", func(t *testing.T) {
		got := buildctl(t, s, "FROM busybox AS run\nRUN echo from $(id -un) > /out\nFROM scratch\nCOPY --from=run /out /\n")
		if got != "from root\n" {
			t.Errorf("the step wrote %q", got)
		}
	})
	t.Run("a Dockerfile may name docker/dockerfile as its syntax", func(t *testing.T) {
		got := buildctl(t, s, "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY <<EOF /out\nhere\nEOF\n")
		if got != "here\n" {
			t.Errorf("the file has %q", got)
		}
	})
	t.Run("buildx uses the stack's buildkitd", func(t *testing.T) {
		out, err := s.Command(t.Context(), "buildx", "inspect").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte(s.BuildkitHost)) {
			t.Errorf("buildx inspect: %v\n%s", err, out)
		}
	})
	t.Run("requests are counted", func(t *testing.T) { testRequests(t, s) })
	t.Run("builds are counted", func(t *testing.T) { testBuilds(t, s) })
	t.Run("another buildkitd has the same registry", func(t *testing.T) {
		b, err := s.StartBuildkit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := solveRun(t.Context(), b, "true"); err != nil {
			t.Error(err)
		}
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
		if b.Alive() {
			t.Error("it lives after Stop")
		}
	})
}

// buildctl builds a Dockerfile and returns the content of its file /out.
func buildctl(t *testing.T, s *Stack, dockerfile string) string {
	t.Helper()
	dir, out := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	output, err := s.Command(t.Context(), "buildctl", "build", "--progress=plain", "--frontend=dockerfile.v0",
		"--local=context="+dir, "--local=dockerfile="+dir, "--output=type=local,dest="+out).CombinedOutput()
	if err != nil {
		t.Fatalf("buildctl: %v\n%s", err, output)
	}
	content, err := os.ReadFile(filepath.Join(out, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func testRequests(t *testing.T, s *Stack) {
	image, err := random.Image(100_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(s.Ref("shop/web:1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	before := s.RegistryMark()
	if err := remote.Write(tag, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	after := s.RegistryMark()
	if _, err := remote.Head(tag, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mark RegistryMark
		want map[string]int
	}{
		{after, map[string]int{"HEAD manifests": 1}},
		{before, map[string]int{"HEAD manifests": 2, "PUT manifests": 1, "HEAD blobs": 3,
			"POST uploads": 3, "PATCH uploads": 3, "PUT uploads": 3}},
	} {
		requests, err := s.RequestsSince(c.mark)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, proxy.CountRequests(proxy.InRepository(requests, "shop"))); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if other := proxy.InRepository(requests, "sho"); other != nil {
			t.Errorf("requests of another repository: %v", other)
		}
	}
}

func testBuilds(t *testing.T, s *Stack) {
	mark, err := s.HistoryMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := solveRun(t.Context(), s.buildkit, "true"); err != nil {
			t.Fatal(err)
		}
	}
	builds, err := s.BuildsSince(t.Context(), mark)
	if err != nil {
		t.Fatal(err)
	}
	if len(builds) != 2 {
		t.Errorf("%d builds, want 2", len(builds))
	}
}

// solveRun builds one RUN step on busybox.
func solveRun(ctx context.Context, b *Buildkit, command string) error {
	c, err := b.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	def, err := llb.Image("docker.io/library/busybox:latest").Run(llb.Shlex(command)).Root().Marshal(ctx)
	if err != nil {
		return err
	}
	_, err = c.Solve(ctx, def, client.SolveOpt{}, nil)
	return err
}

func TestStopLeavesNothing(t *testing.T) {
	s, err := Start(t.Context(), Options{FreshBuildkit: true})
	if err != nil {
		t.Fatal(err)
	}
	building, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	nap := napOf(os.Getpid())
	go func() { ended <- solveRun(building, s.buildkit, "sleep "+nap) }()
	err = daemon.Poll(t.Context(), func() (bool, error) { return len(daemon.Running(nap)) > 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := len(s.PIDs()); got != 2 {
		t.Errorf("%d daemons, want 2", got)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the build outlived its buildkitd")
	}
	for _, pid := range s.PIDs() {
		if daemon.StartTime(pid) != "" {
			t.Errorf("process %d is left", pid)
		}
	}
	if left := daemon.Running(nap, s.dir); left != nil {
		t.Errorf("processes are left: %v", left)
	}
	if groups := daemon.Cgroups(filepath.Base(s.dir)); tools.Exists(s.dir) || groups != nil {
		t.Errorf("%s or control groups are left: %v", s.dir, groups)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || bytes.Contains(mounts, []byte(s.dir)) {
		t.Errorf("mounts are left (%v):\n%s", err, mounts)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

// napOf is a time to sleep that tells one test process's builds from another's.
func napOf(pid int) string { return fmt.Sprintf("36000.%d", pid) }

func TestRegistryAlone(t *testing.T) {
	s := startStack(t, Options{NoBuildkit: true, NoBases: true, RegistryEnv: []string{"REGISTRY_STORAGE_DELETE_ENABLED=false"}})
	if got := len(s.PIDs()); got != 1 {
		t.Errorf("%d daemons, want 1", got)
	}
	mark := s.RegistryMark()
	digest := "sha256:" + strings.Repeat("0", 64)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+s.Ref("v2/a/b/manifests/"+digest), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %s, though the setting forbids it", resp.Status)
	}
	requests, err := s.RequestsSince(mark)
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) != 1 || requests[0].Method != "DELETE" || requests[0].Status != 405 || requests[0].Repository() != "a/b" {
		t.Errorf("requests: %+v", requests)
	}
}
