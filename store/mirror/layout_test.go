package mirror_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/layout"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
)

func TestHostileLayouts(t *testing.T) {
	source := newServer(t)
	source.Release(storetest.First, "developers")
	good := t.TempDir()
	copies(t, source.At(nil), source.layout(good), "developers")
	index, err := os.ReadFile(filepath.Join(good, "index.json"))
	must(t, err)
	digest := source.EveryTag()["deploy"]["developers"]
	for name, test := range map[string]struct {
		old, now string
		want     string
	}{
		"a name that leaves the folder": {"acme/shop/api:0.1.0", "acme/../../etc/api:0.1.0", "made this to do harm"},
		"a name from the root":          {"acme/shop/api:0.1.0", "/etc/passwd:0.1.0", "made this to do harm"},
		"a name with controls":          {"acme/shop/api:0.1.0", `acme/shop\u001b[2J:0.1.0`, "made this to do harm"},
		"a digest that is a path":       {digest, "sha256:../../../../etc/passwd", "opening the layout"},
		"a digest of another kind":      {digest, "sha512:" + strings.Repeat("0", 128), "opening the layout"},
		"two of a name":                 {"acme/shop/api:0.1.0", "acme/shop/base:0.1.0", "two manifests of the name"},
		"no JSON":                       {"{", "", "opening the layout"},
		"a number without end":          {`"size": `, `"size": 1e99`, "opening the layout"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.CopyFS(dir, os.DirFS(good)))
			must(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte(strings.ReplaceAll(string(index), test.old, test.now)), 0o644))
			if _, err := layout.Open(dir, storetest.Project); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	for name, change := range map[string]func(blob string) error{
		"an altered blob": func(blob string) error { return os.WriteFile(blob, []byte("altered"), 0o644) },
		"a lost blob":     os.Remove,
		"a link": func(blob string) error {
			must(t, os.Rename(blob, blob+".moved"))
			return os.Symlink(blob+".moved", blob)
		},
	} {
		t.Run(name, func(t *testing.T) {
			blobs, err := filepath.Glob(filepath.Join(good, "blobs", "sha256", "*"))
			must(t, err)
			for i, blob := range blobs {
				if i%dose.Of(5, 1, 1) != 0 {
					continue
				}
				if filepath.Base(blob) == strings.TrimPrefix(registry.DigestOf(records.MirrorConfig()), "sha256:") {
					continue // of the mark, which every copy makes itself
				}
				dir, target := t.TempDir(), newServer(t)
				must(t, os.CopyFS(dir, os.DirFS(good)))
				must(t, change(filepath.Join(dir, "blobs", "sha256", filepath.Base(blob))))
				if _, err := mirror.Copy(context.Background(), source.layout(dir), target.At(nil), mirror.Request{Releases: []string{"developers"}}); err == nil {
					t.Errorf("%s: it was not seen", filepath.Base(blob))
				}
				if _, is := target.EveryTag()["deploy"]["developers"]; is {
					t.Errorf("%s: the ring was written", filepath.Base(blob))
				}
			}
		})
	}
}

func TestACopyToALayoutIsWholeOrNot(t *testing.T) {
	source := newServer(t)
	source.Release(storetest.First, "developers")
	want := t.TempDir()
	copies(t, source.At(nil), source.layout(want), "developers")
	index, err := os.ReadFile(filepath.Join(want, "index.json"))
	must(t, err)
	for n := 0; ; n += dose.Of(7, 1, 1) {
		dir := t.TempDir()
		dying := &registrytest.Mortal{Left: n, Inner: &http.Transport{}}
		_, err := mirror.Copy(context.Background(), source.At(func(o *registry.Options) { o.Transport = dying }), source.layout(dir), mirror.Request{Releases: []string{"developers"}})
		if err == nil {
			if n < 20 {
				t.Errorf("%d requests are enough", n)
			}
			break
		}
		if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
			t.Errorf("request %d: there are tags", n)
		}
		copies(t, source.At(nil), source.layout(dir), "developers")
		got, err := os.ReadFile(filepath.Join(dir, "index.json"))
		must(t, err)
		if diff := cmp.Diff(string(index), string(got)); diff != "" {
			t.Errorf("request %d:\n%s", n, diff)
		}
	}
}
