package revision

import (
	"io/fs"
	"slices"
	"testing"
)

// Which changes of permission bits count, of a file in a folder in a folder.
func TestPermissionBits(t *testing.T) {
	before := tree{"d": mode(fs.ModeDir | 0o755), "d/e": mode(fs.ModeDir | 0o755), "d/e/f": mode(0o644), "run": mode(0o755), "empty": mode(fs.ModeDir | 0o755), "l": link("run")}
	folder := Read{Path: "/d", Follow: true}
	file := Read{Path: "/d/e/f", Follow: true}
	for _, c := range []struct {
		name   string
		change tree
		reads  []Read
		counts bool
	}{
		{"the umask 002", tree{"d": mode(fs.ModeDir | 0o775), "d/e": mode(fs.ModeDir | 0o775), "d/e/f": mode(0o664), "run": mode(0o775)}, []Read{everything}, false},
		{"a secret", tree{"d/e/f": mode(0o600)}, []Read{everything}, true},
		{"a file for its group alone", tree{"d/e/f": mode(0o640)}, []Read{everything}, true},
		{"a file that nobody writes", tree{"d/e/f": mode(0o444)}, []Read{everything}, true},
		{"a file that all write", tree{"d/e/f": mode(0o646)}, []Read{everything}, true},
		{"a script", tree{"d/e/f": mode(0o755)}, []Read{everything}, true},
		{"a script of its owner", tree{"run": mode(0o700)}, []Read{everything}, true},
		{"setuid", tree{"run": mode(fs.ModeSetuid | 0o755)}, []Read{everything}, true},
		{"setgid", tree{"run": mode(fs.ModeSetgid | 0o755)}, []Read{everything}, true},
		{"sticky", tree{"d": mode(fs.ModeDir | fs.ModeSticky | 0o755)}, []Read{everything}, true},
		{"a folder", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{everything}, true},
		{"a folder that is copied", tree{"d": mode(fs.ModeDir | 0o700)}, []Read{folder}, true},
		{"a folder whose contents are copied", tree{"d": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/d", Contents: true}}, false},
		{"and that is read in another way", tree{"d": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/d", Contents: true}, folder}, true},
		{"and that is read in another way before", tree{"d": mode(fs.ModeDir | 0o700)}, []Read{everything, {Path: "/d", Contents: true}}, true},
		{"a folder in one whose contents are copied", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/d", Contents: true}}, true},
		{"a folder that a wildcard finds, whose contents are copied", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/d/*", Wildcard: true, Contents: true}}, false},
		{"a folder in one", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{folder}, true},
		{"a folder on the way to a file", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{file}, false},
		{"a folder that a wildcard finds", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{copied("/d/*")}, true},
		{"a folder in front of a wildcard", tree{"d": mode(fs.ModeDir | 0o700)}, []Read{copied("/d/*")}, false},
		{"a folder in which nothing is included", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/", Include: []string{"run"}}}, false},
		{"a folder in which something is", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/", Include: []string{"d/e/f"}}}, true},
		{"a folder in which all is excluded", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/", Exclude: []string{"d/e/f"}}}, false},
		{"an empty folder", tree{"empty": mode(fs.ModeDir | 0o700)}, []Read{everything}, false},
		{"a file that nobody reads", tree{"run": mode(0o700)}, []Read{folder}, false},
		{"a file where the copy sets all", tree{"d/e/f": mode(0o600)}, []Read{{Path: "/d", Chmod: true}}, false},
		{"a folder where the copy sets all", tree{"d/e": mode(fs.ModeDir | 0o700)}, []Read{{Path: "/d", Chmod: true}}, false},
		{"a file where another copy does not", tree{"d/e/f": mode(0o600)}, []Read{file, {Path: "/d", Chmod: true}}, true},
		{"a link's target", tree{"run": mode(0o700)}, []Read{copied("/l")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			after := tree{}
			for name, what := range before {
				after[name] = what
			}
			for name, what := range c.change {
				after[name] = what
			}
			in := ImageInputs{Reads: c.reads}
			if counts := answer(t, before, in) != answer(t, after, in); counts != c.counts {
				t.Errorf("it counts: %t, want %t", counts, c.counts)
			}
		})
	}
	t.Run("by the first scheme", func(t *testing.T) {
		in := ImageInputs{Reads: []Read{everything}}
		secret, script := tree{}, tree{}
		for name, what := range before {
			secret[name], script[name] = what, what
		}
		secret["d/e/f"], script["d/e/f"] = mode(0o600), mode(0o744)
		if answerBy(t, FirstScheme, before, in) != answerBy(t, FirstScheme, secret, in) {
			t.Error("a secret counts")
		}
		if answerBy(t, FirstScheme, before, in) == answerBy(t, FirstScheme, script, in) {
			t.Error("a script does not count")
		}
	})
}

// What git knows of the project is another thing in each clone.
func TestTheProjectsGitFolder(t *testing.T) {
	plain := tree{"a": "a", "sub/.git/HEAD": "h"}
	clone := tree{"a": "a", "sub/.git/HEAD": "h", ".git/HEAD": "ref", ".git/objects/1": "1", ".gitignore": "x"}
	worktree := tree{"a": "a", "sub/.git/HEAD": "h", ".git": "gitdir: /elsewhere"}
	delete(clone, ".gitignore")
	takes := func(t *testing.T, files tree, in ImageInputs) []int {
		t.Helper()
		in.Name = "image"
		res, err := Answer(t.Context(), files, Request{Scheme: Scheme, Images: []ImageInputs{in}})
		if err != nil {
			t.Fatal(err)
		}
		return res.Git["image"]
	}
	for _, c := range []struct {
		name  string
		in    ImageInputs
		equal bool
		takes []int // reads, of the clone
	}{
		{"a copy of all", ImageInputs{Context: ".", Root: true, Reads: []Read{everything}}, true, []int{0}},
		{"a copy of something else", ImageInputs{Context: ".", Root: true, Reads: []Read{copied("/a"), copied("/sub")}}, true, nil},
		{"a copy of a part", ImageInputs{Context: ".", Root: true, Reads: []Read{copied("/a"), copied("/.git/HEAD")}}, true, []int{1}},
		{"a wildcard", ImageInputs{Context: ".", Root: true, Reads: []Read{copied("/*")}}, true, []int{0}},
		{"a wildcard in it", ImageInputs{Context: ".", Root: true, Reads: []Read{copied("/*/HEAD")}}, true, []int{0}},
		{"an inclusion", ImageInputs{Context: ".", Root: true, Reads: []Read{{Path: "/", Include: []string{".git/HEAD"}}}}, true, []int{0}},
		{"an exclusion", ImageInputs{Context: ".", Root: true, Reads: []Read{{Path: "/", Exclude: []string{".git"}}}}, true, nil},
		{"an ignore file", ImageInputs{Context: ".", Root: true, Ignore: []string{".git"}, Reads: []Read{everything}}, true, nil},
		{"a context that is not the root", ImageInputs{Context: ".", Reads: []Read{everything}}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if equal := answer(t, plain, c.in) == answer(t, clone, c.in); equal != c.equal {
				t.Errorf("with and without it, the digests are equal: %t, want %t", equal, c.equal)
			}
			if got := takes(t, clone, c.in); !slices.Equal(got, c.takes) {
				t.Errorf("the reads %v take it, want %v", got, c.takes)
			}
			if got := takes(t, plain, c.in); got != nil {
				t.Errorf("the reads %v take what is not there", got)
			}
		})
	}
	all := ImageInputs{Context: ".", Root: true, Reads: []Read{everything}}
	if answer(t, plain, all) != answer(t, worktree, all) || !slices.Equal(takes(t, worktree, all), []int{0}) {
		t.Error("the file .git of a work tree counts, or is not seen")
	}
	if nested := (tree{"a": "a", "sub/.git/HEAD": "other"}); answer(t, plain, all) == answer(t, nested, all) {
		t.Error("another repository's folder does not count")
	}
	if answerBy(t, FirstScheme, plain, all) == answerBy(t, FirstScheme, clone, all) {
		t.Error("by the first scheme it does not count")
	}
	if entries, err := Entries(clone, []ImageInputs{all}); err != nil || !slices.Contains(entries[""], ".git/objects/1") {
		t.Errorf("it is not sent: %v, error %v", entries, err)
	}
}
