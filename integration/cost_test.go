//go:build stack

package integration

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/versioning"
)

// repository is a prefix of images as the registry's log has it.
func repository(prefix string) string {
	_, path, _ := strings.Cut(prefix, "/")
	return path
}

// requests returns what the registry was asked of a project while do ran.
func requests(t *testing.T, prefix string, do func()) map[string]int {
	t.Helper()
	mark := stack.RegistryMark()
	do()
	all, err := stack.RequestsSince(mark)
	if err != nil {
		t.Fatal(err)
	}
	return proxy.CountRequests(proxy.InRepository(all, repository(prefix)))
}

// builds returns how many builds BuildKit's history has since before do ran.
func builds(t *testing.T, do func()) int {
	t.Helper()
	mark, err := stack.HistoryMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do()
	records, err := stack.BuildsSince(t.Context(), mark)
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}

// crane runs crane with success.
func crane(t *testing.T, args ...string) string {
	t.Helper()
	out, err := stack.Command(t.Context(), "crane", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("crane %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestManyImages(t *testing.T) {
	const count = 100
	dir, prefix := generated(t, count)
	var first string
	publishes := func() {
		stdout, stderr, code := quoit(t, dir, "build", "--push", "--progress", "plain")
		if first = stdout + stderr; code != 0 {
			t.Fatalf("exit code %d\n%s", code, first)
		}
	}
	if n := builds(t, publishes); n != 1 {
		t.Errorf("the publish of %d images took %d builds, want exactly one", count, n)
	}
	if n := strings.Count(first, "\n"); n > 5*count {
		t.Errorf("it prints %d lines for %d images:\n%s", n, count, first)
	}
	released := release(t, prefix+"/deploy:developers")
	if len(released.Images) != count {
		t.Fatalf("the release has %d images, want %d\n%s", len(released.Images), count, first)
	}

	t.Run("every image is in its own repository under its version, and valid", func(t *testing.T) {
		for name, image := range released.Images {
			validImage(t, prefix+"/"+name+":"+image.Version.String())
		}
	})
	t.Run("the ring's tag has the digest of the root's version", func(t *testing.T) {
		ring := digestOf(t, prefix+"/deploy:developers")
		if root := digestOf(t, prefix+"/deploy:"+released.Version().String()); ring != root {
			t.Errorf("the ring has %s, the version %s", ring, root)
		}
	})

	mustQuoit(t, dir, "set", "testers", released.Version().String())
	t.Run("a publish with nothing to do looks at two tags of the log and one of each external, and writes nothing", func(t *testing.T) {
		mustQuoit(t, dir, "plan") // now the config of the next ring's release is known too
		var out string
		external := requests(t, stack.Ref("library/busybox"), func() {
			if n := builds(t, func() { mustQuoit(t, dir, "build", "--push") }); n != 0 {
				t.Errorf("it takes %d builds, want none", n)
			}
		})
		if diff := cmp.Diff(map[string]int{"HEAD manifests": 1}, external); diff != "" {
			t.Errorf("requests for the external (-want +got):\n%s", diff)
		}
		// The hint, and that there is no record after the one that it names.
		want := map[string]int{"GET manifests": 1, "HEAD manifests": 1}
		if diff := cmp.Diff(want, requests(t, prefix, func() { out = mustQuoit(t, dir, "build", "--push") })); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if !strings.Contains(out, "nothing to do") {
			t.Errorf("it says:\n%s", out)
		}
	})
	t.Run("on a machine that has nothing but the checkout it also reads the release", func(t *testing.T) {
		if err := os.RemoveAll(cacheOf(dir)); err != nil {
			t.Fatal(err)
		}
		// The record of the publish, and the release's index, image and config.
		want := map[string]int{"GET manifests": 1 + 1 + 2, "GET blobs": 1 + 1 + 1, "HEAD manifests": 1}
		external := requests(t, stack.Ref("library/busybox"), func() {
			if diff := cmp.Diff(want, requests(t, prefix, func() { mustQuoit(t, dir, "build", "--push") })); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
		if diff := cmp.Diff(map[string]int{"GET manifests": 1, "GET blobs": 1}, external); diff != "" {
			t.Errorf("requests for the external (-want +got):\n%s", diff)
		}
	})
	t.Run("commands at a time share its caches, also if these are damaged", func(t *testing.T) {
		for _, what := range []func() error{func() error { return os.RemoveAll(cacheOf(dir)) }, func() error { return damage(cacheOf(dir)) }} {
			if err := what(); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if stdout, stderr, code := quoit(t, dir, "build", "--push"); code != 0 || !strings.Contains(stdout, "nothing to do") {
						t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
					}
				})
			}
			all.Wait()
		}
	})
	t.Run("a plan by a stock client looks at one tag of the log", func(t *testing.T) {
		front := frontendImage(t)
		call := func() { buildxPlan(t, dir, front) }
		call()
		if diff := cmp.Diff(map[string]int{"HEAD manifests": 1}, requests(t, prefix, call)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("one service's source changes that image and the root only", func(t *testing.T) {
		write(t, dir, "services/s042/main.txt", "another\n")
		if diff := cmp.Diff([]string{"s042", "deploy"}, plan(t, dir).Changed()); diff != "" {
			t.Errorf("changed (-want +got):\n%s", diff)
		}
	})
	t.Run("its publish is one build, and asks nothing of the other services", func(t *testing.T) {
		if n := builds(t, func() { mustQuoit(t, dir, "build", "--push") }); n != 1 {
			t.Errorf("it took %d builds, want one", n)
		}
		write(t, dir, "services/s042/main.txt", "a third\n")
		var others map[string]int
		total := 0
		for _, n := range requests(t, prefix, func() {
			others = requests(t, prefix+"/s041", func() { mustQuoit(t, dir, "build", "--push") })
		}) {
			total += n
		}
		if diff := cmp.Diff(map[string]int{}, others); diff != "" {
			t.Errorf("requests for s041 (-want +got):\n%s", diff)
		}
		// BuildKit pushes two images with their attestations, the log needs 4·2+20
		// requests, one more for the other ring, and 7 for what the images were made of; the
		// rest are look-ups.
		if total > 88 {
			t.Errorf("%d requests, want at most 88", total)
		}
	})
	t.Run("the base changes exactly its dependents", func(t *testing.T) {
		write(t, dir, "base/Dockerfile", "FROM busybox\nRUN echo other > /base\n")
		if got := len(plan(t, dir).Changed()); got != count {
			t.Errorf("%d images change, want all %d", got, count)
		}
	})
}

// BuildKit asks for the layers of all images for each that it exports, so very
// many are exported by several builds.
func TestMoreImagesThanABuildExports(t *testing.T) {
	if os.Getenv("QUOIT_TEST_LONG") == "" {
		t.Skip("a publish of 130 images: QUOIT_TEST_LONG=1 runs it, TestParts has the rule")
	}
	const count = frontend.MaxPart + 2
	dir, prefix := generated(t, count)
	if n := builds(t, func() { mustQuoit(t, dir, "build", "--push") }); n != 2 {
		t.Errorf("the publish of %d images took %d builds, want two", count, n)
	}
	if released := release(t, prefix+"/deploy:developers"); len(released.Images) != count {
		t.Errorf("the release has %d images, want %d", len(released.Images), count)
	}
	mustQuoit(t, dir, "verify", "developers")
	if n := builds(t, func() { mustQuoit(t, dir, "build", "--push") }); n != 0 {
		t.Errorf("with nothing to do it took %d builds, want none", n)
	}
}

// plan is what `quoit plan` says, with the given flags.
func plan(t *testing.T, dir string, flags ...string) versioning.Plan {
	t.Helper()
	p, err := versioning.ParsePlan([]byte(mustQuoit(t, dir, append([]string{"plan", "-o", "json"}, flags...)...)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// damage cuts every file below a folder in half, and puts something else behind it.
func damage(dir string) error {
	return filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, append(data[:len(data)/2], "something else"...), 0o600)
	})
}
