package tools

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadToolModule(t *testing.T) {
	root, err := RepoRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, toolsFolder, "*", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, file := range files {
		m, err := readToolModule(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		got[m.Name] = m.path
		if m.Version == "" {
			t.Errorf("%s has no version", m.Name)
		}
	}
	want := map[string]string{
		"buildkit":        "github.com/moby/buildkit",
		"buildkit-oldest": "github.com/moby/buildkit",
		"buildx":          "github.com/docker/buildx",
		"cni":             "github.com/containernetworking/plugins",
		"containerd":      "github.com/containerd/containerd/v2",
		"crane":           "github.com/google/go-containerregistry",
		"docker":          "github.com/docker/cli",
		"dockerd":         "github.com/moby/moby/v2",
		"etcd":            "go.etcd.io/etcd/server/v3",
		"kubernetes":      "k8s.io/kubernetes",
		"lint":            "golang.org/x/tools",
		"node":            "github.com/quoitbuild/quoit/integration/tools/node",
		"registry":        "github.com/distribution/distribution/v3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

func TestSumSources(t *testing.T) {
	dir := t.TempDir()
	sum := func() string {
		t.Helper()
		sum, err := sumSources(dir)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	seen := map[string]string{sum(): "an empty module"}
	for _, file := range []string{"go.mod", "main.go", "pause/main.go"} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("// "+file), 0o644); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[sum()]; ok {
			t.Errorf("with %s it is the sum of %s", file, other)
		}
		seen[sum()] = file
	}
	before := sum()
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := sum(); got != before {
		t.Errorf("a text changes it from %s to %s", before, got)
	}
}
