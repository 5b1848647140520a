//go:build stack

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kit "github.com/quoitbuild/quoit/internal/testkit/stack"
)

// matrixBuilder is what builds, as a machine reaches it that has nothing else.
type matrixBuilder struct {
	name  string
	start func(t *testing.T) *machine
}

func matrixBuilders() []matrixBuilder {
	daemon := func(start func(context.Context) (*kit.Buildkit, error)) func(t *testing.T) *machine {
		return func(t *testing.T) *machine {
			t.Helper()
			b, err := start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := b.Stop(); err != nil {
					t.Error(err)
				}
			})
			m := newMachine(t)
			m.set("BUILDKIT_HOST", b.Host)
			m.set("BUILDX_CONFIG", t.TempDir())
			if _, stderr, code := m.run(t, t.TempDir(), "buildx", "create", "--use", "--driver", "remote", b.Host); code != 0 {
				t.Fatalf("buildx create: exit code %d\n%s", code, stderr)
			}
			return m
		}
	}
	engine := func(classic bool) func(t *testing.T) *machine {
		return func(t *testing.T) *machine {
			t.Helper()
			e := newNewcomer(t, classic).engine
			m := newMachine(t) // after the engine, whose programs it has
			m.set("DOCKER_HOST", e.Host)
			m.set("BUILDX_CONFIG", t.TempDir())
			return m
		}
	}
	return []matrixBuilder{
		{"BuildKit", daemon(stack.StartBuildkit)},
		{"BuildKit with containerd", daemon(stack.StartContainerdBuildkit)},
		{"the oldest BuildKit", daemon(stack.StartOldestBuildkit)},
		{"Docker Engine", engine(false)},
		{"Docker Engine, classic store", engine(true)},
	}
}

// matrixDoor is a way to a build. Instead is what is said where it leads nowhere, by the
// builder's name.
type matrixDoor struct {
	name    string
	does    func(t *testing.T, m *machine, p matrixProject) (said string, code int)
	makes   string // what the registry has then
	instead map[string]string
}

// matrixProject is a project that nobody has built before.
type matrixProject struct{ dir, prefix string }

// door is a way that is one command in the project's folder.
func door(program string, args ...string) func(*testing.T, *machine, matrixProject) (string, int) {
	return func(t *testing.T, m *machine, p matrixProject) (string, int) {
		t.Helper()
		own := make([]string, len(args))
		for i, arg := range args {
			own[i] = strings.NewReplacer("{prefix}", p.prefix, "{registry}", stack.Registry, "{frontend}", frontendImage(t)).Replace(arg)
		}
		stdout, stderr, code := m.run(t, p.dir, program, own...)
		return stdout + stderr, code
	}
}

// changed is a door to a project that is not as it was generated.
func changed(edit func(*testing.T, matrixProject), then func(*testing.T, *machine, matrixProject) (string, int)) func(*testing.T, *machine, matrixProject) (string, int) {
	return func(t *testing.T, m *machine, p matrixProject) (string, int) {
		t.Helper()
		edit(t, p)
		return then(t, m, p)
	}
}

