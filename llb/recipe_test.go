package llb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

// several is a container file for several images.
const several = `# syntax=docker/dockerfile:1
ARG BASE=busybox
ARG TAG=1.36
ARG IMAGE=${BASE}:${TAG}
ARG OTHER=alpine
ARG VERSION=1
FROM ${OTHER} AS unused
COPY u /
FROM ${IMAGE} AS tools
ARG VERSION
RUN make   ${VERSION} \
  all
FROM scratch AS api
COPY --from=tools /x /
COPY <<one <<two a /in/
1
one
2
two
FROM tools AS web
COPY web /
`

// Each edit of a container file, and whether it counts for a target.
func TestWhatCountsOfAContainerFile(t *testing.T) {
	target := func(name string) func(*Source) { return func(s *Source) { s.Target = name } }
	for _, c := range []struct {
		name, from, to string
		target         string
		counts         bool
	}{
		{"a comment", "FROM scratch AS api", "# comment\nFROM scratch AS api", "api", false},
		{"a comment in an instruction", "VERSION} \\\n", "VERSION} \\\n# comment\n", "api", false},
		{"a comment at the end", "COPY web /\n", "COPY web /\n# comment", "web", false},
		{"blank lines", "FROM scratch", "\n\n  \nFROM scratch", "api", false},
		{"line ends", "ARG TAG=1.36\n", "ARG TAG=1.36\r\n", "api", false},
		{"spaces between words", "COPY --from=tools /x /", "COPY   --from=tools  /x\t/ ", "api", false},
		{"an instruction in lower case", "FROM scratch", "from scratch", "api", false},
		{"the directive check", "# syntax=docker/dockerfile:1\n", "# syntax=docker/dockerfile:1\n# check=skip=all\n", "api", false},
		{"another stage", "COPY web /", "COPY web2 /", "api", false},
		{"a stage that nobody uses", "COPY u /", "COPY u2 /", "api", false},
		{"a new stage in front", "FROM ${OTHER} AS unused", "FROM scratch AS new\nCOPY new /\nFROM ${OTHER} AS unused", "api", false},
		{"a new stage at the end", "COPY web /\n", "COPY web /\nFROM scratch\nCOPY x /\n", "api", false},
		{"an argument that nobody uses", "ARG OTHER=alpine", "ARG OTHER=debian", "api", false},
		{"a new argument", "ARG OTHER=alpine", "ARG NEW=1\nARG OTHER=alpine", "api", false},

		{"the stage itself", "/x /", "/x /y", "api", true},
		{"a stage that it copies from", "make   ${VERSION}", "make all ${VERSION}", "api", true},
		{"spaces in a command", "make   ${VERSION}", "make ${VERSION}", "api", true},
		{"a stage that it builds on", "make   ${VERSION}", "make all ${VERSION}", "web", true},
		{"a here-document's body", "\n2\n", "\n3\n", "api", true},
		{"a comment in a here-document", "\n2\n", "\n2\n# comment\n", "api", true},
		{"a here-document's quotes", "<<two", "<<\"two\"", "api", true},
		{"a flag", "COPY --from=tools", "COPY --link --from=tools", "api", true},
		{"a form", "RUN make   ${VERSION} \\\n  all", "RUN [\"make\"]", "api", true},
		{"the directive syntax", "dockerfile:1\n", "dockerfile:1.4\n", "api", true},
		{"the directive escape", "# syntax=docker/dockerfile:1\n", "# syntax=docker/dockerfile:1\n# escape=\\\n", "api", false},
		{"an argument of FROM", "ARG BASE=busybox", "ARG BASE=debian", "api", true},
		{"an argument of that one", "ARG TAG=1.36", "ARG TAG=1.37", "api", true},
		{"an argument that a stage declares", "ARG VERSION=1", "ARG VERSION=2", "api", true},
		{"the time", "ARG TAG", "ARG SOURCE_DATE_EPOCH=1\nARG TAG", "api", true},
		{"what an attestation looks at", "ARG TAG", "ARG BUILDKIT_SBOM_SCAN_STAGE=true\nARG TAG", "api", true},
		{"the last stage, which is the target", "COPY web /\n", "COPY web /\nFROM scratch\nCOPY x /\n", "", true},
		{"another name for a stage", "AS tools", "AS Tools", "api", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(several, c.from) != 1 {
				t.Fatalf("%q is not once in the file", c.from)
			}
			before := compiled(t, newCompiler(map[string]string{"app": several}, target(c.target)))["app"][0]
			after := compiled(t, newCompiler(map[string]string{"app": strings.Replace(several, c.from, c.to, 1)}, target(c.target)))["app"][0]
			if counts := before.Recipe != after.Recipe; counts != c.counts {
				t.Errorf("it counts: %t, want %t", counts, c.counts)
			}
		})
	}
}

