package disk

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
)

// The answer on this disk is that of a builder that was sent the tree by BuildKit's own
// code, on random trees, and again after each change of them; with a cache, and without
// one. QUOIT_TEST_SEED replays a run.
func TestAnswersAreThoseOfABuilder(t *testing.T) {
	seed := seedOf(t)
	answered, distinct := 0, map[string]bool{}
	for i := range dose.Of(15, 400, 4000) {
		g := &generator{trees.Random{Rand: rand.New(rand.NewPCG(seed, uint64(i))), Names: trees.OddNames}}
		dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
		all := files{}
		g.Tree(all, "", 3)
		trees.Plant(t, dir, all)
		g.HardLinks(t, dir, all)
		g.modes(t, dir)
		req := g.request(all)
		for range 3 {
			res := compare(t, dir, cache, req)
			compareElsewhere(t, dir, req, res)
			for _, sum := range res.Trees {
				answered++
				distinct[sum.String()] = true
			}
			if t.Failed() {
				t.Fatalf("tree %d: %q\n%+v", i, all, req)
			}
			g.edit(t, dir, all)
		}
	}
	t.Logf("%d answers, %d of them different", answered, len(distinct))
	if len(distinct) < answered/10 {
		t.Errorf("%d answers are %d trees only", answered, len(distinct))
	}
}

// seedOf is a random seed, or that of the run that is replayed.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("QUOIT_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("QUOIT_TEST_SEED=%d", seed)
	return seed
}

// compare asks in all ways, and returns the builder's answer.
func compare(t *testing.T, dir, cache string, req revision.Request) revision.Response {
	t.Helper()
	want := onBuilder(t, dir, req)
	for name, o := range map[string]Options{"without a cache": {}, "with a cache": {Cache: cache, now: later}, "with a cache that knows nothing yet": {Cache: cache, Fresh: true, now: later}} {
		got, err := Answer(t.Context(), dir, req, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(want)); diff != "" {
			t.Errorf("%s (-the builder's +ours):\n%s", name, diff)
		}
	}
	return want
}

// onBuilder sends a folder as a client of BuildKit does and asks there.
func onBuilder(t *testing.T, dir string, req revision.Request) (res revision.Response) {
	t.Helper()
	there, wire := t.TempDir(), t.TempDir()
	if err := trees.Send(t.Context(), dir, there); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	request, response := filepath.Join(wire, "request"), filepath.Join(wire, "response")
	if err := os.WriteFile(request, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := AnswerFile(t.Context(), there, request, response); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(response); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &res); err != nil {
		t.Fatal(err)
	}
	return res
}

type generator struct{ trees.Random }

func pick[T any](g *generator, among ...T) T { return trees.Pick(&g.Random, among...) }

func (g *generator) request(all files) revision.Request {
	req := revision.Request{Scheme: pick(g, revision.Scheme, revision.Scheme, revision.FirstScheme)}
	for i := range 1 + g.IntN(4) {
		in := revision.ImageInputs{Name: fmt.Sprint("i", i), Context: pick(g, ".", ".", path.Dir(pick(g, slices.Sorted(maps.Keys(all))...))), Ignore: g.Patterns(all, 3)}
		in.Context = strings.ToValidUTF8(in.Context, "x")
		in.Root = in.Context == "."
		for range 1 + g.IntN(3) {
			in.Reads = append(in.Reads, revision.Read{
				Path: "/" + strings.ToValidUTF8(pick(g, ".", "", g.Pattern(all), g.Pattern(all)), "?"), Wildcard: g.IntN(3) > 0, Follow: g.IntN(4) > 0,
				Exclude: pick(g, nil, g.Patterns(all, 2)), Chmod: g.IntN(5) == 0,
			})
		}
		if g.IntN(5) == 0 { // which is another name for the builder, whatever the disk says
			in.Reads[0].Path, in.Context = swapCase(in.Reads[0].Path), pick(g, in.Context, swapCase(in.Context))
		}
		req.Images = append(req.Images, in)
	}
	return req
}

// modes changes those of some files and folders.
func (g *generator) modes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || g.IntN(3) > 0 || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chmod(name, pick[fs.FileMode](g, 0, 0o077, 0o020, 0o011, fs.ModeSetgid|0o050, fs.ModeSetuid|fs.ModeSticky)|0o700)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes a file of a tree: often so that only its contents tell.
func (g *generator) edit(t *testing.T, dir string, all files) {
	t.Helper()
	name := pick(g, slices.Sorted(maps.Keys(all))...)
	full := filepath.Join(dir, name)
	var err error
	switch what := all[name].(type) {
	case string, script:
		info, statErr := os.Stat(full)
		if statErr != nil {
			t.Fatal(statErr)
		}
		if size := int(info.Size()); size > 0 && g.IntN(3) > 0 {
			rewrite(t, full, strings.Repeat("!", size))
			return
		}
		err = os.Chmod(full, pick[os.FileMode](g, 0o644, 0o755, 0o600, os.ModeSetuid|0o755))
	case link:
		if err = os.Remove(full); err == nil {
			err = os.Symlink(string(what)+"x", full)
		}
	case folder:
		err = os.WriteFile(filepath.Join(full, "new"), nil, 0o644)
	default:
		err = os.Remove(full)
		delete(all, name)
		if len(all) == 0 {
			all["."] = folder{}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
