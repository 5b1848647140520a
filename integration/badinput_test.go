//go:build stack

package integration

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/labels"
)

// badInput is a small project with a mistake in it.
type badInput struct {
	// spoil makes the mistake.
	spoil func(t *testing.T, dir, prefix string)
	// args are the command's; by default it builds and pushes.
	args []string
	code int // 1 by default
	// says are parts of what it says. PREFIX stands for the
	// repositories' common beginning.
	says []string
	// once is what the command says exactly once.
	once string
	// stock is for mistakes that a stock client is tried with too; it says the same.
	stock bool
}

const service = "services/s000"

// file is a mistake in one file.
func file(path, content string) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) { write(t, dir, path, content) }
}

// entry replaces the service's entry in the manifest.
func entry(text string) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) {
		replace(t, dir, "quoit.yaml", "s000: services/s000", strings.ReplaceAll(text, "SERVICE", service))
	}
}

// link puts a symbolic link in the place of a file or folder.
func link(path, target string) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) {
		full := filepath.Join(dir, path)
		if err := os.RemoveAll(full); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, full); err != nil {
			t.Fatal(err)
		}
	}
}

func removed(path string) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) {
		if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
}

func both(spoils ...func(*testing.T, string, string)) func(*testing.T, string, string) {
	return func(t *testing.T, dir, prefix string) {
		for _, spoil := range spoils {
			spoil(t, dir, prefix)
		}
	}
}

