package llb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

func TestDefinitions(t *testing.T) {
	c := newDiamond()
	for key, def := range built(t, c, newBuilder(c)) {
		t.Run(key, func(t *testing.T) {
			order, byDigest := ops(t, def)
			seen := map[string]bool{}
			needed := map[string]bool{}
			for i, dgst := range order {
				op := byDigest[dgst]
				if seen[dgst] {
					t.Errorf("op %d is there twice", i)
				}
				seen[dgst] = true
				for _, input := range op.Inputs {
					needed[input.Digest] = true
					if !seen[input.Digest] {
						t.Errorf("op %d comes before its input %s", i, input.Digest)
					}
				}
				if source := op.GetSource(); source != nil {
					if _, sibling := siblingOf(source); sibling {
						t.Errorf("op %d is the mark of a sibling: %s", i, source.Identifier)
					}
				}
				if (op.Op == nil) != (i == len(order)-1) {
					t.Errorf("op %d of %d ends the definition", i, len(order))
				}
			}
			for i, dgst := range order[:len(order)-1] {
				if !needed[dgst] {
					t.Errorf("nothing needs op %d", i)
				}
				if def.Metadata[dgst] == nil {
					t.Errorf("op %d has no metadata", i)
				}
			}
			for dgst, locations := range def.Source.Locations {
				if byDigest[dgst] == nil {
					t.Errorf("a location is of no op: %s", dgst)
				}
				for _, l := range locations.Locations {
					if int(l.SourceIndex) >= len(def.Source.Infos) {
						t.Errorf("a location names file %d of %d", l.SourceIndex, len(def.Source.Infos))
					}
				}
			}
			if _, err := bk.NewDefinitionOp(def); err != nil {
				t.Errorf("BuildKit's client refuses the definition: %v", err)
			}
		})
	}
}

// Each step of the image and of its siblings says where it is written and whose
// it is.
func TestStepsKeepTheirPlaces(t *testing.T) {
	c := newCompiler(map[string]string{
		"base": "FROM busybox\n\nRUN echo base\n",
		"api":  "FROM base AS build\nRUN echo build\nRUN [\"echo\", \"[odd] name\"]\nFROM scratch\nCOPY --from=build /a /\nCOPY x /\n",
	})
	def := built(t, c, newBuilder(c))["api 0"]
	got := map[string]string{}
	for dgst, meta := range def.Metadata {
		place := ""
		if at := def.Source.Locations[dgst]; at != nil {
			for _, l := range at.Locations {
				place += fmt.Sprintf("%s:%d", def.Source.Infos[l.SourceIndex].Filename, l.Ranges[0].Start.Line)
			}
		}
		if name := meta.Description[customName]; name != "" {
			got[name] = place
		}
	}
	busybox := "docker.io/library/busybox:latest@" + digest.FromString("docker.io/library/busybox:latest").String()
	want := map[string]string{
		"[base 1/2] FROM " + busybox:                     "base/Dockerfile:1",
		"[base 2/2] RUN echo base":                       "base/Dockerfile:3",
		"[api build 2/3] RUN echo build":                 "api/Dockerfile:2",
		"[api build 3/3] RUN [\"echo\", \"[odd] name\"]": "api/Dockerfile:3",
		"[api stage-1 1/2] COPY --from=build /a /":       "api/Dockerfile:5",
		"[api stage-1 2/2] COPY x /":                     "api/Dockerfile:6",
		"[api internal] context api":                     "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names and places of steps (-want +got):\n%s", diff)
	}
}