// The frozen recipes of the second scheme of revisions: another value means that every image
// of every project is built anew.
func TestFrozenRecipes(t *testing.T) {
	for target, want := range map[string]string{"api": "sha256:6199aaaec5d944e9ae2bf4eb40ff52ae81f1f0bbc82886ce098b8c38c9fdf095", "web": "sha256:7528fc631cf5563ad7b52c02ef73aeee953663a8d0ca1ca82149fdee1a5cc49d", "unused": "sha256:36a568e061fc9db7e3e76018f6e9aa11f879485216030b7d1f01f062d5cc0c9f"} {
		c := newCompiler(map[string]string{"app": several}, func(s *Source) { s.Target = target })
		if got := compiled(t, c)["app"][0].Recipe; got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
	source := newCompiler(map[string]string{"app": several}).Sources["app"]
	if got, want := wholeRecipe(source), "sha256:1749586857aafc08eadb592db2ef355eac83a411e9c7e103166ec7e4e92d1b44"; got != want {
		t.Errorf("whole: got %s, want %s", got, want)
	}
}

// A stage that is reached in another way than by its name counts.
func TestStagesThatAreReached(t *testing.T) {
	for name, c := range map[string]struct {
		file   string // with WORD in a stage
		counts bool
		option func(*Source)
	}{
		"by a number":                          {"FROM scratch\nCOPY WORD /\nFROM scratch\nCOPY --from=0 / /\n", true, nil},
		"by a mount":                           {"FROM scratch AS s\nCOPY WORD /\nFROM busybox\nRUN --mount=type=bind,from=s,target=/s true\n", true, nil},
		"by a mount of a stage in between":     {"FROM scratch AS s\nCOPY WORD /\nFROM busybox AS b\nRUN --mount=from=s,target=/s true\nFROM b\n", true, nil},
		"by ONBUILD of a stage":                {"FROM scratch AS s\nCOPY WORD /\nFROM busybox AS b\nONBUILD COPY --from=s / /\nFROM b\n", true, nil},
		"by ONBUILD of a base":                 {"FROM scratch AS stage\nCOPY WORD /\nFROM registry.example.com/onbuild\nRUN true\n", true, nil},
		"by an argument of ONBUILD":            {"ARG DECLARED=WORD\nFROM registry.example.com/onbuild\nRUN true\nFROM scratch AS stage\nCOPY a /\nFROM registry.example.com/onbuild\n", true, nil},
		"by an argument's value":               {"ARG B=s\nFROM scratch AS s\nCOPY WORD /\nFROM $B\n", true, nil},
		"by an argument's default":             {"FROM scratch AS s\nCOPY WORD /\nFROM ${B:-s}\n", true, nil},
		"by an argument that is given":         {"ARG B=busybox\nFROM scratch AS s\nCOPY WORD /\nFROM $B\n", true, func(s *Source) { s.Args = map[string]string{"B": "s"} }},
		"not by another value":                 {"ARG B=busybox\nFROM scratch AS s\nCOPY WORD /\nFROM $B\n", false, nil},
		"by the platform":                      {"FROM scratch AS s-amd64\nCOPY WORD /\nFROM scratch AS s-arm64\nCOPY a /\nFROM s-$TARGETARCH\n", true, nil},
		"not on another platform":              {"FROM scratch AS s-amd64\nCOPY a /\nFROM scratch AS s-arm64\nCOPY WORD /\nFROM s-$TARGETARCH\n", false, nil},
		"by the target's own name":             {"FROM scratch AS s-last\nCOPY WORD /\nFROM s-$TARGETSTAGE AS last\n", true, nil},
		"by the later of two with one name":    {"FROM scratch AS s\nCOPY a /\nFROM scratch AS s\nCOPY WORD /\nFROM s\n", true, nil},
		"not by the earlier one":               {"FROM scratch AS s\nCOPY WORD /\nFROM scratch AS s\nCOPY a /\nFROM s\n", false, nil},
		"not by ONBUILD that nobody builds on": {"FROM scratch AS s\nCOPY WORD /\nFROM busybox AS b\nONBUILD COPY --from=s / /\nFROM scratch\nCOPY a /\n", false, nil},
		"by an argument with a default":        {"ARG A=WORD\nFROM scratch\nARG A=1\nCOPY $A /\n", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			recipes := map[string]bool{}
			for _, word := range []string{"one", "two"} {
				recipes[compiledOn(t, triggering(), strings.ReplaceAll(c.file, "WORD", word), c.option).Recipe] = true
			}
			if counts := len(recipes) == 2; counts != c.counts {
				t.Errorf("it counts: %t, want %t", counts, c.counts)
			}
		})
	}
}

