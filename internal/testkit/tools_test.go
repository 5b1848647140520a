package testkit

import (
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
		"buildkit":   "github.com/moby/buildkit",
		"buildx":     "github.com/docker/buildx",
		"cni":        "github.com/containernetworking/plugins",
		"containerd": "github.com/containerd/containerd/v2",
		"crane":      "github.com/google/go-containerregistry",
		"etcd":       "go.etcd.io/etcd/server/v3",
		"kubernetes": "k8s.io/kubernetes",
		"node":       "github.com/quoitbuild/quoit/integration/tools/node",
		"registry":   "github.com/distribution/distribution/v3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}
