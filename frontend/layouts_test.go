package frontend

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/internal/trees"
)

// layout is a project that is laid out as many are.
type layout struct {
	name   string
	images string // of the manifest, beside the root image "deploy"
	files  trees.Files
	edits  []layoutEdit
}

// layoutEdit is a change of a project, and the images that change by it. The root image is
// only named where no other does: it follows them all.
type layoutEdit struct {
	what    string
	do      func(w *world) error // nil: only the options are others
	o       Options
	changes string
}

// TestLayouts: by each edit of a project that is published change those images that it is
// for, and no others.
func TestLayouts(t *testing.T) {
	count := 0
	for _, l := range []layout{stagesLayout, parentsLayout, outsideLayout, manyLayout, generatedLayout, aliasLayout} {
		count += len(l.edits)
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.plant(l)
			w.publish(Options{})
			if got := w.changed(Options{}); len(got) > 0 {
				t.Fatalf("after a publish %q change", got)
			}
			for _, e := range l.edits {
				t.Run(e.what, func(t *testing.T) {
					w.t = t
					w.plant(l)
					w.Gateway = w.again()
					if e.do != nil {
						w.must(e.do(w))
					}
					if diff := cmp.Diff(e.all(), w.changed(e.o)); diff != "" {
						t.Errorf("what changes (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
	if count < 60 {
		t.Errorf("there are %d edits only", count)
	}
}

// plant makes the project's folder what a layout says, and nothing else.
func (w *world) plant(l layout) {
	w.t.Helper()
	w.must(os.RemoveAll(w.Folder))
	trees.Plant(w.t, w.Folder, trees.Files{
		"quoit.yaml":        "project: acme/shop\nregistry: registry.example.com\nroot: deploy\nimages:\n  deploy: deploy\n" + strings.TrimPrefix(l.images, "\n"),
		"deploy/Dockerfile": "FROM scratch\nCOPY overlays /overlays\n", "deploy/overlays/dev/kustomization.yaml": "resources: []\n",
	})
	trees.Plant(w.t, w.Folder, l.files)
}

// changed are the images that change, sorted, by the plan that is made where the project
// lies. In full doses it has to be BuildKit's.
func (w *world) changed(o Options) []string {
	w.t.Helper()
	local, err := w.local(o)
	w.must(err)
	if dose.Of(false, true, true) {
		_, remote := w.build(o)
		if diff := cmp.Diff(remote, local); diff != "" {
			w.t.Errorf("the plan (-BuildKit's +the local one):\n%s", diff)
		}
	}
	return slices.Sorted(slices.Values(local.Changed()))
}

// all are all images that change, sorted.
func (e layoutEdit) all() []string {
	names := strings.Fields(e.changes)
	if len(names) > 0 && !slices.Contains(names, "deploy") {
		names = append(names, "deploy")
	}
	return slices.Sorted(slices.Values(names))
}

// put writes a file anew, or another one.
func put(name, text string) func(*world) error {
	return func(w *world) error {
		file := filepath.Join(w.Folder, name)
		return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644))
	}
}

// sub replaces what is once in a file.
func sub(name, from, to string) func(*world) error {
	return func(w *world) error {
		file := filepath.Join(w.Folder, name)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if n := bytes.Count(text, []byte(from)); n != 1 {
			return fmt.Errorf("%q is %d times in %s", from, n, name)
		}
		return os.WriteFile(file, bytes.Replace(text, []byte(from), []byte(to), 1), 0o644)
	}
}

func gone(name string) func(*world) error {
	return func(w *world) error { return os.Remove(filepath.Join(w.Folder, name)) }
}

func renamed(from, to string) func(*world) error {
	return func(w *world) error {
		return os.Rename(filepath.Join(w.Folder, from), filepath.Join(w.Folder, to))
	}
}

func permitted(name string, mode fs.FileMode) func(*world) error {
	return func(w *world) error { return os.Chmod(filepath.Join(w.Folder, name), mode) }
}

// linked makes a link lead elsewhere.
func linked(name, target string) func(*world) error {
	return func(w *world) error {
		return errors.Join(gone(name)(w), os.Symlink(target, filepath.Join(w.Folder, name)))
	}
}

// hollow makes a folder with nothing in it.
func hollow(name string) func(*world) error {
	return func(w *world) error { return os.MkdirAll(filepath.Join(w.Folder, name), 0o755) }
}

// several makes one edit of many.
func several(edits ...func(*world) error) func(*world) error {
	return func(w *world) error {
		for _, edit := range edits {
			if err := edit(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// based makes an image of a registry another one.
func based(ref string) func(*world) error {
	return func(w *world) error {
		w.Push(ref, []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["NEWER=1"]}}`))
		return nil
	}
}

// args are build arguments of the command line.
func args(named map[string]string) Options { return Options{Args: named} }