// triggering is a BuildKit where the image onbuild has triggers.
func triggering() *gatewaytest.Gateway {
	g := gatewaytest.New()
	g.Registry = "registry.example.com"
	g.Contents = func(string) (digest.Digest, []byte) {
		var image dockerspec.DockerOCIImage
		image.Platform = amd64
		image.Config.OnBuild = []string{"ARG DECLARED", "COPY --from=stage / /s"}
		image.RootFS.DiffIDs = []digest.Digest{digest.FromString("layer")}
		config, _ := json.Marshal(image)
		return digest.FromBytes(config), config
	}
	return g
}

func compiledOn(t *testing.T, g *gatewaytest.Gateway, file string, options ...func(*Source)) *Compiled {
	t.Helper()
	c := newCompiler(map[string]string{"app": file}, slices.DeleteFunc(options, func(o func(*Source)) bool { return o == nil })...)
	c.Gateway, c.Externals = g, NewExternals(g, nil)
	return compiled(t, c)["app"][0]
}

// A number says another stage where one comes or goes in front of it.
func TestStagesByNumberAreNotMistakenForEachOther(t *testing.T) {
	stage := func(name string) string { return "FROM scratch AS " + name + "\nCOPY " + name + " /\n" }
	last := "FROM scratch\nCOPY --from=1 / /1\nCOPY --from=a / /a\nCOPY --from=b / /b\nCOPY --from=c / /c\n"
	one := compiledOn(t, gatewaytest.New(), stage("a")+stage("b")+stage("c")+last)
	two := compiledOn(t, gatewaytest.New(), stage("unused")+stage("a")+stage("b")+stage("c")+last)
	if one.Recipe == two.Recipe {
		t.Error("--from=1 is b, then a, and the recipes are equal")
	}
}

func TestWhereStagesCannotBeToldTheWholeFileCounts(t *testing.T) {
	for name, file := range map[string]string{
		"a time by a stage":          "ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nCOPY a /\n",
		"a number beyond the stages": "FROM busybox\nCOPY --from=1 /a /\nCOPY --from=alpine /b /\n",
	} {
		t.Run(name, func(t *testing.T) {
			source := Source{Map: newCompiler(map[string]string{"app": file}).Sources["app"].Map}
			if got, _ := recipeOf(source, nil, nil, nil); got != wholeRecipe(source) {
				t.Error("a part of it counts")
			}
		})
	}
	t.Run("another frontend's", func(t *testing.T) {
		c, _ := newForeign(t, map[string]string{"app": "# syntax=registry.example.com/frontend\nFROM scratch\n# comment\n"})
		source := c.Sources["app"]
		if got := compiled(t, c)["app"][0].Recipe; got != wholeRecipe(source) {
			t.Error("a part of it counts")
		}
	})
	if got, _ := recipeOf(Source{Map: newCompiler(map[string]string{"app": several}).Sources["app"].Map}, nil, nil, nil); got == wholeRecipe(newCompiler(map[string]string{"app": several}).Sources["app"]) {
		t.Error("a file with stages counts as a whole")
	}
}

