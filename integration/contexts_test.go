//go:build stack

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/trees"
)

// An image with named contexts is what a stock client builds of its container file when it is
// told of the same contexts, whoever builds it.
func TestNamedContextsAreBuiltAsStockBuildsThem(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	manifest := strings.Replace(read(t, filepath.Join(dir, "quoit.yaml")), "s000: services/s000",
		"s000: {context: services/s000, contexts: {lang: base, assets: ./shared/assets, part: ./shared, old: base}}", 1)
	write(t, dir, "quoit.yaml", manifest)
	trees.Plant(t, dir, trees.Files{
		"services/s000/Dockerfile": "FROM scratch AS old\nCOPY gone /\nFROM assets AS more\nCOPY main.txt /dir/\nFROM lang\n" +
			"COPY main.txt /\nCOPY --from=assets . /assets/\nCOPY --from=more / /more/\nCOPY --from=part l* /part/\nCOPY --from=old /base /old/\n" +
			"RUN --mount=from=assets,target=/mounted cat /mounted/dir/* > /mount\n",
		"shared/.dockerignore":        "assets\n",
		"shared/left":                 "left",
		"shared/log":                  "log",
		"shared/assets/.dockerignore": "**/log\n",
		"shared/assets/log":           "ignored",
		"shared/assets/dir/log":       "ignored",
		"shared/assets/dir/x":         "x",
		"shared/assets/run":           "run",
	})
	if err := os.Symlink("dir/x", filepath.Join(dir, "shared/assets/link")); err != nil {
		t.Fatal(err)
	}
	first := publish(t, dir, prefix, "developers")
	out := filepath.Join(t.TempDir(), "out.tar")
	built := func(build func()) map[string]string {
		t.Helper()
		build()
		file, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files, err := filesOfTar(file)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	base := prefix + "/base:" + first["base"]
	stock := built(func() {
		cmd := stack.Command(t.Context(), "buildx", "build", "-f", "services/s000/Dockerfile", "--output", "type=tar,dest="+out,
			"--build-context", "lang=docker-image://"+base, "--build-context", "old=docker-image://"+base,
			"--build-context", "assets=shared/assets", "--build-context", "part=shared", "services/s000")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
	fromClient := built(func() {
		buildx(t, dir, "--target", "s000", "--build-arg", "QUOIT_RING=none", "--output", "type=tar,dest="+out)
	})
	ref, err := name.ParseReference(prefix + "/s000:" + first["s000"])
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	flat := mutate.Extract(img)
	defer flat.Close()
	published, err := filesOfTar(flat)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stock, fromClient); diff != "" {
		t.Errorf("by the frontend image (-stock +ours):\n%s", diff)
	}
	if diff := cmp.Diff(stock, published); diff != "" {
		t.Errorf("published (-stock +ours):\n%s", diff)
	}
	for _, file := range []string{"assets/link", "more/dir/main.txt", "part/left", "old/base", "mount"} {
		if stock[file] == "" && stock["/"+file] == "" {
			t.Errorf("stock has no %s", file)
		}
	}
	write(t, dir, "given/dir/x", "x")
	write(t, dir, "given/link", "in the place of a link")
	mustQuoit(t, dir, "build", "--push", "--ring", "developers", "--build-context", "assets=given")
	second := versions(t, prefix, "developers")
	if got := string(extract(t, prefix+"/s000:"+second["s000"], "/assets/link")); got != "in the place of a link" || second["base"] != first["base"] {
		t.Errorf("the image has %q, versions are %v", got, second)
	}
	first = publish(t, dir, prefix, "developers")
	write(t, dir, "shared/assets/dir/x", "edited")
	if diff := cmp.Diff([]string{"s000", "deploy"}, plan(t, dir).Changed()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if got := publish(t, dir, prefix, "developers"); got["s000"] == first["s000"] || got["base"] != first["base"] {
		t.Errorf("versions: %v after %v", got, first)
	}
}
