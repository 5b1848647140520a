package disk

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
)

// gitIn runs git in a folder. Without git the test is skipped.
func gitIn(t testing.TB, dir string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "protocol.file.allow=always", "-c", "user.name=ann", "-c", "user.email=ann@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// modesOf are those files of a folder that count as executable, as on Windows.
func modesOf(t *testing.T, dir string) []string {
	t.Helper()
	executable, err := executables(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	err = filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".git" && entry.IsDir():
			return filepath.SkipDir
		case entry.Name() == ".git":
			return nil
		}
		name, err = filepath.Rel(dir, name)
		if name = filepath.ToSlash(name); entry.Type().IsRegular() && executable(name) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// forgetful lowers the modes of all files, as a disk that does not keep them.
func forgetful(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			err = os.Chmod(name, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inGit is a work tree with a submodule.
func inGit(t *testing.T, args ...string) string {
	t.Helper()
	dir, module := t.TempDir(), t.TempDir()
	trees.Plant(t, module, files{"bin/tool": script("tool"), "text": "t"})
	trees.Plant(t, dir, files{
		"run.sh": script("run"), "app/Start": script("start"), "app/text": "t", "app/bin": link("../run.sh"),
	})
	for _, repository := range []string{module, dir} {
		gitIn(t, repository, append([]string{"init", "-q"}, args...)...)
		gitIn(t, repository, "add", ".")
	}
	gitIn(t, module, "commit", "-q", "-m", "module")
	gitIn(t, dir, "submodule", "--quiet", "add", module, "app/module")
	trees.Plant(t, dir, files{"app/unknown": script("git was not told"), "app/later": script("git is told that it is added")})
	gitIn(t, dir, "add", "--intent-to-add", "app/later")
	return dir
}

// TestWhereTheDiskKeepsNoModes a file is what git says of it, however the index is written.
func TestWhereTheDiskKeepsNoModes(t *testing.T) {
	for name, write := range map[string][]string{
		"version 2": {"update-index", "--index-version", "2"},
		"version 3": {"update-index", "--index-version", "3"},
		"version 4": {"update-index", "--index-version", "4"},
		"monitored": {"update-index", "--untracked-cache"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := inGit(t)
			gitIn(t, dir, write...)
			checkModes(t, dir)
			// The length of a name is written down up to 4094 bytes.
			long := strings.Repeat("long/", 900) + "run"
			gitIn(t, dir, "update-index", "--add", "--cacheinfo", "100755,"+strings.Repeat("1", 40)+","+long, "--cacheinfo", "100755,"+strings.Repeat("1", 40)+",zz")
			if executable, err := executables(dir); err != nil || !executable(long) || !executable("zz") || executable("zzz") {
				t.Errorf("error %v with a long name", err)
			}
		})
	}
	t.Run("SHA-256", func(t *testing.T) { checkModes(t, inGit(t, "--object-format=sha256")) })
	t.Run("a second work tree", func(t *testing.T) {
		dir, second := inGit(t), filepath.Join(t.TempDir(), "second")
		gitIn(t, dir, "commit", "-q", "-m", "all")
		gitIn(t, dir, "worktree", "add", "-q", second)
		forgetful(t, second)
		if diff := cmp.Diff([]string{"Start"}, modesOf(t, filepath.Join(second, "app"))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func checkModes(t *testing.T, dir string) {
	t.Helper()
	want := []string{"Start", "later", "module/bin/tool"}
	app := filepath.Join(dir, "app")
	req := revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{{Name: "x", Context: ".", Ignore: []string{"unknown", "**/.git"}, Reads: []revision.Read{everything}}}}
	before := treeOf(t, app, req.Images[0], Options{})
	forgetful(t, app)
	if diff := cmp.Diff(want, modesOf(t, app)); diff != "" {
		t.Errorf("executable (-want +got):\n%s", diff)
	}
	executable, err := executables(app)
	if err != nil {
		t.Fatal(err)
	}
	if after := treeOf(t, app, req.Images[0], Options{Executable: executable}); after != before {
		t.Errorf("the digest is %s, and %s where the disk keeps modes", after, before)
	}
	if !executable("START") {
		t.Error("a name in another case is another file")
	}
	if executable("unknown") || executable("nothing") {
		t.Error("what git does not know is executable")
	}
}

// TestWithoutAnIndex all is executable, as BuildKit's own clients send it.
func TestWithoutAnIndex(t *testing.T) {
	plain := plant(t, files{"a": "a", "b/c": "c"})
	fresh := plant(t, files{"a": "a", "b/c": "c"})
	gitIn(t, fresh, "init", "-q")
	foreign := plant(t, files{"a": "a", "b/c": "c", ".git": "gitdir: elsewhere/none\n"})
	broken := plant(t, files{"a": "a", "b/c": "c", ".git": "nothing of git's\n"})
	for _, dir := range []string{plain, fresh, foreign, broken} {
		if diff := cmp.Diff([]string{"a", "b/c"}, modesOf(t, dir)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if executable, err := Executables(plain); err != nil || (executable == nil) != (runtime.GOOS != "windows") {
		t.Errorf("error %v; the disk says it: %t", err, executable == nil)
	}
}

func TestAnIndexThatCannotBeRead(t *testing.T) {
	dir := plant(t, files{"run": script("run"), "text": "t"})
	gitIn(t, dir, "init", "-q")
	gitIn(t, dir, "add", ".")
	index := filepath.Join(dir, ".git", "index")
	good, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	gitIn(t, dir, "update-index", "--split-index")
	if _, err := executables(dir); err == nil || !strings.Contains(err.Error(), "--no-split-index") {
		t.Errorf("a split index: error %v", err)
	}
	unknown := slices.Concat(good[:len(good)-20], []byte("mine\x00\x00\x00\x00"), good[len(good)-20:])
	for name, data := range map[string][]byte{
		"empty": {}, "no index": []byte("text"), "cut off": good[:len(good)-21], "another version": bytes.Replace(good, []byte{0, 0, 0, 2}, []byte{0, 0, 0, 9}, 1),
		"more entries than there are": bytes.Replace(good, []byte{0, 0, 0, 2, 0, 0, 0, 2}, []byte{0, 0, 0, 2, 0xff, 0, 0, 2}, 1), "an extension that has to be understood": unknown,
	} {
		if err := os.WriteFile(index, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := executables(dir); err == nil || !strings.Contains(err.Error(), "index") || !strings.Contains(err.Error(), "git") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := errors.Join(os.Remove(index), os.Mkdir(index, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := executables(dir); err == nil || !strings.Contains(err.Error(), "a folder") {
		t.Errorf("a folder: error %v", err)
	}
}

// TestARepositoryThatIsItsOwnSubmodule ends.
func TestARepositoryThatIsItsOwnSubmodule(t *testing.T) {
	dir := plant(t, files{"run": script("run")})
	gitIn(t, dir, "init", "-q")
	gitIn(t, dir, "add", ".")
	gitIn(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",loop")
	trees.Plant(t, dir, files{"loop/.git": "gitdir: ../.git\n"})
	if got := modesOf(t, dir); !slices.Contains(got, "run") {
		t.Errorf("executable are %v", got)
	}
}

// FuzzIndex: whatever is in an index, reading it ends, and takes no more memory than it has
// bytes for.
func FuzzIndex(f *testing.F) {
	dir := f.TempDir()
	trees.Plant(f, dir, files{"run.sh": script("run"), "app/run": script("run"), "app/text": "t"})
	gitIn(f, dir, "init", "-q")
	gitIn(f, dir, "add", ".")
	for _, version := range []string{"2", "4"} {
		gitIn(f, dir, "update-index", "--index-version", version)
		data, err := os.ReadFile(filepath.Join(dir, ".git", "index"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeIndex(data)
		if err == nil && len(entries)*fixedSize > len(data) {
			t.Errorf("%d entries of %d bytes", len(entries), len(data))
		}
		modes := map[uint32]bool{}
		for _, entry := range entries {
			modes[entry.mode>>12] = true
		}
		for mode := range maps.Keys(modes) {
			if mode != 0o4 && mode != 0o10 && mode != 0o12 && mode != 0o16 {
				t.Errorf("an entry has the mode %o", mode)
			}
		}
	})
}
