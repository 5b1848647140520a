//go:build stack

package integration

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/versioning"
)

// run runs one of the stack's programs in a folder with success.
func run(t *testing.T, dir, program string, args ...string) (stdout string) {
	t.Helper()
	cmd := stack.Command(t.Context(), program, args...)
	cmd.Dir = dir
	var progress strings.Builder
	cmd.Stderr = &progress
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", program, strings.Join(args, " "), err, out, progress.String())
	}
	return string(out)
}

// buildxPlan is the plan that buildx gets from the frontend image, of the folder
// or of a git repository whose URL comes last.
func buildxPlan(t *testing.T, dir, front string, args ...string) versioning.Plan {
	t.Helper()
	args = append([]string{
		"build", "--progress=plain", "--call=quoit.plan,format=json", "-f", "quoit.yaml",
		"--build-arg", "BUILDKIT_SYNTAX=" + front, "--build-arg", "QUOIT_REGISTRY=" + stack.Registry,
	}, args...)
	if !strings.HasPrefix(args[len(args)-1], "http://") {
		args = append(args, ".")
	}
	return parsePlan(t, []byte(run(t, dir, "buildx", args...)))
}

func TestAStockClientIsToldWhatWasEdited(t *testing.T) {
	dir, _ := generated(t, 4)
	front := frontendImage(t)
	mustQuoit(t, dir, "build", "--push")
	write(t, dir, "services/s001/main.txt", "another\n")
	for door, made := range map[string]versioning.Plan{"quoit": plan(t, dir), "buildx": buildxPlan(t, dir, front)} {
		image, _ := made.Image("s001")
		if len(image.Reasons) != 1 || image.Reasons[0].Detail != "services/s001/main.txt changed" {
			t.Errorf("%s says %+v", door, image.Reasons)
		}
	}
}

func parsePlan(t *testing.T, data []byte) versioning.Plan {
	t.Helper()
	p, err := versioning.ParsePlan(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	p.Source, p.Commit = "", "" // what the client knows of git
	return p
}

// buildctlPlan is the plan in the metadata of a build by buildctl.
func buildctlPlan(t *testing.T, dir, front string) versioning.Plan {
	t.Helper()
	file := filepath.Join(t.TempDir(), "metadata.json")
	run(t, dir, "buildctl", "build", "--progress=plain", "--frontend=gateway.v0", "--opt", "source="+front,
		"--opt", "filename=quoit.yaml", "--opt", "build-arg:QUOIT_REGISTRY="+stack.Registry,
		"--local", "context=.", "--local", "dockerfile=.", "--metadata-file", file)
	return metadataPlan(t, file)
}

func metadataPlan(t *testing.T, file string) versioning.Plan {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var metadata map[string]json.RawMessage
	if err := json.Unmarshal(data, &metadata); err != nil {
		t.Fatal(err)
	}
	value := metadata[frontend.MetaPlan]
	if text := ""; json.Unmarshal(value, &text) == nil { // buildx decodes it, buildctl may not
		if value, err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	}
	return parsePlan(t, value)
}

// gitServer serves a folder as a git repository and returns its address.
func gitServer(t *testing.T, dir string) string {
	t.Helper()
	bare := filepath.Join(t.TempDir(), "project.git")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q", "-b", "main")
	git("add", "-A")
	git("commit", "-q", "-m", "all")
	git("clone", "-q", "--bare", ".", bare)
	git("--git-dir", bare, "update-server-info")
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(bare))))
	t.Cleanup(server.Close)
	return server.URL + "/project.git#main"
}

// TestEveryFrontDoorGivesTheSamePlan has the image that the repository's Dockerfile makes.
func TestEveryFrontDoorGivesTheSamePlan(t *testing.T) {
	front, _, err := stack.PushTarget(t.Context(), "frontend", "quoitbuild/from-dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := project(t, "shop")
	address := gitServer(t, dir)
	doors := func(t *testing.T) map[string]versioning.Plan {
		withSyntax := t.TempDir()
		if err := os.CopyFS(withSyntax, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(dir, "quoit.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, withSyntax, "quoit.yaml", "# syntax="+front+"\n"+string(content))
		bySyntax := run(t, withSyntax, "buildx", "build", "--progress=plain", "--call=quoit.plan,format=json",
			"-f", "quoit.yaml", "--build-arg", "QUOIT_REGISTRY="+stack.Registry, ".")
		return map[string]versioning.Plan{
			"buildx with BUILDKIT_SYNTAX":           buildxPlan(t, dir, front),
			"buildx with a syntax line":             parsePlan(t, []byte(bySyntax)),
			"buildctl":                              buildctlPlan(t, dir, front),
			"buildx with a git context":             buildxPlan(t, dir, front, address),
			"quoit with the frontend of the syntax": plan(t, withSyntax),
		}
	}
	check := func(t *testing.T) {
		want := plan(t, dir)
		unsourced(&want)
		for name, got := range doors(t) {
			t.Run(name, func(t *testing.T) {
				unsourced(&got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the plan differs from quoit's (-quoit +%s):\n%s", name, diff)
				}
			})
		}
	}
	t.Run("before the first release", check)
	mustQuoit(t, dir, "build", "--push")
	t.Run("when nothing has changed", check)
	t.Run("when a file has changed", func(t *testing.T) {
		write(t, dir, "deploy/overlays/dev/added.yaml", "# more\n")
		address = gitServer(t, copyOf(t, dir))
		check(t)
	})
}

// unsourced takes out of a plan what the client knows of git.
func unsourced(plan *versioning.Plan) {
	plan.Source, plan.Commit, plan.Dirty = "", "", false
	plan.Warnings = slices.DeleteFunc(plan.Warnings, func(warning string) bool { return strings.Contains(warning, "recorded as dirty") })
}

// copyOf copies a project without its git repository.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(to, ".git")); err != nil {
		t.Fatal(err)
	}
	return to
}