// Two random files with equal recipes are compiled to the same. QUOIT_TEST_SEED replays a run.
func TestEqualRecipesAreEqualImages(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("QUOIT_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("QUOIT_TEST_SEED=%d", seed)
	same, different := 0, 0
	for i := range dose.Of(120, 2000, 20000) {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		lines := randomFile(r)
		edited := edit(r, lines)
		var images [2]*Compiled
		failed := false
		for n, file := range [][]string{lines, edited} {
			c := newCompiler(map[string]string{"app": strings.Join(file, "\n") + "\n"}, func(s *Source) {
				s.Args = map[string]string{"GIVEN": "g"}
				s.Platforms = []ocispecs.Platform{amd64}
			})
			all, err := c.All(t.Context())
			if failed = failed || err != nil; !failed {
				images[n] = all["app"][0]
			}
		}
		if failed {
			continue // a stage names one below it, for instance
		}
		if images[0].Recipe != images[1].Recipe {
			different++
			continue
		}
		same++
		if a, b := madeOf(t, images[0]), madeOf(t, images[1]); a != b {
			t.Fatalf("file %d: equal recipes of\n%s\n\nand\n%s\n\nthat are compiled to\n%s\nand\n%s", i, strings.Join(lines, "\n"), strings.Join(edited, "\n"), a, b)
		}
	}
	t.Logf("%d edits do not count, %d do", same, different)
	if same < 3 || different < 3 {
		t.Error("there are too few of either")
	}
}

// madeOf is the graph and the config.
func madeOf(t *testing.T, c *Compiled) string {
	t.Helper()
	config, err := json.Marshal(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if c.Definition != nil {
		for _, op := range c.Definition.Def {
			fmt.Fprintln(&text, digest.FromBytes(op))
		}
	}
	fmt.Fprintf(&text, "%s %v %v", config, c.Args, c.Externals)
	return text.String()
}

func one(r *rand.Rand, among ...string) string { return among[r.IntN(len(among))] }

// randomFile is a container file with stages that use each other.
func randomFile(r *rand.Rand) []string {
	lines := []string{"ARG A=busybox", "ARG B=s0", "ARG C=$A", "ARG D=1", "ARG GIVEN=x"}
	stages := 2 + r.IntN(5)
	for i := range stages {
		base := one(r, "scratch", "busybox", "$A", "${C}", "alpine")
		if i > 0 && r.IntN(3) == 0 {
			base = one(r, "$B", fmt.Sprint("s", r.IntN(i)), fmt.Sprint("S", r.IntN(i)))
		}
		lines = append(lines, fmt.Sprintf("FROM %s AS s%d", base, i))
		for range r.IntN(4) {
			lines = append(lines, instruction(r, i))
		}
	}
	return lines
}

// instruction may use the stages above one.
func instruction(r *rand.Rand, stage int) string {
	if stage > 0 && r.IntN(2) == 0 {
		from := one(r, "", "s") + fmt.Sprint(r.IntN(stage))
		return one(r, "COPY --from="+from+" / /", "RUN --mount=from="+from+",target=/m true", "ONBUILD COPY --from="+from+" / /o")
	}
	return one(r, "COPY a /", "COPY  b \\\n  /b", "RUN echo  $D", "ARG D", "ARG D=2", "ARG GIVEN", "ENV E=$D", "LABEL l=\"x y\"", "COPY <<x /f\n# no comment\nx",
		"RUN <<x\necho\nx", "ONBUILD RUN  echo", "CMD [\"a\", \"b\"]", "WORKDIR /w", "EXPOSE 80")
}

// edit changes one line, adds one, or takes one away.
func edit(r *rand.Rand, lines []string) []string {
	edited := slices.Clone(lines)
	at := r.IntN(len(edited))
	if r.IntN(2) == 0 {
		at = len(edited) - 1 // which the target has
	}
	switch r.IntN(8) {
	case 0:
		return slices.Insert(edited, at, one(r, "# comment", "", "   # indented"))
	case 1:
		return slices.Insert(edited, len(edited), "# comment")
	case 2:
		edited[at] = strings.ReplaceAll(edited[at], " /", "   /")
	case 3:
		edited[at] = strings.Replace(edited[at], "COPY a", "COPY changed", 1)
	case 4:
		at = r.IntN(5)
		edited[at] = strings.Replace(edited[at], "=", "="+one(r, "alpine", "busybox", "s1", "x"), 1)
	case 5, 6:
		if at = max(at, 6); at < len(edited) && !strings.HasPrefix(edited[at], "FROM") {
			edited[at] = instruction(r, 0)
		}
	default:
		if at = max(at, 6); at < len(edited) && !strings.HasPrefix(edited[at], "FROM") {
			return slices.Delete(edited, at, at+1)
		}
		return slices.Insert(edited, 5, "FROM scratch AS new", "COPY n /")
	}
	return edited
}