var badFiles = map[string]badInput{
	"malformed YAML": {
		spoil: file("quoit.yaml", "project: [\n"),
		says:  []string{"quoit.yaml:"}, stock: true,
	},
	"an unknown key": {
		spoil: func(t *testing.T, dir, _ string) { replace(t, dir, "quoit.yaml", "root: deploy", "rooot: deploy") },
		says:  []string{"quoit.yaml:3:1", "rooot", "root"}, stock: true,
	},
	"a context out of the project": {
		spoil: entry("s000: ../elsewhere"),
		says:  []string{"quoit.yaml:7:9", `"../elsewhere" leaves the project`}, stock: true,
	},
	"a container file out of the project": {
		spoil: entry("s000: {context: SERVICE, file: ../../../base/Dockerfile}"),
		says:  []string{"quoit.yaml:7:", `"../../../base/Dockerfile" leaves the project`},
	},
	"a container file that is a link out of the project": {
		spoil: link(service+"/Dockerfile", "/etc/passwd"),
		says:  []string{"quoit.yaml:7:", "s000", service + "/Dockerfile is a link that leads out of the project or nowhere", "put the file itself there"}, stock: true,
	},
	"a container file that is a relative link out of the project": {
		spoil: link(service+"/Dockerfile", "../../../../../../../../etc/passwd"),
		says:  []string{"quoit.yaml:7:", service + "/Dockerfile is a link that leads out of the project or nowhere"},
	},
	"a context that is a link out of the project": {
		spoil: link(service, "/etc"),
		says:  []string{"quoit.yaml:7:", "s000", service}, stock: true,
	},
	"a context behind a link out of the project": {
		spoil: link("services", "/usr"),
		says:  []string{"quoit.yaml:7:", "s000", service},
	},
	"a context that is a link in the project": {
		spoil: both(link(service, "../base"), file("base/Dockerfile", "FROM busybox\nCOPY . /\n")),
		says:  []string{"quoit.yaml:7:", "image s000", service, "link"},
	},
	"a missing container file": {
		spoil: removed(service + "/Dockerfile"),
		says:  []string{"quoit.yaml:7:", "image s000 has no container file: neither " + service + "/Dockerfile nor " + service + "/Containerfile exists", "name it with file:"}, stock: true,
	},
	"a missing context": {
		spoil: removed(service),
		says:  []string{"quoit.yaml:7:", "s000", service}, stock: true,
	},
	"a container file that is a folder": {
		spoil: both(removed(service+"/Dockerfile"), file(service+"/Dockerfile/x", "")),
		says:  []string{"quoit.yaml:7:", "image s000: " + service + "/Dockerfile is a folder, not a container file"},
	},
	"a dependency that is no image": {
		spoil: entry("s000: {context: SERVICE, depends: [bse]}"),
		says:  []string{"quoit.yaml:7:", `"bse"`, "base"}, stock: true,
	},
	"a ring that does not exist": {
		spoil: func(*testing.T, string, string) {}, args: []string{"build", "--push", "--ring", "develpers"}, code: 64,
		says: []string{`"develpers"`, `did you mean "developers"?`},
	},
	"a ring that does not exist, in a plan": {
		spoil: func(*testing.T, string, string) {}, args: []string{"plan", "--ring", "user"}, code: 64,
		says: []string{`"user"`, `did you mean "users"?`},
	},
	"an image that does not exist, to rebuild": {
		spoil: func(*testing.T, string, string) {}, args: []string{"plan", "--rebuild", "s00"},
		says: []string{`"s00"`, `did you mean "s000"?`},
	},
	"images that build on each other": {
		spoil: file("base/Dockerfile", "FROM s000\n"),
		says:  []string{"base/Dockerfile:1", "base → s000 → base"}, stock: true,
	},
	"images that depend on each other": {
		spoil: func(t *testing.T, dir, _ string) {
			replace(t, dir, "quoit.yaml", "base: base", "base: {context: base, depends: [s000]}")
		},
		says: []string{"base → s000 → base"}, stock: true,
	},
	"an image that depends on the root image": {
		spoil: entry("s000: {context: SERVICE, depends: [deploy]}"),
		says:  []string{"quoit.yaml:7:", `the root image "deploy" depends on every other image`},
	},
	"an image that builds on itself": {
		spoil: file("base/Dockerfile", "FROM base\n"),
		says:  []string{"base/Dockerfile:1", "image base builds on itself", "docker.io/library/base"}, stock: true,
	},
	"a bad name": {
		spoil: entry("S_1!: SERVICE"),
		says:  []string{"quoit.yaml:7:3", "S_1!"}, stock: true,
	},
	"an unknown instruction": {
		spoil: file(service+"/Dockerfile", "FROM busybox\n\nCPOY main.txt /\n"),
		says:  []string{service + "/Dockerfile:3", "CPOY"}, stock: true,
	},
	"an unknown stage": {
		spoil: file(service+"/Dockerfile", "FROM busybox AS one\nCOPY --from=two /x /x\n"),
		says:  []string{"two"},
	},
	"an unknown target": {
		spoil: entry("s000: {context: SERVICE, target: nowhere}"),
		says:  []string{"nowhere"},
	},
	"mistakes in several images": {
		spoil: both(file("base/Dockerfile", "FORM busybox\n"), file("deploy/Dockerfile", "FROM scratch\nCOPY\n"), file(service+"/Dockerfile", "FROM busybox\nRUNN x\n")),
		says:  []string{"base/Dockerfile:1", "FORM", "deploy/Dockerfile:2", service + "/Dockerfile:2", "RUNN"}, stock: true,
	},
	"several missing container files": {
		spoil: both(removed("base/Dockerfile"), removed("deploy/Dockerfile")),
		says:  []string{"image base has no container file", "image deploy has no container file", "2 mistakes"},
	},
	"an empty container file": {
		spoil: file(service+"/Dockerfile", ""),
		says:  []string{service + "/Dockerfile", "empty"}, stock: true,
	},
	"binary garbage for a container file": {
		spoil: file(service+"/Dockerfile", "\x7fELF\x02\x01\x01\x00\xff\xfe\x00"+strings.Repeat("\x00\x80\xff", 1000)),
		says:  []string{service + "/Dockerfile:1", "unknown instruction"},
	},
	"a container file that writes to the terminal": {
		spoil: file(service+"/Dockerfile", "FROM busybox\nCPOY \x1b]0;owned\a\x1b[2J x\n"),
		says:  []string{service + "/Dockerfile:2", `CPOY \x1b]0;owned\x07`},
	},
	"a container file of 5 MiB": {
		spoil: file(service+"/Dockerfile", "FROM busybox\nCPOY x\n"+strings.Repeat("# nothing\n", 5<<20/10)),
		says:  []string{service + "/Dockerfile"}, stock: true,
	},
	"a manifest of 2 MiB": {
		spoil: func(t *testing.T, dir, _ string) {
			write(t, dir, "quoit.yaml", "project: acme/shop\nregistry: registry.example.com\n"+strings.Repeat("# nothing\n", 2<<20/10))
		},
		says: []string{"quoit.yaml", "1 MiB"}, stock: true,
	},
	"a copy from outside of the context": {
		spoil: both(file("secret.txt", "s3cr3t"), file(service+"/Dockerfile", "FROM busybox\nCOPY ../../secret.txt /\n")),
		says:  []string{service + "/Dockerfile:2", "secret.txt"}, stock: true,
	},
	"a copy through a link out of the context": {
		spoil: both(link(service+"/main.txt", "../../secret.txt"), file("secret.txt", "s3cr3t")),
		says:  []string{service + "/Dockerfile:2", "main.txt"},
	},
	"a copy of what is not there": {
		spoil: removed(service + "/main.txt"),
		says:  []string{service + "/Dockerfile:2", "main.txt"}, stock: true,
	},
	"a step that fails": {
		spoil: file(service+"/Dockerfile", "FROM busybox\nRUN echo the-last-words && exit 7\n"),
		says:  []string{"the-last-words", service + "/Dockerfile:2", "exit code: 7"},
	},
	"a file name that is a pattern": {
		spoil: entry("s000: {context: SERVICE, file: '*'}"),
		says:  []string{"quoit.yaml:7:", "image s000 has no container file " + service + "/*"}, stock: true,
	},
	"a file name that is a command": {
		spoil: entry("s000: {context: SERVICE, file: '$(touch /tmp/x); `id`'}"),
		says:  []string{"quoit.yaml:7:", "image s000 has no container file " + service + "/$(touch /tmp/x); `id`"},
	},
	"a file name that turns the text around": {
		spoil: entry(`s000: {context: SERVICE, file: "Docker\u202Efile"}`),
		says:  []string{"quoit.yaml:7:", `Docker\u202Efile`},
	},
	"an external that does not exist": {
		spoil: func(t *testing.T, dir, prefix string) {
			write(t, dir, service+"/Dockerfile", "FROM "+prefix+"/nothing:1\n")
		},
		says: []string{service + "/Dockerfile:1", "PREFIX/nothing:1: not found"}, stock: true,
	},
	"an external of the manifest that does not exist": {
		spoil: func(t *testing.T, dir, prefix string) {
			replace(t, dir, "quoit.yaml", "images:", "externals: {postgres: "+prefix+"/nothing:1}\nimages:")
		},
		says: []string{"quoit.yaml:4:23", "external postgres: the registry has no PREFIX/nothing:1"},
		once: "check its name and tag", stock: true,
	},
	"an ignore file with a broken pattern": {
		spoil: file(service+"/.dockerignore", "# all but\n[a-\n"),
		says:  []string{service + "/.dockerignore:2:1", `the pattern "[a-" is broken`, "close its brackets"}, stock: true,
	},
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, bad := range badFiles {
		t.Run(name, func(t *testing.T) {
			dir, prefix := small(t)
			bad.spoil(t, dir, prefix)
			bad.check(t, dir, prefix)
		})
	}
}