func matrixDoors() []matrixDoor {
	const classic = "Docker Engine, classic store"
	noAddress := map[string]string{"Docker Engine": "", classic: ""}
	stock := []string{"buildx", "build", "-f", "quoit.yaml", "--build-arg", "BUILDKIT_SYNTAX={frontend}", "--build-arg", "QUOIT_REGISTRY={registry}"}
	return []matrixDoor{
		{name: "`quoit plan`", does: door(quoitRun, "plan")},
		{name: "`quoit build`", does: door(quoitRun, "build")},
		{name: "`quoit build --push`", does: door(quoitRun, "build", "--push"), makes: "base:0.1.0", instead: map[string]string{classic: "classic store"}},
		{name: "the same with a `# syntax=` line", makes: "base:0.1.0", instead: map[string]string{classic: "classic store"}, does: changed(func(t *testing.T, p matrixProject) {
			write(t, p.dir, "quoit.yaml", "# syntax="+frontendImage(t)+"\n"+content(t, p.dir+"/quoit.yaml"))
		}, door(quoitRun, "build", "--push"))},
		{name: "`docker buildx build --call=quoit.plan`", does: door("buildx", append(stock[1:len(stock):len(stock)], "--call=quoit.plan", ".")...)},
		{name: "`docker buildx build --push`", makes: "mine:1", does: door("buildx", append(stock[1:len(stock):len(stock)], "--push", "-t", "{prefix}/mine:1", ".")...)},
		{name: "the same of a git repository", makes: "mine:1", does: func(t *testing.T, m *machine, p matrixProject) (string, int) {
			t.Helper()
			return door("buildx", append(stock[1:len(stock):len(stock)], "--push", "-t", "{prefix}/mine:1", gitServer(t, p.dir))...)(t, m, p)
		}},
		{name: "`docker buildx bake --push`", makes: "mine:1", does: changed(func(t *testing.T, p matrixProject) {
			write(t, p.dir, "docker-bake.hcl", fmt.Sprintf("target \"default\" {\n  dockerfile = \"quoit.yaml\"\n  args = {BUILDKIT_SYNTAX = %q, QUOIT_REGISTRY = %q}\n  tags = [%q]\n}\n",
				frontendImage(t), stack.Registry, p.prefix+"/mine:1"))
		}, door("buildx", "bake", "--push"))},
		{name: "`buildctl build`", makes: "mine:1", instead: noAddress, does: func(t *testing.T, m *machine, p matrixProject) (string, int) {
			t.Helper()
			if _, stderr, code := m.run(t, p.dir, "buildctl", "debug", "workers"); code != 0 {
				return stderr, code // it reaches no engine
			}
			return door("buildctl", "build", "--frontend", "gateway.v0", "--opt", "source={frontend}", "--opt", "filename=quoit.yaml",
				"--opt", "build-arg:QUOIT_REGISTRY={registry}", "--local", "context=.", "--local", "dockerfile=.",
				"--output", "type=image,name={prefix}/mine:1,push=true")(t, m, p)
		}},
	}
}

// TestMatrix builds through every door by every kind of builder, and holds the table of
// docs/builders.md to what it sees.
func TestMatrix(t *testing.T) {
	builders, doors := matrixBuilders(), matrixDoors()
	cells := make([][]string, len(doors))
	for i := range cells {
		cells[i] = make([]string, len(builders))
	}
	for j, b := range builders {
		t.Run(b.name, func(t *testing.T) {
			m := b.start(t)
			for i, d := range doors {
				dir, prefix := generated(t, 2)
				said, code := d.does(t, m, matrixProject{dir, prefix})
				instead, refused := d.instead[b.name]
				switch {
				case code == 0 && !refused:
					if d.makes != "" {
						config(t, prefix+"/"+d.makes)
					}
					cells[i][j] = "yes"
				case code != 0 && refused && strings.Contains(said, instead):
					cells[i][j] = "no"
				default:
					t.Errorf("%s: exit code %d\n%s", d.name, code, said)
				}
			}
		})
	}
	if t.Failed() {
		return
	}
	var table bytes.Buffer
	fmt.Fprint(&table, "|")
	for _, b := range builders {
		fmt.Fprintf(&table, " | %s", b.name)
	}
	fmt.Fprintf(&table, " |\n| ---%s |\n", strings.Repeat(" | ---", len(builders)))
	for i, d := range doors {
		fmt.Fprintf(&table, "| %s | %s |\n", d.name, strings.Join(cells[i], " | "))
	}
	const page, begin, end = "../docs/builders.md", "<!-- matrix -->\n", "<!-- /matrix -->"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatalf("%s has no place for the matrix", page)
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("%s differs from what was seen; go test -tags stack -run TestMatrix ./integration -update writes it anew (-seen +page):\n%s", page, diff)
	}
}
