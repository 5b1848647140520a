//go:build stack

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/internal/trees"
)

// stockBytes are those that buildctl sends for a build.
func (w *wire) stockBytes(t *testing.T, dir string, args ...string) int64 {
	t.Helper()
	before := w.sent.Load()
	run(t, dir, "buildctl", append([]string{"--addr", w.Address, "build", "--progress=plain"}, args...)...)
	return w.sent.Load() - before
}

// TestOnlyWhatIsReadIsSentByAStockClient, in one transfer and for what links lead to, however
// contexts and ignore files lie: no more than it sends for the images that change.
func TestOnlyWhatIsReadIsSentByAStockClient(t *testing.T) {
	dir, _ := generated(t, 6)
	trees.Plant(t, dir, trees.Files{
		".git/objects/pack/pack-1.pack": lump,
		"services/s000/target/debug":    lump,
		// Two images with one context ignore different files of it.
		"services/s001/Dockerfile":                  "FROM scratch\nCOPY . /\n",
		"services/s001/Dockerfile.dockerignore":     "secret*\nsmall\n",
		"services/s001/secret.key":                  lump,
		"services/s001/small":                       "small\n",
		"services/s001/data":                        lump,
		"services/s001/two.Dockerfile":              "FROM scratch\nCOPY small secret.ke[y] /\n",
		"services/s001/two.Dockerfile.dockerignore": "*.key\n",
		// A bind mount, and a link to one of two releases.
		"services/s002/Dockerfile":     "FROM busybox\nRUN --mount=type=bind,source=src,target=/src cat /src/file > /file\n",
		"services/s002/src/file":       "read\n",
		"services/s002/beside":         lump,
		"services/s003/Dockerfile":     "FROM scratch\nCOPY current /\n",
		"services/s003/current":        trees.Link("releases/2"),
		"services/s003/releases/1/old": lump,
		"services/s003/releases/2/new": lump,
	})
	write(t, dir, "quoit.yaml", read(t, filepath.Join(dir, "quoit.yaml"))+"\n  two: {context: services/s001, file: two.Dockerfile}\n")
	w := newWire(t, nil)
	front := frontendImage(t)
	ours := func(what, dir string, most int64) {
		t.Helper()
		sent := w.stockBytes(t, dir, "--frontend=gateway.v0", "--opt=source="+front, "--opt=filename=quoit.yaml",
			"--opt=build-arg:QUOIT_REGISTRY="+stack.Registry, "--opt=build-arg:QUOIT_FIRST=1", "--local=context=.", "--local=dockerfile=.")
		t.Logf("%s: %d bytes are sent, at most %d", what, sent, most)
		if sent > most+most/100+64<<10 {
			t.Errorf("%s: %d bytes are sent, want at most %d and a little", what, sent, most)
		}
	}
	stock := func(service string) int64 {
		t.Helper()
		local := filepath.Join(dir, "services", service)
		return w.stockBytes(t, dir, "--frontend=dockerfile.v0", "--local=context="+local, "--local=dockerfile="+local)
	}
	lumps := int64(2 * len(lump)) // s001's data and s003's release are read
	ours("the first build", dir, lumps)
	ours("a build that changes nothing", dir, 0)
	stock("s001")
	stock("s003")
	for i, edited := range []string{"s003/releases/2/new", "s001/data", "s003/releases/2/new"} {
		write(t, dir, "services/"+edited, fmt.Sprint("edit ", i, lump))
		ours("an edit of "+edited, dir, stock(edited[:4]))
	}
	write(t, dir, "services/s002/src/file", "edited\n")
	ours("an edit of what is mounted", dir, 0)
	write(t, dir, "services/s001/secret.key", "edited"+lump)
	write(t, dir, "services/s002/beside", "edited"+lump)
	ours("edits of what nobody reads", dir, 0)
	clone := t.TempDir()
	if err := os.CopyFS(clone, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	ours("another checkout", clone, lumps)
}

// A stage that no image needs reads what no image reads.
func TestAStageGetsWhatItReads(t *testing.T) {
	dir, _ := generated(t, 3)
	write(t, dir, "services/s000/Dockerfile", "FROM scratch AS tests\nCOPY only/tests /\nFROM scratch\nCOPY main.txt /\n")
	write(t, dir, "services/s000/only/tests/case", fmt.Sprint("case of ", time.Now(), "\n"))
	out := t.TempDir()
	buildx(t, dir, "--target", "s000/tests", "--output", "type=local,dest="+out)
	if got := read(t, filepath.Join(out, "case")); got != read(t, filepath.Join(dir, "services/s000/only/tests/case")) {
		t.Errorf("the stage has %q", got)
	}
}