// strangeFiles are small projects that look bad and are not.
var strangeFiles = map[string]func(t *testing.T, dir, prefix string){
	"a container file whose name is a pattern": both(
		entry("s000: {context: SERVICE, file: 'a[b]*.Dockerfile'}"),
		file(service+"/a[b]*.Dockerfile", "FROM busybox\nCOPY main.txt /\n"), removed(service+"/Dockerfile"),
	),
	"a context whose name is a pattern": both(
		entry("s000: 'services/a[b]*?c'"),
		file("services/a[b]*?c/Dockerfile", "FROM busybox\nCOPY main.txt /\n"),
		file("services/a[b]*?c/main.txt", "service s000\n"), removed(service),
	),
	"a container file of 5 MiB":                file(service+"/Dockerfile", "FROM busybox\nCOPY main.txt /\n"+strings.Repeat("# nothing\n", 5<<20/10)),
	"an ignore file of 1 MiB":                  file(service+"/.dockerignore", strings.Repeat("nothing/of/the/kind\n", 1<<20/20)),
	"an ignore file with a tab in a name":      file(service+"/.dockerignore", "a\tb\n!a\tb/c\n*.tmp\n"),
	"a container file with Windows' line ends": file(service+"/Dockerfile", "FROM busybox\r\nCOPY main.txt /\r\n"),
}

func TestStrangeFiles(t *testing.T) {
	t.Parallel()
	for name, spoil := range strangeFiles {
		t.Run(name, func(t *testing.T) {
			dir, prefix := small(t)
			spoil(t, dir, prefix)
			mustQuoit(t, dir, "build", "--push")
			if got := string(extract(t, prefix+"/s000:0.1.0", "/main.txt")); got != "service s000\n" {
				t.Errorf("main.txt is %q", got)
			}
			if output, code := buildxPush(t, dir, prefix); code != 0 {
				t.Errorf("a stock client: exit code %d\n%s", code, output)
			}
		})
	}
}

// check runs the command, and a stock client, on the bad input.
func (bad badInput) check(t *testing.T, dir, prefix string) {
	t.Helper()
	args := bad.args
	if args == nil {
		args = []string{"build", "--push"}
	}
	code := max(bad.code, 1)
	nothingWritten(t, prefix, func() {
		stdout, stderr, got := quoit(t, dir, args...)
		// A build that fails in a step has said before what it would make.
		if got != code || stdout != "" && !strings.HasPrefix(stdout, "developers: many 0.1.0") {
			t.Errorf("exit code %d, want %d; it prints %s", got, code, stdout)
		}
		bad.checkText(t, stderr, prefix)
		if n := strings.Count(stderr, bad.once); bad.once != "" && n != 1 {
			t.Errorf("it says %q %d times:\n%s", bad.once, n, stderr)
		}
	})
	if !bad.stock {
		return
	}
	nothingWritten(t, prefix, func() {
		output, got := buildxPush(t, dir, prefix)
		if got == 0 {
			t.Error("a stock client succeeds")
		}
		bad.checkText(t, output, prefix)
	})
}

