package frontend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWhereLinksLead: that is sent when it is known, and nothing else. What is sent first
// stays what it is.
func TestWhereLinksLead(t *testing.T) {
	files := with("web/Dockerfile", "FROM scratch\nCOPY current /\n")
	for name, text := range map[string]string{"web/releases/1/old": "1", "web/releases/2/new": "2", "web/two/b": "b", "web/two/c": "c", "web/.dockerignore": "two/c\n"} {
		files[name] = text
	}
	w := newWorld(t, files)
	w.must(os.Symlink("releases/2", filepath.Join(w.Folder, "web/current")))
	w.must(os.Symlink("nowhere", filepath.Join(w.Folder, "api/g")))
	w.write("api/Dockerfile", "FROM base\nCOPY f g* /\n")
	w.must(os.Symlink("/two", filepath.Join(w.Folder, "web/releases/2/also")))
	w.build(Options{})
	first := []string{"api/f", "api/g", "base/f", "deploy/f", "web/current"}
	if diff := cmp.Diff(map[string][]string{"quoit:acme/shop": first, "quoit:acme/shop:links:1": {"web/releases/2/also", "web/releases/2/new"}}, w.Sent()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	w.write("web/Dockerfile", "FROM scratch\nCOPY current/also/ /\n")
	_, plan := w.build(Options{})
	if diff := cmp.Diff(map[string][]string{
		"quoit:acme/shop": first, "quoit:acme/shop:links:1": {"web/releases/2/also"}, "quoit:acme/shop:2:links:2": {"web/two/b"},
	}, w.Sent()); diff != "" {
		t.Errorf("where a link leads to another, sent (-want +got):\n%s", diff)
	}
	w.write("web/two/b", "another")
	_, again := w.build(Options{})
	before, _ := plan.Image("web")
	if after, _ := again.Image("web"); after.Revision == before.Revision {
		t.Error("what a link leads to does not count")
	}
}
