package revision

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

func isContext(op *pb.SourceOp) bool { return op.Identifier == "local://context" }

func TestReads(t *testing.T) {
	context, other := bk.Local("context"), bk.Local("other")
	base := bk.Image("docker.io/library/busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000")
	for _, c := range []struct {
		name  string
		state bk.State
		want  []Read
	}{
		{"a graph without the context reads nothing", base.File(bk.Copy(other, "/a", "/")), nil},
		{"a copy reads its source", bk.Scratch().File(bk.Copy(context, "a/b", "/")), []Read{{Path: "/a/b"}}},
		{"a copy's options are kept", bk.Scratch().File(bk.Copy(context, "/*.go", "/", &bk.CopyInfo{
			AllowWildcard: true, FollowSymlinks: true, IncludePatterns: []string{"i"}, ExcludePatterns: []string{"e"},
		})), []Read{{Path: "/*.go", Wildcard: true, Follow: true, Include: []string{"i"}, Exclude: []string{"e"}}}},
		{"each action of a step is read, sorted and once", bk.Scratch().File(
			bk.Copy(context, "/b", "/").Copy(other, "/o", "/").Copy(context, "/a", "/").Copy(context, "/b", "/again").Mkfile("/f", 0o644, nil),
		), []Read{{Path: "/a"}, {Path: "/b"}}},
		{"a mount reads its source", base.Run(bk.Shlex("true"), bk.AddMount("/src", context, bk.SourcePath("sub"), bk.Readonly)).Root(),
			[]Read{{Path: "/sub", Follow: true}}},
		{"a mount without a source reads all", base.Run(bk.Shlex("true"), bk.AddMount("/src", context)).Root(), []Read{whole}},
		{"a step on the context reads all", context.File(bk.Mkdir("/x", 0o755)), []Read{whole}},
		{"a removal from the context reads all", context.File(bk.Rm("/x")), []Read{whole}},
		{"a copy within the context reads all", context.File(bk.Copy(context, "/a", "/b")), []Read{whole, {Path: "/a"}}},
		{"a root file system reads all", context.Run(bk.Shlex("true")).Root(), []Read{whole}},
		{"a merge reads all", bk.Merge([]bk.State{base, context}), []Read{whole}},
		{"a difference reads all", bk.Diff(base, context), []Read{whole}},
		{"the context itself is all", context, []Read{whole}},
		{"what a copied stage reads is read", bk.Scratch().File(bk.Copy(bk.Scratch().File(bk.Copy(context, "/deep", "/")), "/", "/")), []Read{{Path: "/deep"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			def, err := c.state.Marshal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := Reads(def.ToPB(), isContext)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a definition that is no definition is an error", func(t *testing.T) {
		if _, err := Reads(&pb.Definition{Def: [][]byte{{0xff}}}, isContext); err == nil {
			t.Error("no error")
		}
	})
	t.Run("inputs that do not exist are no context", func(t *testing.T) {
		op := &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{{Input: -5, SecondaryInput: 9}}}}}
		raw, err := op.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Reads(&pb.Definition{Def: [][]byte{raw}}, isContext)
		if err != nil || len(got) > 0 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestMerge(t *testing.T) {
	a, b := Read{Path: "/a"}, Read{Path: "/b"}
	wild, follow := Read{Path: "/a", Wildcard: true}, Read{Path: "/a", Follow: true}
	include, exclude := Read{Path: "/a", Include: []string{"x"}}, Read{Path: "/a", Exclude: []string{"x"}}
	want := []Read{a, exclude, include, follow, wild, b}
	if diff := cmp.Diff(want, Merge([]Read{wild, b, include, a, follow, exclude, b, a, wild})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A matcher takes no notice of spaces around a pattern, so "COPY --parents "a/b " ." copies
// all of a/b.
func TestIncludePatternsAreReadAsAMatcherReadsThem(t *testing.T) {
	got := Wanted([]Read{{Path: "/", Include: []string{" a/b ", " "}}})
	if len(got.Trees) != 1 || got.Trees[0] != "a/b" {
		t.Errorf("%+v, want the tree a/b", got)
	}
}