func (bad badInput) checkText(t *testing.T, text, prefix string) {
	t.Helper()
	for _, want := range bad.says {
		if want = strings.ReplaceAll(want, "PREFIX", prefix); !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	for _, never := range []string{"panic:", "goroutine ", "welcome aboard", "root:x:0", "s3cr3t", "\x1b]0"} {
		if strings.Contains(text, never) {
			t.Errorf("it says %q:\n%s", never, text)
		}
	}
	if len(text) > 32<<10 {
		t.Errorf("it says %d bytes, beginning with %s", len(text), text[:1<<10])
	}
}

// buildxPush lets buildx push the root image.
func buildxPush(t *testing.T, dir, prefix string) (output string, code int) {
	t.Helper()
	cmd := stack.Command(t.Context(), "buildx",
		"build", "--progress=plain", "--push", "-t", prefix+"/deploy:tried", "-f", "quoit.yaml",
		"--build-arg", "BUILDKIT_SYNTAX="+frontendImage(t), "--build-arg", "QUOIT_REGISTRY="+stack.Registry, ".")
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// nothingWritten fails if do changes anything in the registry below a prefix.
func nothingWritten(t *testing.T, prefix string, do func()) {
	t.Helper()
	mark := stack.RegistryMark()
	do()
	all, err := stack.RequestsSince(mark)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range proxy.InRepository(all, repository(prefix)) {
		if proxy.IsWrite(r) {
			t.Errorf("the registry got %s %s", r.Method, r.Path)
		}
	}
}

// badReleases are what a ring's tag may name instead of a release.
var badReleases = map[string]func(t *testing.T, ref string){
	"an image without our labels": func(t *testing.T, ref string) { crane(t, "copy", stack.Ref("library/busybox:latest"), ref) },
	"a broken release": func(t *testing.T, ref string) {
		putLabels(t, ref, map[string]string{labels.Release: `{"schema": 1, "images": 7`})
	},
	"a release of a newer quoit":                     func(t *testing.T, ref string) { putLabels(t, ref, map[string]string{labels.Release: `{"schema": 99}`}) },
	"an index without a platform that is looked for": putForeignIndex,
	"an artifact that is no image":                   putArtifact,
}

// TestRingsThatHoldNoRelease: what a tag names is not looked at, and that it is not the
// log's is said.
func TestRingsThatHoldNoRelease(t *testing.T) {
	t.Parallel()
	for name, put := range badReleases {
		t.Run(name, func(t *testing.T) {
			dir, prefix := small(t)
			ref := prefix + "/deploy:developers"
			put(t, ref)
			before := digestOf(t, ref)
			if p := plan(t, dir); p.Current != nil || len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], ref+": it is "+before) {
				t.Errorf("the plan continues %v, with the warnings %v", p.Current, p.Warnings)
			}
			for _, args := range [][]string{{"build", "--push", "--progress", "plain"}, {"status"}} {
				out, stderr, code := quoit(t, dir, args...)
				if all := out + stderr; !strings.Contains(all, ref+": it is "+before) || code != 0 && strings.Contains(all, "COPY") {
					t.Errorf("%v: exit code %d\n%s", args, code, all)
				}
			}
			if after := digestOf(t, ref); after != before {
				t.Errorf("the tag was %s and is %s", before, after)
			}
		})
	}
}

// putImage pushes an image or an index under a reference.
func putImage(t *testing.T, ref string, put func(name.Reference) error) {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(parsed); err != nil {
		t.Fatal(err)
	}
}

// putLabels pushes busybox with labels.
func putLabels(t *testing.T, ref string, labels map[string]string) {
	t.Helper()
	base := image(t, stack.Ref("library/busybox:latest"))
	file := config(t, stack.Ref("library/busybox:latest"))
	changed := file.Config
	changed.Labels = labels
	img, err := mutate.Config(base, changed)
	if err != nil {
		t.Fatal(err)
	}
	putImage(t, ref, func(r name.Reference) error { return remote.Write(r, img) })
}

func putForeignIndex(t *testing.T, ref string) {
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add:        image(t, stack.Ref("library/busybox:latest")),
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "mips64le"}},
	})
	putImage(t, ref, func(r name.Reference) error { return remote.WriteIndex(r, index) })
}

func putArtifact(t *testing.T, ref string) {
	artifact := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.example.thing.v1+json")
	putImage(t, ref, func(r name.Reference) error { return remote.Write(r, artifact) })
}
