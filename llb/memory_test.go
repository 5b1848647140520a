package llb

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/testing/protocmp"
)

// memory is a Memory that counts.
type memory struct {
	mu          sync.Mutex
	values      map[[sha256.Size]byte][]byte
	known, puts int
}

func (m *memory) Get(key [sha256.Size]byte) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.values[key]
	if ok {
		m.known++
	}
	return value, ok
}

func (m *memory) Put(key [sha256.Size]byte, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[[sha256.Size]byte][]byte{}
	}
	m.values[key] = value
	m.puts++
}

// said is what a look hears of a project, with its warnings.
type said struct {
	All      map[string][]*Compiled
	Warnings []string
}

// looked compiles a project with a memory, nil for none, and says how many compiles it took.
func looked(t *testing.T, c *Compiler, m *memory) (heard said, compiles int) {
	t.Helper()
	before := 0
	if m != nil {
		c.Memory, before = m, m.puts
	}
	var mu sync.Mutex
	c.Warn = func(_ context.Context, source Source, message string, opts client.WarnOpts) {
		mu.Lock()
		defer mu.Unlock()
		heard.Warnings = append(heard.Warnings, fmt.Sprint(source.Name, message, opts.Level, opts.URL, opts.SourceInfo.Filename, opts.Range))
	}
	heard.All = compiled(t, c)
	slices.Sort(heard.Warnings)
	if m == nil {
		return heard, 0
	}
	return heard, m.puts - before
}

// heard compares what looks need of compiles.
var heard = cmp.Options{
	cmpopts.IgnoreUnexported(Compiled{}), cmpopts.IgnoreFields(Compiled{}, "Definition", "Config", "BaseConfig", "Epoch"),
	cmpopts.IgnoreFields(Source{}, "Map"), cmpopts.EquateEmpty(), protocmp.Transform(),
}

// remembrance is a project of all kinds of images.
var remembrance = map[string]string{
	"base":    "FROM busybox\nENV PATHS=src\nONBUILD COPY $PATHS /from-base\n",
	"child":   "FROM base as x\nCOPY --exclude=*.md . /app\n",
	"twin":    "FROM base as x\nCOPY --exclude=*.md . /app\n",
	"cross":   "FROM --platform=$BUILDPLATFORM busybox AS build\nARG VERSION\nRUN --mount=type=bind,source=go.mod,target=/m make $VERSION\nFROM scratch\nCOPY --from=build /out /\n",
	"remote":  "FROM scratch\nADD https://example.com/f /\nADD https://example.com/team/tool.git#main /tool/\n",
	"nothing": "FROM scratch\n",
	"below":   "FROM nothing\nCOPY file /\n",
	"hub":     "FROM docker.io/library/base\nCOPY a b /\n",
}

// kinds compiles it.
func kinds() *Compiler {
	c := newCompiler(remembrance, func(s *Source) {
		s.Platforms = append(s.Platforms, ocispecs.Platform{OS: "linux", Architecture: "arm64"})
		s.Args = map[string]string{"VERSION": "1"}
	})
	c.Externals = NewExternals(busybox{"one", `{"config":{"Env":["PATH=/bin"]}}`}, nil)
	return c
}

// busybox is what every reference names.
type busybox struct{ name, config string }

func (b busybox) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, digest.FromString(b.name), []byte(b.config), nil
}

func TestWhatIsRememberedIsWhatACompileSays(t *testing.T) {
	want, _ := looked(t, kinds(), nil)
	m := &memory{}
	for round, most := range []int{1000, 0, 0} {
		got, compiles := looked(t, kinds(), m)
		if diff := cmp.Diff(want, got, heard); diff != "" {
			t.Errorf("round %d (-without a memory +with one):\n%s", round, diff)
		}
		if compiles > most {
			t.Errorf("round %d: %d compiles, want %d", round, compiles, most)
		}
	}
	if len(want.Warnings) == 0 {
		t.Error("nobody is warned of anything")
	}
}

