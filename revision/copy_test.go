package revision

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tonistiigi/fsutil"
	stock "github.com/tonistiigi/fsutil/copy"
	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/internal/dose"
)

// What is read of random trees is held against BuildKit's own code for what it
// transfers and copies.
func TestReadsWhatBuildKitCopies(t *testing.T) {
	rounds := dose.Of(1, 5, 100) // times rapid's own count
	compared, files := 0, 0
	for range rounds {
		rapid.Check(t, func(r *rapid.T) {
			n, ok := compareCopy(t, r)
			if ok {
				compared++
				files += n
			}
		})
	}
	t.Logf("%d cases with %d files", compared, files)
	if compared < 30*rounds || files < dose.Of(1, 10, 10)*rounds {
		t.Errorf("only %d cases were compared, with %d files", compared, files)
	}
}

// compareCopy returns the number of files that were copied; ok is false if
// BuildKit's copy failed, as the build would.
func compareCopy(t *testing.T, r *rapid.T) (files int, ok bool) {
	dir := t.TempDir()
	sources := randomTree().Draw(r, "tree")
	sources.plant(t, dir)
	ignore := rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 3).Draw(r, "ignore")
	read := Read{
		Path:     randomPath(names).Draw(r, "path"),
		Wildcard: rapid.Bool().Draw(r, "wildcard"),
		Follow:   rapid.IntRange(0, 3).Draw(r, "follow") > 0,
	}
	if read.Wildcard {
		read.Path = randomPath(append(slices.Clone(names), "*", "?", "a*", "[a-c]", `\[x]`, "[[]x]")).Draw(r, "pattern")
	}
	if rapid.Bool().Draw(r, "filtered") {
		read.Include = rapid.SliceOfN(rapid.SampledFrom(patterns[:len(patterns)-3]), 0, 2).Draw(r, "include")
		read.Exclude = rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 2).Draw(r, "exclude")
	}
	want, ok := stockCopy(t, dir, ignore, read)
	if !ok {
		return 0, false
	}
	entries, err := entriesOf(t, sources, ignore, read)
	if err != nil && strings.Contains(err.Error(), "clients send such a file without its contents") {
		return 0, false
	}
	if err != nil {
		r.Fatal(err)
	}
	var got []string
	targets := map[string]bool{}
	for name, e := range entries {
		if e.Mode.IsRegular() {
			got = append(got, name)
		}
		targets[e.Target] = true
	}
	slices.Sort(got)
	if diff := cmp.Diff(want.files, got); diff != "" {
		r.Fatalf("files that are read (-BuildKit +ours):\n%s", diff)
	}
	for _, target := range want.links {
		if !targets[target] {
			r.Fatalf("BuildKit copies a link to %q, ours are %v", target, entries)
		}
	}
	return len(want.files), true
}

var (
	names    = []string{"a", "b", "c", "ab", "a b", "[x]", ".h", "x"}
	patterns = []string{"a", "*", "**", "a/b", "**/b", "a*", "*/c", "a/**", "/b", "**b", "a/*/c", `\[x]`, "!a", "!**/b", "!a/b"}
)

func randomPath(among []string) *rapid.Generator[string] {
	return rapid.Custom(func(r *rapid.T) string {
		return "/" + filepath.Join(rapid.SliceOfN(rapid.SampledFrom(among), 0, 3).Draw(r, "components")...)
	})
}

// randomTree draws files with their own paths as contents, and links.
func randomTree() *rapid.Generator[tree] {
	return rapid.Custom(func(r *rapid.T) tree {
		out := tree{}
		draw(r, out, "", 3)
		return out
	})
}

func draw(r *rapid.T, out tree, dir string, depth int) {
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID).Draw(r, "names") {
		name = filepath.Join(dir, name)
		switch kind := rapid.IntRange(0, 9).Draw(r, "kind"); {
		case kind < 4 && depth > 1:
			draw(r, out, name, depth-1)
		case kind < 7:
			out[name] = name
		default:
			target := filepath.ToSlash(filepath.Join(rapid.SliceOfN(rapid.SampledFrom(append(names, "..", "a", "b")), 1, 3).Draw(r, "target")...))
			if rapid.IntRange(0, 3).Draw(r, "absolute") == 0 {
				target = "/" + target
			}
			out[name] = link(target)
		}
	}
}

// plant writes files and links into a folder.
func (t tree) plant(tt *testing.T, dir string) {
	for name, what := range t {
		full := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		if target, isLink := what.(link); err == nil && isLink {
			err = os.Symlink(string(target), full)
		} else if err == nil {
			err = os.WriteFile(full, []byte(what.(string)), 0o644)
		}
		if err != nil {
			tt.Fatal(err)
		}
	}
}

type copyResult struct{ files, links []string }

// stockCopy copies with BuildKit's code: first what the ignore file leaves,
// as a client transfers it, from that what the read names.
func stockCopy(t *testing.T, dir string, ignore []string, read Read) (res copyResult, ok bool) {
	sent, out := t.TempDir(), t.TempDir()
	transfer(t, dir, sent, fsutil.FilterOpt{ExcludePatterns: ignore})
	places := []string{read.Path}
	if read.Wildcard {
		var err error
		if places, err = stock.ResolveWildcards(sent, read.Path, read.Follow); err != nil {
			return res, false
		}
	}
	for i, place := range places {
		err := stock.Copy(t.Context(), sent, place, out, filepath.Join("/", string(rune('A'+i))), func(info *stock.CopyInfo) {
			info.CopyDirContents = true
			info.FollowLinks = read.Follow
			info.IncludePatterns, info.ExcludePatterns = read.Include, read.Exclude
		}, stock.AllowXAttrErrors)
		if err != nil {
			return res, false
		}
	}
	return contentsOf(t, out), true
}

func transfer(t *testing.T, from, to string, o fsutil.FilterOpt) {
	source, err := fsutil.NewFS(from)
	if err != nil {
		t.Fatal(err)
	}
	if source, err = fsutil.NewFilterFS(source, &o); err != nil {
		t.Fatal(err)
	}
	err = source.Walk(t.Context(), "", func(name string, e fs.DirEntry, err error) error {
		full := filepath.Join(to, name)
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(full, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(filepath.Join(from, name))
			if err != nil {
				return err
			}
			return os.Symlink(target, full)
		default:
			data, err := os.ReadFile(filepath.Join(from, name))
			if err != nil {
				return err
			}
			return os.WriteFile(full, data, 0o644)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func contentsOf(t *testing.T, dir string) (res copyResult) {
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.IsDir():
			return err
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			res.links = append(res.links, target)
			return err
		default:
			data, err := os.ReadFile(name)
			res.files = append(res.files, string(data))
			return err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(res.files)
	res.files = slices.Compact(res.files)
	return res
}
