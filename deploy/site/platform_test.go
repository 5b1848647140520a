package site

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/registry"
)

// pushed writes an index of an attestation, and of a root image for each
// architecture, and returns its reference. Each has a file that says for which
// it is, and, if wanted, a hook.
func pushed(t *testing.T, hook bool, architectures ...string) (reference string) {
	t.Helper()
	server := httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	root := func(text string) v1.Image {
		files := []entry{{"overlays/prod/for", tar.TypeReg, "", text}}
		if hook {
			files = append(files, entry{"hooks/pre-upgrade", tar.TypeReg, "", text})
		}
		image, err := mutate.AppendLayers(empty.Image, layer(t, files...))
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: root("an attestation"), Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}, Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	}})
	for _, architecture := range architectures {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: root(architecture), Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: architecture},
		}})
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.NewDigest(strings.TrimPrefix(server.URL, "http://")+"/acme/shop/deploy@"+digest.String(), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(to, index); err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// TestPlatforms: files are read from whatever image of an index there is.
func TestPlatforms(t *testing.T) {
	here, other := runtime.GOARCH, "riscv64"
	for _, test := range []struct {
		name          string
		architectures []string
		want, foreign string
	}{
		{"this machine's is one of them", []string{other, here}, here, ""},
		{"it is for another machine", []string{other, "s390x"}, other, "linux/" + other},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			foreign, err := Unpack(t.Context(), pushed(t, false, test.architectures...), folder, registry.Options{})
			if err != nil || foreign != test.foreign {
				t.Fatalf("foreign is %q, want %q: %v", foreign, test.foreign, err)
			}
			if text, err := os.ReadFile(filepath.Join(folder, "overlays/prod/for")); err != nil || string(text) != test.want {
				t.Errorf("what was unpacked is for %q, want %q: %v", text, test.want, err)
			}
		})
	}
}

func TestAnIndexWithoutAnImage(t *testing.T) {
	if _, err := Unpack(t.Context(), pushed(t, false), t.TempDir(), registry.Options{}); err == nil || !strings.Contains(err.Error(), "its index has no image") {
		t.Errorf("error %v", err)
	}
}

// TestHooksOfAnotherMachine: they would stop a local deploy half-way, so it is
// not begun.
func TestHooksOfAnotherMachine(t *testing.T) {
	c, _ := fakeCluster()
	task := someTask()
	task.Images.Root = pushed(t, true, "riscv64")
	failed := new(StepError)
	err := Local{Cluster: c, Log: io.Discard}.Run(t.Context(), task)
	if !errors.As(err, &failed) || failed.Cause != NotStarted || !strings.Contains(err.Error(), "programs in /hooks are for linux/riscv64") {
		t.Errorf("error %v", err)
	}
}
