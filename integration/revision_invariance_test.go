//go:build stack

package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// invariant is an image that reads a part of its context, in many ways.
var invariant = revisionCase{
	file: "FROM scratch AS unused\nCOPY unused /\nFROM busybox AS b\nRUN --mount=target=/s,source=src mkdir /out && cp -a /s/. /out/\n" +
		"FROM scratch\nCOPY --from=b /out /\nCOPY link run *.txt /\nCOPY --exclude=*.md docs /docs\n",
	files: sources{
		"unused": "u", "other": "o", "src/a": "a", "src/sub/b": "+x b", "src/l": "-> a", "link": "-> dir/real", "dir/real": "r",
		"run": "+x r", "a.txt": "a", "b c.txt": "bc", "docs/x": "x", "docs/y.md": "y", ".dockerignore": "**/ignored\n",
	},
}

// chmod is a change of a file's mode below an image's context.
func chmod(name string, m fs.FileMode) func(string) error {
	return func(dir string) error { return os.Chmod(filepath.Join(dir, name), m) }
}

// rewrite puts another content into a file below an image's context.
func rewrite(name, text string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644) }
}

// everywhere changes each file and folder.
func everywhere(change func(file string, e fs.DirEntry) error) func(string) error {
	return func(dir string) error {
		return filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return change(file, e)
		})
	}
}

var variations = []struct {
	name    string
	change  func(dir string) error
	changes bool // the revision
}{
	{"all times are others", everywhere(func(file string, e fs.DirEntry) error {
		if e.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		return os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0))
	}), false},
	{"all owners are others", everywhere(func(file string, _ fs.DirEntry) error { return os.Lchown(file, 12, 34) }), false},
	{"the umask was 002", everywhere(func(file string, e fs.DirEntry) error {
		info, err := e.Info()
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chmod(file, info.Mode().Perm()|0o020&(info.Mode().Perm()>>3))
	}), false},
	{"the context's folder is another's", chmod(".", 0o700), false},
	{"a folder on the way to a file is another's", chmod("dir", 0o700), false},
	{"a folder that nobody reads is another's", func(dir string) error { return os.Mkdir(filepath.Join(dir, "new.d"), 0o700) }, false},
	{"there are empty folders", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "src/empty/more"), 0o755) }, false},
	{"a file that nobody reads is another", rewrite("other", "changed"), false},
	{"a file that nobody reads is there", rewrite("new", "n"), false},
	{"a file that nobody reads is gone", func(dir string) error { return os.Remove(filepath.Join(dir, "other")) }, false},
	{"an unreachable stage reads another file", rewrite("unused", "changed"), false},
	{"an excluded file is another", rewrite("docs/y.md", "changed"), false},
	{"an ignored file is there", rewrite("src/sub/ignored", "i"), false},
	{"the ignore file has a comment", rewrite(".dockerignore", "# comment\n**/ignored\n"), false},

	{"a file is executable", chmod("a.txt", 0o755), true},
	{"a script is not", chmod("run", 0o644), true},
	{"a file in a mount is another", rewrite("src/a", "changed"), true},
	{"a link's target is another", rewrite("dir/real", "changed"), true},
	{"a link leads elsewhere", func(dir string) error {
		if err := os.Remove(filepath.Join(dir, "link")); err != nil {
			return err
		}
		return os.Symlink("src/a", filepath.Join(dir, "link"))
	}, true},
	{"a file has another name", func(dir string) error {
		return os.Rename(filepath.Join(dir, "a.txt"), filepath.Join(dir, "c.txt"))
	}, true},
	{"a wildcard matches one more", rewrite("new.txt", ""), true},
	{"the container file has a comment", edited("Dockerfile", "FROM busybox AS b\n", "# comment\n\nFROM   busybox AS b\n"), false},
	{"a stage that is not reached is another", edited("Dockerfile", "COPY unused /", "COPY other /"), false},
	{"there is another stage", edited("Dockerfile", "FROM busybox AS b\n", "FROM unused AS more\nFROM busybox AS b\n"), false},
	{"a stage that is reached is another", edited("Dockerfile", "mkdir /out", "mkdir  /out"), true},
}

// ungit are variations that git does not keep: there the revision is that of what is the same.
var ungit = []struct {
	name   string
	change func(dir string) error
}{
	{"the umask was 077", everywhere(func(file string, e fs.DirEntry) error {
		info, err := e.Info()
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chmod(file, info.Mode().Perm()&0o700)
	})},
	{"a file is read-only", chmod("a.txt", 0o444)},
	{"a file is its owner's", chmod("src/a", 0o600)},
	{"a folder is its owner's", chmod("src/sub", 0o700)},
	{"a script is setuid", chmod("run", 0o755|fs.ModeSetuid)},
}

// edited replaces a part of a file below an image's context.
func edited(name, from, to string) func(string) error {
	return func(dir string) error {
		file := filepath.Join(dir, name)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Count(string(text), from) != 1 {
			return fmt.Errorf("%q is not once in %s", from, text)
		}
		return os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o644)
	}
}

// Times, owners, and what the image does not read, change nothing,
// through every front door.
func TestRevisionsThatStayTheSame(t *testing.T) {
	p := newRevisionProject(t)
	p.add(t, "same", invariant, invariant.files)
	for i, v := range variations {
		image := fmt.Sprintf("v%d", i)
		p.add(t, image, invariant, invariant.files)
		if err := v.change(filepath.Join(p.dir, image)); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range ungit {
		image := fmt.Sprintf("u%d", i)
		p.add(t, image, invariant, invariant.files)
		if err := v.change(filepath.Join(p.dir, image)); err != nil {
			t.Fatal(err)
		}
	}
	revisions := p.revisions(t)
	for i, v := range ungit {
		if revisions[fmt.Sprintf("u%d", i)] == revisions["same"] {
			t.Errorf("%s, and the revision is the same", v.name)
		}
	}
	for i, v := range variations {
		t.Run(v.name, func(t *testing.T) {
			if changes := revisions[fmt.Sprintf("v%d", i)] != revisions["same"]; changes != v.changes {
				t.Errorf("the revision changes: %t, want %t", changes, v.changes)
			}
		})
	}
	same := func(t *testing.T, got map[string]string) {
		t.Helper()
		if len(got) != len(revisions) {
			t.Errorf("there are %d images, want %d", len(got), len(revisions))
		}
		for image, revision := range revisions {
			if got[image] != revision {
				t.Errorf("image %s has revision %s, want %s", image, got[image], revision)
			}
		}
	}
	t.Run("the order of images is another", func(t *testing.T) {
		text := p.manifest.String()
		head, images, _ := strings.Cut(text, "images:\n")
		lines := strings.SplitAfter(images, "\n")
		p.manifest.Reset()
		p.manifest.WriteString(head + "images:\n")
		for i := range lines {
			p.manifest.WriteString(lines[len(lines)-1-i])
		}
		same(t, p.revisions(t))
	})
	t.Run("the project is in another folder", func(t *testing.T) {
		moved := *p
		moved.dir = filepath.Join(t.TempDir(), "moved")
		run(t, ".", "cp", "-a", p.dir, moved.dir)
		same(t, moved.revisions(t))
	})
	t.Run("the context is a git repository", func(t *testing.T) {
		for i := range ungit {
			revisions[fmt.Sprintf("u%d", i)] = revisions["same"]
		}
		got := map[string]string{}
		for _, image := range buildxPlan(t, p.dir, frontendImage(t), "--build-arg", "QUOIT_RING=none", gitServer(t, p.dir)).Images {
			got[image.Name] = image.Revision
		}
		same(t, got)
	})
}
