package revision

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each case says which files of a tree a read selects.
func TestCollect(t *testing.T) {
	sources := tree{
		"main.go": "m", "main_test.go": "t", "go.mod": "g", "README": "r",
		"cmd/a/main.go": "a", "cmd/a/data.txt": "d", "cmd/b/main.go": "b", "cmd/b/deep/x/main.go": "x",
		"src/a.go": "a", "src/sub/b.go": "b", "srcs/c.go": "c", "src.go": "s", "empty": folder{},
	}
	long := strings.Repeat("n", 255)
	odd := tree{
		"a b": "1", "new\nline": "2", "größe": "3", "star*": "4", "starry": "5", "[x]": "6", "x": "7",
		"-rf": "8", "back\\slash": "9", "q?": "10", "qq": "11", long: "12", "#x": "13", "!y": "14", "...": "15",
	}
	for _, c := range []struct {
		name   string
		tree   tree
		ignore []string
		reads  []Read
		want   []string
	}{
		{name: "a file alone is itself", tree: sources, reads: []Read{copied("/go.mod")}, want: []string{"go.mod"}},
		{name: "a missing file is nothing", tree: sources, reads: []Read{copied("/no.mod"), copied("/no/x"), {Path: "/no"}}},
		{name: "a path below a file is nothing", tree: sources, reads: []Read{copied("/go.mod/x"), copied("/go.mod/x/*"), {Path: "/go.mod/x/y", Follow: true}}},
		{name: "a folder is all its files, not its namesakes", tree: sources, reads: []Read{copied("/src")}, want: []string{"src/a.go", "src/sub/b.go"}},
		{name: "a slash at the end changes nothing", tree: sources, reads: []Read{copied("/src/"), copied("/src/.")}, want: []string{"src/a.go", "src/sub/b.go"}},
		{name: "a path is cleaned and cannot leave", tree: sources, reads: []Read{copied("/../cmd/../../go.mod")}, want: []string{"go.mod"}},
		{name: "an empty folder is nothing", tree: sources, reads: []Read{copied("/empty")}},
		{name: "no read is nothing", tree: sources},
		{name: "a wildcard matches in one level", tree: sources, reads: []Read{copied("/*.go")}, want: []string{"main.go", "main_test.go", "src.go"}},
		{name: "a wildcard takes a folder whole", tree: sources, reads: []Read{copied("/src*")},
			want: []string{"src.go", "src/a.go", "src/sub/b.go", "srcs/c.go"}},
		{name: "a wildcard in the middle matches one level", tree: sources, reads: []Read{copied("/cmd/*/main.go")},
			want: []string{"cmd/a/main.go", "cmd/b/main.go"}},
		{name: "two wildcards match two levels", tree: sources, reads: []Read{copied("/c*/*/*.txt")}, want: []string{"cmd/a/data.txt"}},
		{name: "a question mark is one character", tree: sources, reads: []Read{copied("/cmd/?/data.txt")}, want: []string{"cmd/a/data.txt"}},
		{name: "a class is one character", tree: sources, reads: []Read{copied("/cmd/[b-z]/main.go")}, want: []string{"cmd/b/main.go"}},
		{name: "a wildcard that matches nothing is nothing", tree: sources, reads: []Read{copied("/*.rs"), copied("/no/*")}},
		{name: "a malformed pattern is nothing", tree: sources, reads: []Read{copied("/[")}},
		{name: "without wildcards a star is a star", tree: sources, reads: []Read{{Path: "/*.go"}}},
		{name: "repetitions count once", tree: sources, reads: []Read{copied("/src"), copied("/src/a.go"), copied("/src/*")},
			want: []string{"src/a.go", "src/sub/b.go"}},

		{name: "names are taken as they are", tree: odd, reads: []Read{everything},
			want: []string{"!y", "#x", "-rf", "...", "[x]", "a b", "back\\slash", "größe", "new\nline", long, "q?", "qq", "star*", "starry", "x"}},
		{name: "a class names a bracket", tree: odd, reads: []Read{copied("/[[]x]")}, want: []string{"[x]"}},
		{name: "an escaped star among wildcards is a star", tree: odd, reads: []Read{copied(`/s?ar\*`)}, want: []string{"star*"}},
		{name: "an escape alone is no wildcard", tree: odd, reads: []Read{copied(`/star\*`)}},
		{name: "a backslash is a name's, too", tree: odd, reads: []Read{copied(`/back\slash`)}, want: []string{`back\slash`}},
		{name: "a question mark matches itself", tree: odd, reads: []Read{copied("/q?")}, want: []string{"q?", "qq"}},
		{name: "odd names are found one by one", tree: odd, want: []string{"-rf", "...", "a b", "größe", "new\nline", long},
			reads: []Read{copied("/-rf"), copied("/a b"), copied("/new\nline"), copied("/größe"), copied("/" + long), copied("/...")}},

		{name: "an exclusion takes files away at any depth", tree: sources, want: []string{"cmd/a/data.txt"},
			reads: []Read{{Path: "/cmd", Wildcard: true, Follow: true, Exclude: []string{"**/*.go"}}}},
		{name: "an exclusion takes a folder away", tree: sources, want: []string{"cmd/a/data.txt", "cmd/a/main.go"},
			reads: []Read{{Path: "/cmd", Wildcard: true, Follow: true, Exclude: []string{"b"}}}},
		{name: "an exception brings a file of an excluded folder back", tree: sources, want: []string{"cmd/a/data.txt", "cmd/a/main.go", "cmd/b/deep/x/main.go"},
			reads: []Read{{Path: "/cmd", Wildcard: true, Follow: true, Exclude: []string{"b", "!b/deep/x"}}}},
		{name: "an exclusion does not touch the place itself", tree: sources, want: []string{"go.mod"},
			reads: []Read{{Path: "/go.mod", Wildcard: true, Follow: true, Exclude: []string{"go.mod", "*"}}}},
		{name: "an inclusion finds what matches below", tree: sources, want: []string{"cmd/a/main.go", "cmd/b/deep/x/main.go", "cmd/b/main.go"},
			reads: []Read{{Path: "/", Wildcard: true, Follow: true, Include: []string{"cmd/**/main.go"}}}},
		{name: "an inclusion of a folder is all of it", tree: sources, want: []string{"src/a.go", "src/sub/b.go"},
			reads: []Read{{Path: "/", Wildcard: true, Follow: true, Include: []string{"src"}}}},
		{name: "an exclusion wins over an inclusion", tree: sources, want: []string{"src/sub/b.go"},
			reads: []Read{{Path: "/", Wildcard: true, Follow: true, Include: []string{"src"}, Exclude: []string{"**/a.go"}}}},
		{name: "filters begin at each match of a wildcard", tree: sources, want: []string{"src.go", "src/sub/b.go", "srcs/c.go"},
			reads: []Read{{Path: "/src*", Wildcard: true, Follow: true, Exclude: []string{"a.go"}}}},

		{name: "an ignored file is not there", tree: sources, ignore: []string{"go.mod"}, reads: []Read{copied("/go.*"), copied("/go.mod")}},
		{name: "an ignored folder is not there", tree: sources, ignore: []string{"cmd"}, reads: []Read{copied("/cmd/a/main.go"), copied("/c*"), {Path: "/cmd", Follow: true}}},
		{name: "two stars are any depth", tree: sources, ignore: []string{"**/*.go"}, reads: []Read{copied("/cmd"), copied("/src")}, want: []string{"cmd/a/data.txt"}},
		{name: "two stars at the end are all below", tree: sources, ignore: []string{"cmd/**"}, reads: []Read{copied("/cmd")}},
		{name: "an exception in an ignored folder is there", tree: sources, ignore: []string{"cmd", "!cmd/b/deep"},
			reads: []Read{everything}, want: []string{"README", "cmd/b/deep/x/main.go", "go.mod", "main.go", "main_test.go", "src.go", "src/a.go", "src/sub/b.go", "srcs/c.go"}},
		{name: "all but exceptions", tree: sources, ignore: []string{"*", "!src", "src/sub"}, reads: []Read{everything}, want: []string{"src/a.go"}},
		{name: "the last pattern that fits decides", tree: sources, ignore: []string{"*", "!*.go", "main*"}, reads: []Read{copied("/*")},
			want: []string{"src.go"}},
		{name: "an exception with two stars", tree: sources, ignore: []string{"**", "!**/data.txt"}, reads: []Read{everything}, want: []string{"cmd/a/data.txt"}},
		{name: "a wildcard sees exceptions in ignored folders", tree: sources, ignore: []string{"cmd", "!cmd/*/main.go"}, reads: []Read{copied("/cmd/*/*")},
			want: []string{"cmd/a/main.go", "cmd/b/main.go"}},

		{name: "special files are entries", tree: tree{"d/pipe": pipe{}, "d/x": "x"}, reads: []Read{copied("/d")}, want: []string{"d/pipe", "d/x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, found(t, c.tree, c.ignore, c.reads...)); diff != "" {
				t.Errorf("files that are read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	sources := tree{
		"file": "f", "dir/a": "a", "dir/b/c": "c", "x/y/z": "z",
		"rel": link("file"), "abs": link("/dir/a"), "up": link("../../../file"), "dirs": link("dir"), "self": link("."),
		"nowhere": link("gone/away"), "twice": link("rel"), "dir/back": link("../file"), "dir/out": link("/x/y"), "above": link(".."),
		"slash": link("dir/"), "current": link("latest/y"), "latest": link("x"), "x/y/conf": link("../conf"), "x/conf": "deep", "conf": "flat",
		"lexical": link("dirs/../file"), "kernel": link("/current/../conf"), "under": link("file/below"),
		"out": link("/etc"),
	}
	for _, c := range []struct {
		name   string
		ignore []string
		reads  []Read
		want   []string
	}{
		{name: "a link to a file is read with the file", reads: []Read{copied("/rel")}, want: []string{"file", "rel"}},
		{name: "an absolute target begins at the context", reads: []Read{copied("/abs")}, want: []string{"abs", "dir/a"}},
		{name: "a target that escapes stops at the context", reads: []Read{copied("/up")}, want: []string{"file", "up"}},
		{name: "every link of a chain is read", reads: []Read{copied("/twice")}, want: []string{"file", "rel", "twice"}},
		{name: "a link to nowhere is read alone", reads: []Read{copied("/nowhere")}, want: []string{"nowhere"}},
		{name: "a link below a file leads nowhere", reads: []Read{copied("/under")}, want: []string{"under"}},
		{name: "without following, a link is itself", reads: []Read{{Path: "/rel"}, {Path: "/dirs"}}, want: []string{"dirs", "rel"}},
		{name: "without following, links on the way are followed", reads: []Read{{Path: "/dirs/back"}}, want: []string{"dir/back", "dirs"}},
		{name: "a link on the way is read", reads: []Read{copied("/dirs/b/c")}, want: []string{"dir/b/c", "dirs"}},
		{name: "a slash at the end of a target changes nothing", reads: []Read{copied("/slash/a")}, want: []string{"dir/a", "slash"}},
		{name: "links in a folder are not followed", reads: []Read{copied("/dir")}, want: []string{"dir/a", "dir/b/c", "dir/back", "dir/out"}},
		{name: "a linked folder is read whole", reads: []Read{copied("/dirs")}, want: []string{"dir/a", "dir/b/c", "dir/back", "dir/out", "dirs"}},
		{name: "a wildcard below a link", reads: []Read{copied("/dirs/?")}, want: []string{"dir/a", "dir/b/c", "dirs"}},
		{name: "a wildcard finds links and follows them", reads: []Read{copied("/ab*s")}, want: []string{"abs", "dir/a"}},
		{name: "a wildcard does not enter links", reads: []Read{copied("/*/y/z"), copied("/*s/a")}, want: []string{"x/y/z"}},
		{name: "a link to its own folder ends", reads: []Read{copied("/self/self/self/file")}, want: []string{"file", "self"}},
		{name: "a link above the context is the context", reads: []Read{copied("/above/file")}, want: []string{"above", "file"}},
		{name: "a link from a linked folder", reads: []Read{copied("/current/conf")},
			want: []string{"current", "latest", "x/conf", "x/y/conf"}},
		{name: "two dots take away a link's name, as in BuildKit", reads: []Read{copied("/lexical")}, want: []string{"file", "lexical"}},
		{name: "two dots behind a link in an absolute target, as in BuildKit", reads: []Read{copied("/kernel")},
			want: []string{"current", "kernel", "latest"}},
		{name: "an ignored target is not there", ignore: []string{"file"}, reads: []Read{copied("/rel")}, want: []string{"rel"}},
		{name: "an ignored link leads nowhere", ignore: []string{"dirs", "rel"}, reads: []Read{copied("/dirs/a"), copied("/rel"), copied("/dirs/*")}},
		{name: "an ignored link that leaves is no mistake", ignore: []string{"out"}, reads: []Read{copied("/out/passwd")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, found(t, sources, c.ignore, c.reads...)); diff != "" {
				t.Errorf("files that are read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoopsEnd(t *testing.T) {
	files := tree{
		"one": link("two"), "two": link("one"), "me": link("me/x"), "grow": link("grow/grow"), "a/b": link("/a/b/c"),
	}
	for _, name := range []string{"/one", "/me", "/grow", "/a/b", "/one/x/*"} {
		t.Run("at "+name, func(t *testing.T) {
			_, err := entriesOf(t, files, nil, copied(name))
			if err == nil || !strings.Contains(err.Error(), "too many links") {
				t.Errorf("got error %v, want one about too many links", err)
			}
		})
	}
	t.Run("a loop that is only copied is no mistake", func(t *testing.T) {
		if diff := cmp.Diff([]string{"a/b", "grow", "me", "one", "two"}, found(t, files, nil, everything)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a path longer than any file's is refused", func(t *testing.T) {
		_, err := entriesOf(t, files, nil, copied("/"+strings.Repeat("a/", 4000)))
		if err == nil || !strings.Contains(err.Error(), "too long") {
			t.Errorf("got error %v", err)
		}
	})
}

// TestAnExceptionThatIsIgnoredAgain: clients of BuildKit send such a file empty.
func TestAnExceptionThatIsIgnoredAgain(t *testing.T) {
	files := tree{"lib/read": "r", "lib/not": "n"}
	for _, c := range []struct {
		ignore []string
		want   []string // nil: it is a problem
	}{
		{[]string{"*", "!lib/read"}, []string{"lib/read"}},
		{[]string{"*", "!lib/read", "lib/not"}, []string{"lib/read"}},
		{[]string{"*", "!lib/read", "*"}, nil},
		{[]string{"*", "!lib/read", "lib"}, nil},
		{[]string{"!lib/read", "lib/read"}, []string{"lib/not"}},
	} {
		entries, err := entriesOf(t, files, c.ignore, everything)
		if c.want == nil {
			if err == nil || !strings.Contains(err.Error(), "excepts lib/read (!)") {
				t.Errorf("%q: %v, error %v", c.ignore, entries, err)
			}
			continue
		}
		if got := slices.Sorted(maps.Keys(entries)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, error %v", c.ignore, got, err)
		}
	}
}
