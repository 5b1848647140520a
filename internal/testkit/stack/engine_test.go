//go:build stack

package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

func TestEngine(t *testing.T) {
	s := startStack(t, Options{FreshBuildkit: true})
	for store, classic := range map[string]bool{"io.containerd.snapshotter.v1": false, "overlay2": true} {
		t.Run(store, func(t *testing.T) {
			e, err := s.StartEngine(t.Context(), classic)
			if err != nil {
				t.Fatal(err)
			}
			docker := func(args ...string) string {
				t.Helper()
				cmd := s.Command(t.Context(), "docker", args...)
				cmd.Env = append(cmd.Env, "BUILDX_CONFIG="+t.TempDir())
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("docker %s: %v\n%s\n%s", strings.Join(args, " "), err, out, daemon.Tail(e.Log, 10))
				}
				return string(out)
			}
			if info := docker("info", "--format", "{{.Driver}} {{.DriverStatus}}"); !strings.Contains(info, store) {
				t.Errorf("the store is %s", info)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM busybox AS run\nRUN echo here > /out\nFROM scratch\nCOPY --from=run /out /\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			docker("buildx", "build", "-o", dir, dir)
			if content, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(content) != "here\n" {
				t.Errorf("the step wrote %q, %v", content, err)
			}
			docker("build", "-t", "own:1", dir)
			if names := docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"); !strings.Contains(names, "own:1\n") {
				t.Errorf("the engine has %s", names)
			}
			if err := s.StopEngines(); err != nil {
				t.Error(err)
			}
			if left := daemon.Running(e.Dir); left != nil || tools.Exists(e.Dir) || e.Alive() {
				t.Errorf("the engine has left %s and %v", e.Dir, left)
			}
		})
	}
}
