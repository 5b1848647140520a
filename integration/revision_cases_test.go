//go:build stack

package integration

// revisionCase is a container file, its context, and what it reads of that.
type revisionCase struct {
	name string
	file string // the container file; BASE is the project's repositories
	path string // of the container file, "Dockerfile" by default
	args map[string]string
	// files are the context, added are further files that could be there.
	files, added sources
	// reads are those of files and added that the image depends on.
	reads []string
	// hidden are changes of what is read that the image does not show.
	hidden []string
}

var revisionCases = []revisionCase{{
	name:  "wildcards",
	file:  "FROM scratch\nCOPY *.go ?.md /a/\nCOPY src/[a-c]*/m* /b/\nCOPY d* /d/\n",
	files: sources{"a.go": "a", "b.go": "b", "x.md": "x", "xy.md": "xy", "src/a1/main": "m", "src/a1/other": "o", "src/z/main": "z", "dir/in": "i", "e": "e"},
	added: sources{"new.go": "", "new.txt": "", "src/b/more": "", "dir/sub/new": "", "d": "", "src/main": ""},
	reads: []string{"a.go", "b.go", "x.md", "src/a1/main", "dir/in", "new.go", "src/b/more", "dir/sub/new", "d"},
}, {
	name:  "exclude",
	file:  "FROM scratch\nCOPY --exclude=*.md --exclude=**/tmp --exclude=!docs.md docs /docs\nADD --exclude=a* [\"lib\", \"/lib/\"]\n",
	files: sources{"docs/a.md": "a", "docs/b.txt": "b", "docs/s/tmp/x": "x", "docs/s/y": "y", "lib/abc": "a", "lib/b": "b", "tmp": "t"},
	added: sources{"docs/docs.md": "", "docs/s/new.md": "", "docs/tmp/new": "", "lib/sub/abc": ""},
	reads: []string{"docs/b.txt", "docs/s/y", "lib/b", "docs/docs.md", "docs/s/new.md", "lib/sub/abc"},
}, {
	name:  "parents",
	file:  "FROM scratch\nCOPY --parents ./a/*/x.go b/./c/d **/go.mod /\n",
	files: sources{"a/1/x.go": "1", "a/1/y.go": "y", "a/x.go": "x", "b/c/d/e": "e", "b/c/f": "f", "c/d/g": "g", "deep/er/go.mod": "m"},
	added: sources{"a/2/x.go": "", "a/2/3/x.go": "", "b/c/d/new": "", "go.mod": "", "b/c/d2": ""},
	reads: []string{"a/1/x.go", "b/c/d/e", "deep/er/go.mod", "a/2/x.go", "b/c/d/new", "go.mod"},
}, {
	name:  "chmod",
	file:  "FROM scratch\nCOPY --chmod=755 --chown=1:2 run /\nCOPY --chmod=u+w dir /dir\n",
	files: sources{"run": "r", "dir/x": "+x x", "dir/y": "y", "z": "z"},
	reads: []string{"run", "dir/x", "dir/y"},
}, {
	name: "permissions",
	file: "FROM busybox AS b\nRUN --mount=source=mount,target=/s mkdir /out && cp -a /s/. /out/ && stat -c %a /s > /out/mode\nRUN --mount=source=way/in,target=/s cp -a /s/. /out/\n" +
		"FROM scratch\nCOPY --from=b /out /m\nCOPY folder /folder\nCOPY on/the/way to/here/t /new/place/\nADD added /deep/added\nADD --link linked /linked\nCOPY --chmod=750 set /set\nCOPY --chmod=g+w start /start\n" +
		"COPY some* wild/* /wild/\nCOPY --parents a/b/f c/./d/e g/**/h /parents/\nCOPY --exclude=out partly /partly\n",
	files: sources{"mount/f": "f", "mount/sub/g": "g", "way/in/side/f": "f", "folder/f": "f", "folder/sub/g": "g", "on/the/way/f": "f", "to/here/t": "t", "added/sub/f": "f", "linked/sub/f": "f", "set/sub/f": "f", "start/sub/f": "f",
		"something/sub/f": "f", "wild/sub/f": "f", "a/b/f": "f", "a/b/g": "g", "c/d/e/f": "f", "g/x/h": "h", "partly/out/f": "f", "partly/in/f": "f"},
	reads: []string{"a/b/f", "added/sub/f", "c/d/e/f", "folder/f", "folder/sub/g", "g/x/h", "linked/sub/f", "mount/f", "mount/sub/g", "on/the/way/f", "partly/in/f", "set/sub/f", "something/sub/f", "start/sub/f", "to/here/t", "way/in/side/f", "wild/sub/f"},
	// Of a folder that is mounted the image has what the program makes of it.
	hidden: []string{"permissions of way/in/"},
}, {
	name:  "link",
	file:  "FROM busybox AS b\nRUN mkdir /out && echo b > /out/b\nFROM scratch\nCOPY --from=b --link /out /\nCOPY --link a dir /x/\n",
	files: sources{"a": "a", "dir/b": "b", "c": "c"},
	added: sources{"dir/new": "", "new": ""},
	reads: []string{"a", "dir/b", "dir/new"},
}, {
	name:  "archives",
	file:  "FROM scratch\nADD one.tar.gz /one/\nADD --unpack=false two.tar.gz /two/\nADD plain dir /three/\n",
	files: sources{"one.tar.gz": "1", "two.tar.gz": "2", "plain": "p", "dir/three.tar.gz": "3", "other.tar.gz": "4"},
	reads: []string{"one.tar.gz", "two.tar.gz", "plain", "dir/three.tar.gz"},
	// Unpacking takes an archive's contents, not its mode.
	hidden: []string{"mode of one.tar.gz", "permissions of one.tar.gz"},
}, {
	name: "bind mounts with a source",
	file: "FROM busybox AS b\nRUN --mount=type=bind,source=src,target=/s --mount=type=bind,source=one,target=/f --mount=source=up/f,target=/g,rw " +
		"mkdir /out && cp -a /s/. /out/ && cp -p /f /out/f && cp -p /g /out/g\nFROM scratch\nCOPY --from=b /out /\n",
	files:  sources{"src/a": "a", "src/sub/b": "+x b", "src/l": "-> ../other", "one": "1", "other": "o", "up": "-> /folder", "folder/f": "f", "folder/g": "g"},
	added:  sources{"src/new": "", "new": ""},
	reads:  []string{"src/a", "src/sub/b", "src/l", "one", "up", "folder/f", "src/new"},
	hidden: []string{"permissions of src/"},
}, {
	name:  "bind mounts without a source",
	file:  "FROM busybox AS b\nRUN --mount=target=/s mkdir /out && cp -a /s/. /out/\nFROM scratch\nCOPY --from=b /out /\n",
	files: sources{"a": "a", "dir/b": "+x b", "l": "-> nowhere"},
	added: sources{"dir/new": ""},
	reads: []string{"a", "dir/b", "l", "dir/new"},
}, {
	name: "here-documents",
	file: "FROM busybox AS b\nCOPY <<one <<two a /in/\n1\none\nb\ntwo\nRUN --mount=source=src,target=/s <<end\nset -e\nmkdir /out\ncp -a /s/. /in/. /out/\nend\n" +
		"FROM scratch\nCOPY --from=b /out /\n",
	files:  sources{"a": "a", "one": "o", "two": "t", "b": "b", "src/x": "x"},
	reads:  []string{"a", "src/x"},
	hidden: []string{"permissions of src/"},
}, {
	name:  "ONBUILD of a sibling",
	file:  "FROM BASE/onbuild AS b\nFROM scratch\nCOPY --from=b /in /in\nCOPY own /\n",
	files: sources{"triggered/a": "a", "own": "o", "other": "x"},
	added: sources{"triggered/new": "", "new": ""},
	reads: []string{"triggered/a", "own", "triggered/new"},
}, {
	name: "arguments in paths",
	file: "ARG TOP=unset\nFROM scratch AS one\nARG TOP\nARG DIR=src\nENV NAME=${DIR}-name\nCOPY ${TOP}/${DIR}/*.txt ${NAME} /\n" +
		"FROM scratch AS two\nARG DIR=else\nCOPY $DIR /\nFROM one\n",
	args:  map[string]string{"TOP": "top", "UNUSED": "x"},
	files: sources{"top/src/a.txt": "a", "unset/src/a.txt": "u", "top/else/a.txt": "e", "src-name": "n", "else": "e", "top/src/b": "b"},
	added: sources{"top/src/new.txt": ""},
	reads: []string{"top/src/a.txt", "src-name", "top/src/new.txt"},
}, {
	name:  "links with relative targets",
	file:  "FROM scratch\nCOPY file-link folder-link/f chain /\nCOPY tree /tree\nCOPY folder-link/* /all/\n",
	files: sources{"file-link": "-> real", "real": "r", "folder-link": "-> dir/sub", "dir/sub/f": "f", "dir/g": "g", "chain": "-> chain2", "chain2": "-> dir/../end", "end": "e", "tree/l": "-> ../other", "other": "o"},
	added: sources{"dir/sub/new": "", "dir/new": ""},
	reads: []string{"file-link", "real", "folder-link", "dir/sub/f", "chain", "chain2", "end", "tree/l", "dir/sub/new"},
}, {
	name:  "links that are absolute or escape",
	file:  "FROM scratch\nCOPY abs esc in/deep /\nCOPY host/f? /host/\n",
	files: sources{"abs": "-> /dir/a", "dir/a": "a", "esc": "-> ../../../dir/b", "dir/b": "b", "in/deep": "-> ../../../../dir/c", "dir/c": "c", "host": "-> ../../etc/", "etc/f1": "1", "etc/passwd": "p", "a": "x"},
	added: sources{"etc/f2": "", "etc/g": ""},
	reads: []string{"abs", "dir/a", "esc", "dir/b", "in/deep", "dir/c", "host", "etc/f1", "etc/f2"},
}, {
	name:  "unreachable stages",
	file:  "FROM scratch AS unused\nCOPY a /\nFROM unused AS also\nCOPY b* /\nFROM scratch AS used\nCOPY c /\nFROM scratch\nCOPY --from=used / /\nCOPY d /\n",
	files: sources{"a": "a", "b": "b", "c": "c", "d": "d"},
	added: sources{"b2": ""},
	reads: []string{"c", "d"},
}, {
	name:  "patterns that match nothing",
	file:  "FROM scratch\nCOPY none* there no/* /\nCOPY --parents gone/* /\n",
	files: sources{"there": "t", "no/x/.keep": "k", "other": "o"},
	added: sources{"none": "", "gone/now": "", "no/y": ""},
	reads: []string{"there", "no/x/.keep", "none", "gone/now", "no/y"},
}, {
	name: "odd file names",
	file: "FROM scratch\nCOPY [\"a b\", \"größe\", \"-rf\", \"[[]x]\", \"/named/\"]\nCOPY dir /dir\nCOPY q? /q/\n",
	files: sources{"a b": "1", "größe": "2", "-rf": "3", "[x]": "4", "x": "5", "dir/new\nline": "6", "dir/tab\there": "7", "dir/*": "8", `dir/back\slash`: "9",
		"dir/...": "10", "q?": "11", "a": "12", `dir/"quoted"`: "13", "dir/#x": "14"},
	added: sources{"dir/!y": "", "b": "", "q*": "", "qqq": ""},
	reads: []string{"a b", "größe", "-rf", "[x]", "dir/new\nline", "dir/tab\there", "dir/*", `dir/back\slash`, "dir/...", "q?", `dir/"quoted"`, "dir/#x", "dir/!y", "q*"},
}, {
	name:  "an ignore file of the container file",
	file:  "FROM scratch\nCOPY . /\n",
	path:  "build/app.Dockerfile",
	files: sources{"a": "a", "b": "b", "c/d": "d", ".dockerignore": "a\n", "build/app.Dockerfile.dockerignore": "b\n**/*.dockerignore\n.dockerignore\nbuild\n"},
	added: sources{"c/b": "", "build/x": ""},
	// The ignore files are read: without its own the image is another.
	reads: []string{"a", "c/d", "c/b", "build/app.Dockerfile.dockerignore"},
}, {
	name:  "an ignore file of the context",
	file:  "FROM scratch\nCOPY . /\n",
	files: sources{".dockerignore": "*\n!src\n!**.keep\nsrc/**/*.tmp\n!src/a/b.tmp\n# comment\n!/README\nsrc/x\n../src\n", "src/main": "m", "src/x": "x", "src/a/b.tmp": "b", "src/a/c.tmp": "c", "README": "r", "other": "o", "dir/y": "y", "z.keep": "z", "l": "-> src/main"},
	added: sources{"src/new": "", "src/new.tmp": "", "dir/n.keep": "", "dir/README": ""},
	reads: []string{".dockerignore", "src/main", "src/a/b.tmp", "README", "z.keep", "src/new", "dir/n.keep"},
}}
