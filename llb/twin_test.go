package llb

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/protobuf/testing/protocmp"
)

// equalFiles are images that have a container file in common.
func equalFiles(file string, names ...string) map[string]string {
	files := map[string]string{"base": "FROM busybox\nRUN true\n"}
	for _, name := range names {
		files[name] = file
	}
	return files
}

func TestEqualContainerFilesMakeTheGraphsOfTheirOwn(t *testing.T) {
	names := []string{"a", "b", "c"}
	file := "FROM base\nCOPY . /app\nRUN --mount=target=/src make\n"
	together := newCompiler(equalFiles(file, names...))
	got := built(t, together, newBuilder(together))
	for _, name := range names {
		alone := newCompiler(equalFiles(file, name))
		want := built(t, alone, newBuilder(alone))[name+" 0"]
		if diff := cmp.Diff(want, got[name+" 0"], protocmp.Transform()); diff != "" {
			t.Errorf("%s (-alone +together):\n%s", name, diff)
		}
	}
}

func TestEqualContainerFilesAreWarnedOfEach(t *testing.T) {
	names := []string{"a", "b", "c"}
	c := newCompiler(equalFiles("FROM base as x\nCOPY . /app\n", names...))
	var mu sync.Mutex
	var got []string
	c.Warn = func(_ context.Context, source Source, message string, opts client.WarnOpts) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %s", source.Name, opts.SourceInfo.Filename, message))
	}
	compiled(t, c)
	var want []string
	for _, name := range names {
		want = append(want, name+" "+name+"/Dockerfile FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)")
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMistakesOfEqualContainerFilesAreToldOfEach(t *testing.T) {
	names := []string{"a", "b", "c"}
	_, err := newCompiler(equalFiles("FROM base\nCOPPY . /app\n", names...)).All(t.Context())
	var got []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v", err)
	}
	for _, err := range joined.Unwrap() {
		for _, source := range errdefs.Sources(err) {
			got = append(got, source.Info.Filename)
		}
	}
	if diff := cmp.Diff([]string{"a/Dockerfile", "b/Dockerfile", "c/Dockerfile"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, err)
	}
}

// The file that names an image means that image, and in its own folder itself.
func TestEqualContainerFilesOfAnImageThatTheyName(t *testing.T) {
	for range 20 {
		all, err := newCompiler(equalFiles("FROM a\nCOPY . /app\n", "a", "b", "c")).All(t.Context())
		if err == nil || len(all["a"]) > 0 {
			t.Fatalf("image a builds on itself; got %v", err)
		}
	}
}

// Equal files that wait for each other over a third image end.
func TestEqualContainerFilesInACycle(t *testing.T) {
	for range 20 {
		files := equalFiles("FROM c\nCOPY . /app\n", "a", "b")
		files["c"] = "FROM b\nCOPY . /app\n"
		all, err := newCompiler(files).All(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, siblings := range map[string][]string{"a": {"c"}, "b": {"c"}, "c": {"b"}} {
			if diff := cmp.Diff(siblings, all[name][0].Siblings); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}
