//go:build stack

package integration

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestAFolderGetsOtherPermissions, and nothing else changes: BuildKit's cache has the old
// folder, and without it the new one is built.
func TestAFolderGetsOtherPermissions(t *testing.T) {
	dir, prefix := generated(t, 3)
	write(t, dir, "services/s000/Dockerfile", "FROM scratch\nCOPY . /\n")
	write(t, dir, "services/s000/sub/f", "f\n")
	mustQuoit(t, dir, "build", "--push")
	for _, edit := range []struct {
		mode os.FileMode
		args []string
		want string
	}{
		{0o700, nil, ""},
		{0o711, []string{"--no-cache"}, "folder 711"},
	} {
		before := release(t, prefix+"/deploy:developers").Images["s000"]
		if err := os.Chmod(filepath.Join(dir, "services/s000/sub"), edit.mode); err != nil {
			t.Fatal(err)
		}
		mustQuoit(t, dir, append([]string{"build", "--push"}, edit.args...)...)
		now := release(t, prefix+"/deploy:developers").Images["s000"]
		if now.Version == before.Version || now.Revision == before.Revision {
			t.Errorf("%o: version %s and revision %s are as before", edit.mode, now.Version, now.Revision)
		}
		if got := filesOfImage(t, prefix+"/s000:"+now.Version.String())["sub"]; edit.want != "" && got != edit.want {
			t.Errorf("%o: in the image is %q, want %q", edit.mode, got, edit.want)
		}
	}
	mustQuoit(t, dir, "build", "--push")
}

// filesOfImage are an image's files as stock builds' are described.
func filesOfImage(t *testing.T, ref string) map[string]string {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(parsed, remote.WithContext(t.Context()), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	flat := mutate.Extract(img)
	defer flat.Close()
	files, err := filesOfTar(flat)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
