package disk

import (
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tonistiigi/fsutil"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
)

// TestWhatIsSelectedIsEnough: a builder that gets what reads want, and what it then says
// that links lead to, answers as one that has everything.
func TestWhatIsSelectedIsEnough(t *testing.T) {
	seed := seedOf(t)
	rounds, whole := map[int]int{}, 0
	for i := range dose.Of(40, 400, 4000) {
		g := &generator{trees.Random{Rand: rand.New(rand.NewPCG(seed, uint64(i))), Names: trees.OddNames}}
		dir := t.TempDir()
		all := files{}
		g.Tree(all, "", 3)
		trees.Plant(t, dir, all)
		g.HardLinks(t, dir, all)
		req := g.request(all)
		for i := range req.Images {
			for j := range req.Images[i].Reads {
				req.Images[i].Reads[j].Include = pick(g, nil, nil, g.Patterns(all, 2))
			}
		}
		want := onBuilder(t, dir, req)
		if len(want.Problems) > 0 {
			continue // a problem ends the build, and a part of the tree may not have it
		}
		for _, in := range req.Images {
			got, count, sent := selected(t, dir, req.Scheme, in)
			if diff := cmp.Diff([]any{want.Trees[in.Name], want.Links[in.Name]}, []any{got.Trees[in.Name], got.Links[in.Name]}); diff != "" {
				t.Fatalf("tree %d: %q\n%+v\nsent %q\n%s", i, all, in, sent, diff)
			}
			if rounds[count]++; slices.Contains(sent.Trees, ".") {
				whole++
			}
		}
	}
	t.Logf("rounds by how many there were: %v; everything was selected %d times", rounds, whole)
}

// selected answers for an image of a builder that gets no more than that image needs, with
// the rounds that it takes and what is sent in the end.
func selected(t *testing.T, dir string, scheme int, in revision.ImageInputs) (revision.Response, int, revision.Paths) {
	t.Helper()
	wanted := revision.Wanted(in.Reads).Below(in.Context)
	in.Project = "project"
	for round := 1; ; round++ {
		there := t.TempDir()
		if err := os.Mkdir(filepath.Join(there, in.Project), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := trees.Send(t.Context(), dir, filepath.Join(there, in.Project), selection(t, wanted, in)...); err != nil {
			t.Fatal(err)
		}
		res, err := answer(t.Context(), there, revision.Request{Scheme: scheme, Images: []revision.ImageInputs{in}, Beyond: true}, Options{}, true)
		if err != nil {
			t.Fatal(err)
		}
		beyond := res.Beyond[in.Name].Below(in.Context).Without(wanted)
		if beyond.Empty() {
			return res, round, wanted
		}
		if round > 50 {
			t.Fatalf("%+v: still beyond %q: %q", in, wanted, beyond)
		}
		wanted = revision.Join(wanted, beyond)
	}
}

// selection is what a transfer is limited to, as BuildKit hands it to a client.
func selection(t *testing.T, wanted revision.Paths, in revision.ImageInputs) []*fsutil.FilterOpt {
	t.Helper()
	opt := &fsutil.FilterOpt{}
	data, err := json.Marshal(wanted.Patterns())
	if err == nil {
		err = json.Unmarshal(data, &opt.IncludePatterns)
	}
	if err != nil {
		t.Fatal(err)
	}
	if in.Context == "." {
		opt.ExcludePatterns = in.Ignore
	}
	return []*fsutil.FilterOpt{opt}
}

// TestNothingElseIsSelected: what nobody reads.
func TestNothingElseIsSelected(t *testing.T) {
	dir := t.TempDir()
	trees.Plant(t, dir, files{
		"api/src/a.go": "a", "api/src/deep/b": "b", "api/target/big": "big", "api/go.mod": "m", "api/go.sum": "s", "api/secret": "s",
		"api/now": link("releases/2"), "api/releases/2/f": "f", "api/releases/1/f": "f", "web/f": "f", ".git/pack": "p", "x[1]": "odd", " y ": "odd",
		"lib/a/go.mod": "m", "lib/a/x": "x", "lib/b/go.mod": "m",
	})
	for _, test := range []struct {
		context string
		reads   []revision.Read
		rounds  int
		want    []string
	}{
		{"api", []revision.Read{{Path: "/src"}}, 1, []string{"api/src/a.go", "api/src/deep/b"}},
		{"api", []revision.Read{{Path: "/go.*", Wildcard: true}}, 1, []string{"api/go.mod", "api/go.sum"}},
		{"api", []revision.Read{{Path: "/missing"}}, 1, nil},
		{"api", []revision.Read{{Path: "/missing*", Wildcard: true}}, 1, nil},
		{"api", []revision.Read{{Path: "/now", Follow: true}}, 2, []string{"api/now", "api/releases/2/f"}},
		{"api", []revision.Read{{Path: "/now/f"}}, 2, []string{"api/now", "api/releases/2/f"}},
		{".", []revision.Read{{Path: "/lib/*/go.mod", Wildcard: true}, {Path: "/x[1]"}, {Path: "/ y "}}, 1, []string{" y ", "lib/a/go.mod", "lib/b/go.mod", "x[1]"}},
		{".", []revision.Read{{Path: "/lib", Include: []string{"*/go.mod"}}}, 1, []string{"lib/a/go.mod", "lib/b/go.mod"}},
		{"web", []revision.Read{{Path: "/"}}, 1, []string{"web/f"}},
	} {
		_, rounds, wanted := selected(t, dir, revision.Scheme, revision.ImageInputs{Name: "i", Context: test.context, Reads: test.reads})
		if got := sentFiles(t, dir, wanted); !slices.Equal(got, test.want) || rounds != test.rounds {
			t.Errorf("%+v: sent is %q after %d rounds, want %q after %d", test.reads, got, rounds, test.want, test.rounds)
		}
	}
}

func sentFiles(t *testing.T, dir string, wanted revision.Paths) (sent []string) {
	t.Helper()
	to := t.TempDir()
	if err := trees.Send(t.Context(), dir, to, selection(t, wanted, revision.ImageInputs{})...); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, err = filepath.Rel(to, name)
			sent = append(sent, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}