func TestNamesOfSteps(t *testing.T) {
	for name, want := range map[string]string{
		"[2/3] RUN make":            "[api 2/3] RUN make",
		"[build 2/3] RUN make":      "[api build 2/3] RUN make",
		"[api 2/3] RUN make":        "[api 2/3] RUN make",
		"[internal] load x":         "[api internal] load x",
		"docker-image://x resolved": "docker-image://x resolved",
		"":                          "",
	} {
		if got := inImage("api")(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// A project's graph grows with the number of its images: an op that images
// share is one op, a context is made once.
func TestGraphsGrowLinearly(t *testing.T) {
	size := func(images int) (ops, contexts int) {
		files := map[string]string{"base": "FROM busybox\nRUN one\nRUN two\nRUN three\nCOPY . /\n"}
		for i := range images {
			files[fmt.Sprintf("i%d", i)] = "FROM base\nCOPY . /x\nRUN true\n"
		}
		c := newCompiler(files)
		b := newBuilder(c)
		inner := b.Context
		b.Context = func(source Source) bk.State {
			contexts++
			return inner(source)
		}
		defs := built(t, c, b)
		for _, def := range defs {
			if n := len(def.Def); n > 15 {
				t.Fatalf("one of %d images has %d ops", images, n)
			}
		}
		if asked := c.Gateway.(*gatewaytest.Gateway).Asked(); !maps.Equal(asked, map[string]int{"docker.io/library/busybox:latest": 1}) {
			t.Errorf("with %d images the lookups are %v", images, asked)
		}
		return len(b.pool.ops), contexts
	}
	small, _ := size(20)
	large, contexts := size(200)
	if contexts != 201 {
		t.Errorf("contexts were made %d times for 201 images", contexts)
	}
	if perImage := (large - small) / 180; perImage > 4 || large-small != perImage*180 {
		t.Errorf("20 images have %d ops, 200 have %d", small, large)
	}
}

// A chain's last image has each op of the chain once.
func TestChainsGrowLinearly(t *testing.T) {
	files := map[string]string{"i0": "FROM busybox\nRUN zero\n"}
	for i := 1; i < 60; i++ {
		files[fmt.Sprintf("i%d", i)] = fmt.Sprintf("FROM i%d\nRUN step %d\nCOPY --from=i%d / /x\n", i-1, i, i/2)
	}
	c := newCompiler(files)
	defs := built(t, c, newBuilder(c))
	if got, want := len(defs["i59 0"].Def), 2+59*2+1; got != want {
		t.Errorf("the last image has %d ops, want %d", got, want)
	}
}

func TestPublishedSiblingsComeFromTheRegistry(t *testing.T) {
	c := newDiamond()
	b := newBuilder(c)
	ref := testPrefix + "base:1.0.0@sha256:" + strings.Repeat("1", 64)
	b.Published = func(image string, platform ocispecs.Platform) string {
		if image == "base" {
			return ref
		}
		return ""
	}
	_, byDigest := ops(t, built(t, c, b)["right 0"])
	var identifiers []string
	for _, op := range byDigest {
		if source := op.GetSource(); source != nil && strings.HasPrefix(source.Identifier, imageScheme) {
			identifiers = append(identifiers, source.Identifier)
		}
	}
	if diff := cmp.Diff([]string{imageScheme + ref}, identifiers); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

func TestImagesWithoutLayers(t *testing.T) {
	c := newCompiler(map[string]string{"empty": "FROM scratch\nLABEL a=b\n", "child": "FROM empty\nCOPY x /\n", "heir": "FROM empty\nENV A=b\n"})
	b := newBuilder(c)
	defs := built(t, c, b)
	if defs["empty 0"] != nil || defs["heir 0"] != nil {
		t.Error("an image without layers has a graph")
	}
	if defs["child 0"] == nil {
		t.Fatal("an image on an empty one has no graph")
	}
	if got := compiled(t, c)["heir"][0].Config.Config.Labels; got["a"] != "b" {
		t.Errorf("the labels are %v", got)
	}
	def, err := b.Image(t.Context(), compiled(t, c)["empty"][0], map[string][]byte{"/quoit/release.json": []byte("{}")})
	if err != nil || def == nil || len(def.Def) != 2 {
		t.Errorf("files on an empty image: %v, %v", def, err)
	}
}

func TestFilesOnTop(t *testing.T) {
	c := newDiamond()
	b := newBuilder(c)
	top := compiled(t, c)["top"][0]
	files := map[string][]byte{"/quoit/b.json": []byte("b"), "/quoit/a.json": []byte("a"), "/c": []byte("c")}
	def, err := b.Image(t.Context(), top, files)
	if err != nil {
		t.Fatal(err)
	}
	order, byDigest := ops(t, def)
	last := byDigest[order[len(order)-2]].GetFile()
	var got []string
	for _, action := range last.Actions {
		switch a := action.Action.(type) {
		case *pb.FileAction_Mkfile:
			got = append(got, fmt.Sprintf("%s %o %d %s", a.Mkfile.Path, a.Mkfile.Mode, a.Mkfile.Timestamp, a.Mkfile.Data))
		case *pb.FileAction_Mkdir:
			got = append(got, fmt.Sprintf("%s %o %d", a.Mkdir.Path, a.Mkdir.Mode, a.Mkdir.Timestamp))
		}
	}
	want := []string{"/c 644 0 c", "/quoit 755 0", "/quoit/a.json 644 0 a", "/quoit/b.json 644 0 b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	plain, err := b.Image(t.Context(), top, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(def.Def) != len(plain.Def)+1 || !slices.ContainsFunc(plain.Def, func(raw []byte) bool { return string(raw) == string(def.Def[0]) }) {
		t.Errorf("the files are not one step on top: %d and %d ops", len(plain.Def), len(def.Def))
	}
}
