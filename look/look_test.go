package look

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
)

const namespace = "registry.example.com/acme/shop"

// push puts an image of a platform into a repository and returns its descriptor.
func push(t *testing.T, to registry.Repository, architecture string) ocispecs.Descriptor {
	t.Helper()
	config := fmt.Appendf(nil, `{"architecture":%q,"os":"linux","config":{"Labels":{"for":%q}}}`, architecture, architecture)
	if err := registry.Ensure(t.Context(), to, config); err != nil {
		t.Fatal(err)
	}
	manifest := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		registry.DigestOf(config), len(config)))
	if _, err := to.Put(t.Context(), manifest.Digest, manifest); err != nil {
		t.Fatal(err)
	}
	return ocispecs.Descriptor{
		MediaType: manifest.MediaType, Digest: digest.Digest(manifest.Digest), Size: int64(len(manifest.Bytes)),
		Platform: &ocispecs.Platform{OS: "linux", Architecture: architecture},
	}
}

// pushIndex puts an index of images under a tag and returns its digest.
func pushIndex(t *testing.T, to registry.Repository, tag string, of ...ocispecs.Descriptor) string {
	t.Helper()
	data, err := json.Marshal(ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: of})
	if err != nil {
		t.Fatal(err)
	}
	index := registry.NewManifest(ocispecs.MediaTypeImageIndex, data)
	if _, err := to.Put(t.Context(), tag, index); err != nil {
		t.Fatal(err)
	}
	return index.Digest
}

func TestAnIndexAnswersForThePlatform(t *testing.T) {
	at := memory.New(namespace)
	to := at.Repository("base")
	index := pushIndex(t, to, "1", push(t, to, "arm64"), push(t, to, "amd64"))
	i := images{at: at, cache: Contents(t.TempDir())}
	for _, architecture := range []string{"amd64", "arm64"} {
		platform := ocispecs.Platform{OS: "linux", Architecture: architecture}
		ref, dgst, config, err := i.ResolveImageConfig(t.Context(), namespace+"/base:1", sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform}})
		if err != nil || ref != namespace+"/base:1" || dgst.String() != index || !strings.Contains(string(config), `"for":"`+architecture+`"`) {
			t.Errorf("%s: error %v, %s has digest %s and config %s", architecture, err, ref, dgst, config)
		}
	}
	riscv := ocispecs.Platform{OS: "linux", Architecture: "riscv64"}
	if _, _, _, err := i.ResolveImageConfig(t.Context(), namespace+"/base:1", sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &riscv}}); err == nil || !strings.Contains(err.Error(), "no match for platform linux/riscv64") {
		t.Errorf("a platform that it has not: error %v", err)
	}
	// Its labels say the same for each platform.
	image, err := i.Image(t.Context(), namespace+"/base@"+index, "", []ocispecs.Platform{riscv})
	if err != nil || image == nil || image.Digest != index || image.Labels["for"] != "arm64" {
		t.Errorf("error %v, the image is %+v", err, image)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	i := images{at: memory.New(namespace)}
	var absent *frontend.AbsentError
	_, _, _, err := i.ResolveImageConfig(t.Context(), namespace+"/base:1", sourceresolver.Opt{})
	if !errors.As(err, &absent) || err.Error() != namespace+"/base:1: not found" {
		t.Errorf("error %v", err)
	}
	if image, err := i.Image(t.Context(), namespace+"/base:1", "", nil); image != nil || err != nil {
		t.Errorf("error %v, the image is %+v", err, image)
	}
	var needed *llb.BuilderError
	if _, _, _, err := i.ResolveImageConfig(t.Context(), "registry.corp/base:1", sourceresolver.Opt{}); !errors.As(err, &needed) {
		t.Errorf("a registry that is not reached: error %v", err)
	}
}

