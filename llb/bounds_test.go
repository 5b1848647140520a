package llb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/errdefs"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
)

// doubled are n lines that each double a variable; line has its name as NEXT, the
// one before it as LAST.
func doubled(n int, line string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.NewReplacer("NEXT", fmt.Sprint("v", i+1), "LAST", fmt.Sprint("v", i)).Replace(line) + "\n")
	}
	return b.String()
}

func TestContainerFilesThatGrow(t *testing.T) {
	grows := "may become longer than 1 MiB"
	for name, c := range map[string]struct {
		file string
		line int // 0: another file's
		want string
	}{
		"global arguments":      {"ARG v0=0123456789\n" + doubled(60, "arg NEXT=${LAST}${LAST}") + "FROM ${v60}\n", 17, grows},
		"arguments of a stage":  {"FROM busybox\nARG v0=0123456789\n" + doubled(60, "ARG NEXT=$LAST$LAST"), 18, grows},
		"variables":             {"FROM busybox\nENV v0=0123456789\n" + doubled(60, "ENV NEXT=$LAST$LAST"), 18, grows},
		"variables of old":      {"FROM busybox\nENV v0 0123456789\n" + doubled(60, "ENV NEXT $LAST$LAST"), 18, grows},
		"several in one":        {"FROM busybox\nENV v0=0123456789\n" + doubled(60, "ENV x=1 NEXT=$LAST$LAST y=2"), 18, grows},
		"one of itself":         {"FROM busybox\nENV v=0123456789\n" + doubled(60, "ENV v=$v$v"), 19, grows},
		"replaced":              {"FROM busybox\nENV v=0123456789\n" + doubled(60, "ENV v=${v//0/$v}"), 5, grows},
		"defaults":              {"FROM busybox\nENV v=0123456789\n" + doubled(60, "ENV v=${x:-${v}${v}}"), 10, grows},
		"a base's":              {"FROM busybox\n" + doubled(60, "ENV PATH=$PATH:$PATH"), 9, grows},
		"stages on each other":  {"FROM busybox AS sv0\nENV v=0123456789\n" + doubled(60, "FROM sLAST AS sNEXT\nENV v=$v$v") + "FROM sv60\n", 0, grows},
		"copies of a long one":  {"FROM busybox\nENV w=" + strings.Repeat("x", 60000) + "\nENV v=" + strings.Repeat("$w", 10) + "\n" + strings.Repeat("LABEL a=$v\n", 200), 114, "up to here, the instructions"},
		"steps with a long one": {"FROM busybox\nENV w=" + strings.Repeat("x", 60000) + "\nENV v=" + strings.Repeat("$w", 10) + "\n" + strings.Repeat("RUN true\n", 200), 104, "up to here, the instructions"},
		"instructions":          {"FROM busybox\n" + strings.Repeat("RUN true\n", 5000), 4001, "this is instruction 4001, and at most 4000 are read"},
		"stages":                {strings.Repeat("FROM busybox\n", 5000), 4001, "this is instruction 4001"},
		"lines":                 {"FROM busybox\n" + strings.Repeat("\n", 16<<20-100), 0, "more than 1000000 lines"},
	} {
		t.Run(name, func(t *testing.T) {
			compiler := newCompiler(map[string]string{"api": c.file}, func(s *Source) { s.Args = map[string]string{"GIVEN": "1"} })
			begun := time.Now()
			_, err := compiler.All(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "image api: ") {
				t.Fatalf("error %.300v, want %q", err, c.want)
			}
			if sources := errdefs.Sources(err); c.line > 0 && (len(sources) != 1 || int(sources[0].Ranges[0].Start.Line) != c.line || sources[0].Info.Filename != "api/Dockerfile") {
				t.Errorf("it is said of %v, want line %d", sources[0].Ranges, c.line)
			}
			if _, err := compiler.Outline(t.Context(), "api"); err == nil {
				t.Error("it has an outline")
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestAnArgumentThatIsGiven: a manifest, or a command line, is as long as it is.
func TestAnArgumentThatIsGiven(t *testing.T) {
	c := newCompiler(map[string]string{"api": "FROM busybox\nARG v\n" + doubled(3, "ENV v=$v$v")}, func(s *Source) {
		s.Args = map[string]string{"v": strings.Repeat("x", 1<<18)}
	})
	if _, err := c.All(t.Context()); err == nil || !strings.Contains(err.Error(), "may become longer") {
		t.Errorf("error %.300v", err)
	}
}

// TestWhatAnImageBringsToOthers: a base may be anybody's.
func TestWhatAnImageBringsToOthers(t *testing.T) {
	for name, c := range map[string]struct {
		env, triggers []string
		want          string
	}{
		"growing triggers":      {nil, strings.Split("ENV v=0123456789\n"+strings.TrimSpace(doubled(60, "ENV v=$v$v")), "\n"), "ONBUILD of base: the value of v"},
		"its own variables":     {[]string{"v=0123456789"}, strings.Split(strings.TrimSpace(doubled(60, "ENV v=$v$v")), "\n"), "ONBUILD of base: the value of v"},
		"many triggers":         {nil, strings.Split(strings.Repeat("RUN true\n", 5000), "\n"), "5001 ONBUILD instructions"},
		"a long environment":    {[]string{"v=" + strings.Repeat("x", 1<<21)}, nil, "the environment of base has more than 1 MiB"},
		"what others have, too": {[]string{"PATH=/usr/bin:/bin"}, []string{"ENV PATH=$PATH:/x", "RUN true"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var image dockerspec.DockerOCIImage
			image.Config.Env, image.Config.OnBuild = c.env, c.triggers
			config, err := json.Marshal(image)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := triggersOf("base", config); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	c := newCompiler(map[string]string{"base": "FROM busybox\nONBUILD ENV v=0123456789\n" + doubled(60, "ONBUILD ENV v=$v$v"), "api": "FROM base\n"})
	if _, err := c.All(t.Context()); err == nil || !strings.Contains(err.Error(), "ONBUILD of base: the value of v") {
		t.Errorf("a sibling's: error %.300v", err)
	}
}

// TestWhatPeopleWriteIsWithinBounds: with variables of variables, in many stages.
func TestWhatPeopleWriteIsWithinBounds(t *testing.T) {
	file := "ARG VERSION=1.2.3\nARG URL=https://example.com/${VERSION}/${VERSION}.tar\n"
	for i := range 50 {
		file += fmt.Sprintf("FROM busybox AS s%d\nARG URL VERSION\nENV HOME=/home/x\nENV PATH=$HOME/bin:/opt/${VERSION%%.*}/bin:$PATH LD=${LD//:/,}:$PATH\nLABEL a=$URL b=$PATH\n", i)
		file += strings.Repeat("RUN echo $PATH $URL $PATH $PATH\n", 20)
	}
	compiled(t, newCompiler(map[string]string{"api": file}))
}

// TestTriggersThatGoRound: a stage may copy from itself by an ONBUILD, which the outline of
// BuildKit's compiler follows until the stack is full. All arguments count then.
func TestTriggersThatGoRound(t *testing.T) {
	const used = "ARG USED\nRUN true\n"
	for name, c := range map[string]struct {
		file, onbuild string
		args          []string // that count of USED and OTHER; nil: no circle, USED only
	}{
		"in the file":                {"FROM busybox AS a\nONBUILD COPY --from=b /x /\nFROM a AS b\n" + used, "", []string{"OTHER", "USED"}},
		"in the base":                {"FROM busybox AS b\n" + used, "COPY --from=b /x /", []string{"OTHER", "USED"}},
		"by a mount":                 {"FROM busybox AS b\n" + used, "RUN --mount=from=b,target=/x true", []string{"OTHER", "USED"}},
		"by a number":                {"FROM busybox AS b\n" + used, "COPY --from=0 /x /", []string{"OTHER", "USED"}},
		"from a stage of the child":  {"FROM alpine AS build\nRUN true\nFROM busybox\n" + used, "COPY --from=build /x /", []string{"USED"}},
		"from a stage beside of it":  {"FROM alpine AS build\nFROM busybox AS a\nONBUILD COPY --from=build /x /\nFROM a AS b\n" + used, "", []string{"USED"}},
		"of a base that nobody uses": {"FROM busybox AS b\nRUN true\nFROM alpine\n" + used, "COPY --from=b /x /", []string{"USED"}},
	} {
		t.Run(name, func(t *testing.T) {
			compiler := newCompiler(map[string]string{"api": c.file}, func(s *Source) { s.Args = map[string]string{"USED": "1", "OTHER": "2"} })
			compiler.Externals = NewExternals(roundabout{c.onbuild}, nil)
			all, err := compiler.All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := all["api"][0].Args; !slices.Equal(got, c.args) {
				t.Errorf("arguments %v, want %v", got, c.args)
			}
			if _, err := compiler.Outline(t.Context(), "api"); (err != nil) != (len(c.args) == 2) {
				t.Errorf("outline: error %v", err)
			}
		})
	}
}

// roundabout are images of which busybox has a trigger, and no other has one.
type roundabout struct{ onbuild string }

func (b roundabout) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := `{}`
	if strings.Contains(ref, "busybox") && b.onbuild != "" {
		config = fmt.Sprintf(`{"config":{"OnBuild":[%q]}}`, b.onbuild)
	}
	return ref, digest.FromString(ref), []byte(config), nil
}
