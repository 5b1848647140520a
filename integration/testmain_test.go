//go:build stack

// Package integration tests quoit as people use it: the command, buildx and
// buildctl on a real BuildKit and a real registry.
//
// All tests share one stack, so no test may see another's project: take the
// files from [project], which gives them a project name of their own.
package integration

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	kit "github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// What every test may use; TestMain sets it.
var (
	stack     *kit.Stack // its Command runs buildx, buildctl and crane
	quoitFile string     // the quoit command
	quoitRun  string     // the same to be run, which make cover looks into
)

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	bin, err := os.MkdirTemp("", "quoit-bin-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	quoitFile = filepath.Join(bin, "quoit")
	if output, err := exec.Command("go", "generate", "../builder/runner").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building quoit's own programs: %w\n%s", err, output)
	}
	if err := buildQuoit(quoitFile); err != nil {
		return 0, err
	}
	if quoitRun = quoitFile; os.Getenv("GOCOVERDIR") != "" {
		quoitRun = filepath.Join(bin, "covered", "quoit")
		if err := buildQuoit(quoitRun, "-cover", "-coverpkg=github.com/quoitbuild/quoit/..."); err != nil {
			return 0, err
		}
	}
	if stack, err = kit.Start(context.Background(), kit.Options{}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stack.Stop()) }()
	return m.Run(), nil
}

func buildQuoit(file string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w -X main.version=test", "-o", file}, flags...)
	build := exec.Command("go", append(args, "../cmd/quoit")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building quoit: %w\n%s", err, output)
	}
	return nil
}

var pushFrontend = sync.OnceValues(func() (string, error) {
	file := filepath.Join(filepath.Dir(quoitFile), "quoit-frontend")
	if err := kit.BuildFrontend(context.Background(), file); err != nil {
		return "", err
	}
	ref, _, err := stack.PushFrontend(context.Background(), file)
	return ref, err
})

// frontendImage is the reference of the frontend's image in the stack, for
// `# syntax=` or BUILDKIT_SYNTAX. The first call builds it.
func frontendImage(t *testing.T) string {
	t.Helper()
	ref, err := pushFrontend()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

var pushCLI = sync.OnceValue(func() error {
	_, _, err := stack.PushCLI(context.Background(), quoitFile)
	return err
})

// cliImage puts the image of the quoit command where container files find it
// as ghcr.io/quoitbuild/quoit-cli:1.
func cliImage(t *testing.T) {
	t.Helper()
	if err := pushCLI(); err != nil {
		t.Fatal(err)
	}
}

// cacheOf is what commands in a folder remember of files and registries.
func cacheOf(dir string) string {
	return filepath.Join(filepath.Dir(quoitFile), "caches", url.PathEscape(dir))
}

// quoit runs the command in a folder, with the stack's registry and BuildKit,
// and returns what it printed and its exit code.
func quoit(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, progress bytes.Buffer
	cmd := stack.Command(t.Context(), quoitRun, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &progress
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+cacheOf(dir))
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), progress.String(), cmd.ProcessState.ExitCode()
}

// mustQuoit is quoit for a command that has to succeed.
func mustQuoit(t *testing.T, dir string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, code := quoit(t, dir, args...)
	if code != 0 {
		t.Fatalf("quoit %s: exit code %d\n%s\n%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// project copies an example into a folder of the test and gives it a project
// name that no other test has, in all its files. Images are below prefix, like
// prefix+"/api:0.1.0".
func project(t *testing.T, example string) (dir, prefix string) {
	t.Helper()
	if example == "shop" {
		cliImage(t)
	}
	source, dir := filepath.Join("..", "examples", example), t.TempDir()
	data, err := os.ReadFile(filepath.Join(source, "quoit.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse("quoit.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	own := "t" + strings.ToLower(rand.Text()[:10]) + "/" + path.Base(m.Project)
	err = fs.WalkDir(os.DirFS(source), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(dir, file), 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			return err
		}
		content = bytes.ReplaceAll(content, []byte(m.Project), []byte(own))
		return os.WriteFile(filepath.Join(dir, file), content, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, stack.Ref(own)
}

// write puts a file into a project, in place of what was there.
func write(t *testing.T, dir, file, content string) {
	t.Helper()
	full := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace changes every occurrence of a text in a file of a project; it is an
// error if there is none.
func replace(t *testing.T, dir, file, old, now string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("%s does not contain %q", file, old)
	}
	write(t, dir, file, strings.ReplaceAll(string(content), old, now))
}

// descriptor is what a reference names in the registry: an index or an image
// manifest.
func descriptor(t *testing.T, ref string) *remote.Descriptor {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Get(parsed, remote.WithContext(t.Context()),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// image is the image that a reference names, for this machine's platform.
func image(t *testing.T, ref string) v1.Image {
	t.Helper()
	img, err := descriptor(t, ref).Image()
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// config is the config of the image that a reference names.
func config(t *testing.T, ref string) *v1.ConfigFile {
	t.Helper()
	file, err := image(t, ref).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// release is what the labels of a root image say.
func release(t *testing.T, ref string) versioning.Release {
	t.Helper()
	r, err := labels.Parse(config(t, ref).Config.Labels)
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	return r
}

// extract is the content of a file in the image that a reference names.
func extract(t *testing.T, ref, file string) []byte {
	t.Helper()
	return extractPlatform(t, ref, file, v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// extractPlatform is extract for another platform than this machine's.
func extractPlatform(t *testing.T, ref, file string, platform v1.Platform) []byte {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(parsed, remote.WithContext(t.Context()), remote.WithPlatform(platform))
	if err != nil {
		t.Fatal(err)
	}
	flat := mutate.Extract(img)
	defer flat.Close()
	for reader := tar.NewReader(flat); ; {
		header, err := reader.Next()
		if err == io.EOF {
			t.Fatalf("%s has no file %s", ref, file)
		}
		if err != nil {
			t.Fatal(err)
		}
		if path.Clean("/"+header.Name) != path.Clean("/"+file) {
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
}
