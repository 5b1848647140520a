//go:build stack

package integration

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// added is a project whose images add a file of a web server, and a repository of git.
type added struct {
	dir, prefix string
	file        string // what the web server has
	work        string // where commits to the repository are made
}

func newAdded(t *testing.T, content string) added {
	t.Helper()
	root := t.TempDir()
	a := added{file: filepath.Join(root, "www/tool.txt"), work: filepath.Join(root, "work")}
	a.dir, a.prefix = generated(t, 2)
	execPath := strings.TrimSpace(run(t, root, "git", "--exec-path"))
	backend := &cgi.Handler{
		Path: filepath.Join(execPath, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	}
	mux := http.NewServeMux()
	mux.Handle("/tool.git/", backend)
	mux.Handle("/www/", http.FileServer(http.Dir(root)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	write(t, root, "www/tool.txt", content)
	write(t, a.work, "tool.txt", content)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}} {
		run(t, a.work, "git", args...)
	}
	a.commit(t)
	run(t, a.work, "git", "clone", "-q", "--bare", ".", filepath.Join(root, "tool.git"))
	run(t, a.work, "git", "remote", "add", "origin", filepath.Join(root, "tool.git"))
	manifest, err := os.ReadFile(filepath.Join(a.dir, "quoit.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, a.dir, "quoit.yaml", string(manifest)+"  http: http\n  git: git\n")
	write(t, a.dir, "http/Dockerfile", "FROM scratch\nADD "+server.URL+"/www/tool.txt /\n")
	write(t, a.dir, "git/Dockerfile", "FROM scratch\nARG REF=main\nADD "+server.URL+"/tool.git#${REF} /tool/\n")
	return a
}

func (a added) commit(t *testing.T) {
	t.Helper()
	run(t, a.work, "git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "more")
}

// push gives the repository another commit.
func (a added) push(t *testing.T, content string) {
	t.Helper()
	write(t, a.work, "tool.txt", content)
	a.commit(t)
	run(t, a.work, "git", "push", "-q", "origin", "main")
}

// released expects that the current release of both images has a content.
func (a added) released(t *testing.T, want string) {
	t.Helper()
	images := release(t, a.prefix+"/deploy:developers").Images
	for image, file := range map[string]string{"http": "tool.txt", "git": "tool/tool.txt"} {
		version := images[image].Version.String()
		if got := extract(t, a.prefix+"/"+image+":"+version, file); string(got) != want {
			t.Errorf("%s %s has %q, want %q", image, version, got, want)
		}
	}
}

// TestWhatIsAddedFromElsewhereIsFollowed has a file and a branch that move.
func TestWhatIsAddedFromElsewhereIsFollowed(t *testing.T) {
	a := newAdded(t, "one\n")
	front := frontendImage(t)
	mustQuoit(t, a.dir, "build", "--push")
	a.released(t, "one\n")
	if p := plan(t, a.dir); len(p.Changed()) != 0 {
		t.Errorf("nothing moved, and it changes: %v", p.Changed())
	}
	write(t, filepath.Dir(a.file), "tool.txt", "two, longer\n")
	a.push(t, "two, longer\n")
	here := plan(t, a.dir)
	if diff := cmp.Diff([]string{"deploy", "git", "http"}, slices.Sorted(slices.Values(here.Changed()))); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	here.Source, here.Commit = "", ""
	if diff := cmp.Diff(here, buildxPlan(t, a.dir, front)); diff != "" {
		t.Errorf("the frontend image's plan (-here +there):\n%s", diff)
	}
	mustQuoit(t, a.dir, "build", "--push")
	a.released(t, "two, longer\n")
}

// TestAFileThatMovesDuringTheBuild ends it: what was planned is what is built.
func TestAFileThatMovesDuringTheBuild(t *testing.T) {
	a := newAdded(t, "not known to a builder\n") // which takes what it knows by the digest
	w := newWire(t, func() { write(t, filepath.Dir(a.file), "tool.txt", "three\n") })
	nothingWritten(t, a.prefix, func() {
		stdout, stderr, code := quoit(t, a.dir, "build", "--push", "--addr", w.Address)
		if code != 3 || !strings.Contains(stderr, "/www/tool.txt changed during the build") {
			t.Errorf("exit code %d, want 3\n%s%s", code, stdout, stderr)
		}
	})
	a.push(t, "three\n")
	mustQuoit(t, a.dir, "build", "--push")
	a.released(t, "three\n")
}