// TestTheCacheIsNotBelieved: a damaged file costs a request, and by digest nothing else
// is asked for again.
func TestTheCacheIsNotBelieved(t *testing.T) {
	at := &counting{Namespace: memory.New(namespace)}
	to := at.Namespace.Repository("base")
	image := push(t, to, "amd64")
	dir := t.TempDir()
	read := func() int {
		t.Helper()
		before := at.asked
		found, err := images{at: at, cache: Contents(dir)}.Image(t.Context(), namespace+"/base@"+image.Digest.String(), "", nil)
		if err != nil || found.Labels["for"] != "amd64" {
			t.Errorf("error %v, the image is %+v", err, found)
		}
		return at.asked - before
	}
	first, second := read(), read()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("error %v, the cache has %v", err, files)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("application/json\n{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if third, fourth := read(), read(); first != 2 || second != 0 || third != 2 || fourth != 0 {
		t.Errorf("requests: %d, then %d, with a damaged cache %d, then %d", first, second, third, fourth)
	}
}

// TestATagIsPulledOnce: of a tag that was asked for before only the digest is asked for.
func TestATagIsPulledOnce(t *testing.T) {
	at := &counting{Namespace: memory.New(namespace)}
	to := at.Namespace.Repository("base")
	i := images{at: at, cache: Contents(t.TempDir())}
	pushIndex(t, to, "1", push(t, to, "amd64"))
	read := func(architecture string) [2]int {
		t.Helper()
		asked, heads := at.asked, at.heads
		found, err := i.Image(t.Context(), namespace+"/base:1", "", nil)
		if err != nil || found == nil || found.Labels["for"] != architecture {
			t.Errorf("error %v, the image is %+v", err, found)
		}
		return [2]int{at.asked - asked, at.heads - heads}
	}
	first, second := read("amd64"), read("amd64")
	pushIndex(t, to, "1", push(t, to, "arm64"))
	moved, again := read("arm64"), read("arm64")
	if first != [2]int{3, 0} || second != [2]int{0, 1} || moved != [2]int{3, 1} || again != [2]int{0, 1} {
		t.Errorf("GETs and HEADs: %v, then %v, of another image %v, then %v", first, second, moved, again)
	}
}

func TestTheCacheHasABound(t *testing.T) {
	c := Contents(t.TempDir())
	old := time.Unix(1, 0)
	for i := range maxCached + 1 {
		file := filepath.Join(string(c), fmt.Sprint(i))
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, old, old.Add(time.Duration(i)*time.Second))); err != nil {
			t.Fatal(err)
		}
	}
	data := []byte("the newest")
	c.Keep(registry.DigestOf(data), data)
	entries, err := os.ReadDir(string(c))
	if err != nil || len(entries) != maxCached/2+1 {
		t.Errorf("error %v, it has %d files", err, len(entries))
	}
	if _, ok := c.Blob(registry.DigestOf(data)); !ok {
		t.Error("what was put last is gone")
	}
	if _, err := os.Stat(filepath.Join(string(c), fmt.Sprint(maxCached))); err != nil {
		t.Errorf("what was used last is gone: %v", err)
	}
}

// counting counts what is asked of a namespace's repositories.
type counting struct {
	registry.Namespace
	asked, heads int
}

func (c *counting) Repository(name string) registry.Repository {
	return countingRepository{c.Namespace.Repository(name), c}
}

type countingRepository struct {
	registry.Repository
	by *counting
}

func (r countingRepository) Head(ctx context.Context, identifier string) (string, bool, error) {
	r.by.heads++
	return r.Repository.Head(ctx, identifier)
}

func (r countingRepository) Get(ctx context.Context, identifier string) (registry.Manifest, bool, error) {
	r.by.asked++
	return r.Repository.Get(ctx, identifier)
}

func (r countingRepository) Blob(ctx context.Context, blob registry.Descriptor) ([]byte, error) {
	r.by.asked++
	return r.Repository.Blob(ctx, blob)
}