// TestWhatChangesIsCompiledAnew: for each thing that a compile depends on, the answer after
// a change is the one without a memory, and what does not depend on it is not compiled.
func TestWhatChangesIsCompiledAnew(t *testing.T) {
	file := func(name, text string) func(*Compiler) {
		return func(c *Compiler) {
			s := c.Sources[name]
			other := *s.Map
			other.Data = []byte(text)
			s.Map = &other
			c.Sources[name] = s
		}
	}
	all := func(change func(*Source)) func(*Compiler) {
		return func(c *Compiler) {
			for name, source := range c.Sources {
				change(&source)
				c.Sources[name] = source
			}
		}
	}
	whole := 2 * (len(remembrance) - 1) // one is a twin
	for name, c := range map[string]struct {
		change   func(*Compiler)
		compiles int
	}{
		"a container file":   {file("below", "FROM nothing\nCOPY other /\n"), 2},
		"a comment":          {file("below", "# more\nFROM nothing\nCOPY file /\n"), 2},
		"a base's variable":  {file("base", "FROM busybox\nENV PATHS=lib\nONBUILD COPY $PATHS /from-base\n"), 4},
		"a base's trigger":   {file("base", "FROM busybox\nENV PATHS=src\n"), 4},
		"a base's run":       {file("base", "FROM busybox\nRUN true\nENV PATHS=src\nONBUILD COPY $PATHS /from-base\n"), 4},
		"an empty base":      {file("nothing", "FROM scratch\nCOPY x /\n"), 4},
		"an argument":        {all(func(s *Source) { s.Args = map[string]string{"VERSION": "2"} }), whole},
		"an option":          {func(c *Compiler) { c.Options = map[string]string{"build-arg:OTHER": "3"} }, whole},
		"the version":        {func(c *Compiler) { c.Version = "2" }, whole},
		"an ignore file":     {all(func(s *Source) { s.IgnoreFile = []byte("src\n") }), whole},
		"a target":           {func(c *Compiler) { s := c.Sources["cross"]; s.Target = "build"; c.Sources["cross"] = s }, 2},
		"a label":            {all(func(s *Source) { s.Labels = map[string]string{"a": "b"} }), whole},
		"the first platform": {all(func(s *Source) { slices.Reverse(s.Platforms) }), whole},
		"one platform less":  {all(func(s *Source) { s.Platforms = s.Platforms[:1] }), whole / 2},
		"an image more":      {func(c *Compiler) { c.Names.Images["busybox"] = false }, 0},
		"where files lie":    {all(func(s *Source) { s.Context, s.File = "x/"+s.Context, "x/"+s.File }), 0},
		"an external's config": {func(c *Compiler) {
			c.Externals = NewExternals(busybox{"one", `{"config":{"OnBuild":["COPY t /"]}}`}, nil)
		}, whole - 6},
		"an external's tag": {func(c *Compiler) { c.Externals = NewExternals(busybox{"two", `{"config":{"Env":["PATH=/bin"]}}`}, nil) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			looked(t, kinds(), m)
			fresh, known := kinds(), kinds()
			c.change(fresh)
			c.change(known)
			want, _ := looked(t, fresh, nil)
			got, compiles := looked(t, known, m)
			if diff := cmp.Diff(want, got, heard); diff != "" {
				t.Errorf("(-without a memory +with one):\n%s", diff)
			}
			if compiles != c.compiles {
				t.Errorf("%d compiles, want %d", compiles, c.compiles)
			}
		})
	}
}

func TestAMistakeIsNotRemembered(t *testing.T) {
	m := &memory{}
	for range 2 {
		c := newCompiler(map[string]string{"api": "FROM busybox\nCOPPY . /\n", "self": "FROM self\n"})
		c.Memory = m
		if _, err := c.All(t.Context()); err == nil || m.puts > 0 {
			t.Errorf("error %v, %d values are kept", err, m.puts)
		}
	}
}

// TestADamagedMemoryIsNotBelieved: values that are no answers cost a compile.
func TestADamagedMemoryIsNotBelieved(t *testing.T) {
	want, _ := looked(t, kinds(), nil)
	m := &memory{}
	_, first := looked(t, kinds(), m)
	for key, value := range m.values {
		m.values[key] = value[:len(value)/2]
	}
	got, second := looked(t, kinds(), m)
	if diff := cmp.Diff(want, got, heard); diff != "" || second != first {
		t.Errorf("%d compiles, then %d (-want +got):\n%s", first, second, diff)
	}
}

// TestTheTimeOfTheContext: it is that of the project's, and never remembered.
func TestTheTimeOfTheContext(t *testing.T) {
	m := &memory{}
	for _, want := range []int64{1700000000, 1700000001} {
		c := newCompiler(map[string]string{"api": "ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nCOPY . /\n"})
		c.Memory = m
		c.Time = func(context.Context) (*time.Time, error) {
			made := time.Unix(want, 0)
			return &made, nil
		}
		if got := compiled(t, c)["api"][0].Epoch; got == nil || got.Unix() != want {
			t.Errorf("the time is %v, want %d", got, want)
		}
	}
	c := newCompiler(map[string]string{"api": "ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nCOPY . /\n"})
	c.Time = func(context.Context) (*time.Time, error) { return nil, nil }
	if _, err := c.All(t.Context()); err == nil || !strings.Contains(err.Error(), "does not say its time") {
		t.Errorf("got error %v", err)
	}
}
