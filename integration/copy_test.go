//go:build stack

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	kit "github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/store/records"
)

// another is a second registry, for a test.
func another(t *testing.T) *kit.Stack {
	t.Helper()
	other, err := kit.Start(context.Background(), kit.Options{NoBuildkit: true, NoBases: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Stop(); err != nil {
			t.Error(err)
		}
	})
	return other
}

// withExternal publishes a small project that runs an image of others.
func withExternal(t *testing.T) (dir, prefix string) {
	t.Helper()
	dir, prefix = small(t)
	replace(t, dir, "quoit.yaml", "images:", "externals: {box: "+stack.Ref("library/busybox:latest")+"}\nimages:")
	publish(t, dir, prefix, "developers")
	return dir, prefix
}

// inside are all manifests and blobs that a reference names, with their sizes.
func inside(t *testing.T, ref string) (manifests []string, blobs map[string]int64) {
	t.Helper()
	repository, _, _ := strings.Cut(ref[strings.LastIndex(ref, "/"):], ":")
	repository = ref[:strings.LastIndex(ref, "/")] + strings.TrimSuffix(repository, "@sha256")
	blobs = map[string]int64{}
	var walk func(ref string)
	walk = func(ref string) {
		parsed, err := name.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := remote.Get(parsed)
		if err != nil {
			t.Fatal(err)
		}
		manifests = append(manifests, got.Digest.String())
		var manifest struct {
			Manifests, Layers []v1.Descriptor
			Config            *v1.Descriptor
		}
		if err := json.Unmarshal(got.Manifest, &manifest); err != nil {
			t.Fatal(err)
		}
		for _, child := range manifest.Manifests {
			walk(repository + "@" + child.Digest.String())
		}
		if manifest.Config != nil {
			manifest.Layers = append(manifest.Layers, *manifest.Config)
		}
		for _, blob := range manifest.Layers {
			blobs[blob.Digest.String()] = blob.Size
		}
	}
	walk(ref)
	return manifests, blobs
}

// ofRelease is what inside finds for all images of a ring's release, by image.
func ofRelease(t *testing.T, prefix, ring string) (manifests map[string][]string, blobs map[string]int64) {
	t.Helper()
	manifests, blobs = map[string][]string{}, map[string]int64{}
	released := release(t, prefix+"/deploy:"+ring)
	for image, entry := range released.Images {
		found, parts := inside(t, prefix+"/"+image+":"+entry.Version.String())
		manifests[image] = found
		for digest, size := range parts {
			blobs[digest] = size
		}
	}
	return manifests, blobs
}

// uploads counts the bytes that are sent to a registry, of blobs.
func uploads(bytes *atomic.Int64) proxy.Rule {
	match := func(r proxy.Request) bool { return r.Kind() == "uploads" }
	return proxy.Rule{Match: match, Fault: func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		r.Body = &counted{r.Body, bytes}
		forward(w, r)
	}}
}

type counted struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func proxyTo(t *testing.T, registry string) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Start(registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestCopy(t *testing.T) {
	t.Parallel()
	other := another(t)
	through := proxyTo(t, other.Registry)
	dir, prefix := withExternal(t)
	media := filepath.Join(t.TempDir(), "media")
	target := other.Registry + "/mirror/" + repository(prefix)

	mustQuoit(t, dir, "copy", "developers", media)
	out := mustQuoit(t, dir, "copy", "--from", media, "--project", repository(prefix), "developers", through.Host+"/mirror")
	t.Log(out)
	check := func() map[string]int64 {
		t.Helper()
		want, blobs := ofRelease(t, prefix, "developers")
		got, _ := ofRelease(t, target, "developers")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("manifests (-source +target):\n%s", diff)
		}
		if out := runQuoit(t.Context(), dir, other.Registry+"/mirror", "verify"); out.code != 0 {
			t.Errorf("verify: exit code %d\n%s%s", out.code, out.stdout, out.stderr)
		}
		checkWhole(t, target)
		return blobs
	}
	before := check()
	box := digestOf(t, stack.Ref("library/busybox:latest"))
	if got := digestOf(t, target+"/externals/box:0.1.0"); got != box {
		t.Errorf("the external is %s, want %s", got, box)
	}
	if here, there := digestOf(t, prefix+"/records:record-00000001"), digestOf(t, target+"/records:record-00000001"); here != there {
		t.Errorf("record 1 is %s here and %s there", here, there)
	}

	edit(t, dir, "2")
	publish(t, dir, prefix, "developers")
	var sent atomic.Int64
	through.Use(uploads(&sent))
	mustQuoit(t, dir, "copy", "developers", through.Host+"/mirror")
	want := int64(0)
	for digest, size := range check() {
		if before[digest] == 0 {
			want += size
		}
	}
	record := crane(t, "config", prefix+"/records:record-00000002")
	if got := sent.Load(); got != want+int64(len(record)) {
		t.Errorf("the second copy sent %d bytes, the new blobs have %d, and the record %d", got, want, len(record))
	}
	all := int64(0)
	for _, size := range before {
		all += size
	}
	t.Logf("the first release has %d bytes of blobs, the second copy sent %d", all, sent.Load())

	through.Use()
	mustQuoit(t, dir, "copy", "developers", through.Host+"/mirror")
	for _, request := range through.Requests() {
		if proxy.IsWrite(request) {
			t.Errorf("with nothing to do it makes %s %s", request.Method, request.Path)
		}
	}
	if got := runQuoit(t.Context(), dir, other.Registry+"/mirror", "history"); got.code != 0 || !strings.Contains(got.stdout, "0.1.0 → 0.1.1") {
		t.Errorf("history: %s%s", got.stdout, got.stderr)
	}
	edit(t, dir, "3")
	if got := runQuoit(t.Context(), dir, other.Registry+"/mirror", "build", "--push"); got.code != 1 || !strings.Contains(got.stderr, "is a mirror of "+prefix) {
		t.Errorf("publishing to a mirror: exit code %d\n%s", got.code, got.stderr)
	}
}

// TestCopyKilledAtEveryWrite kills copies of the next release.
func TestCopyKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	other := another(t)
	dir, prefix := withExternal(t)
	first := filepath.Join(t.TempDir(), "first")
	mustQuoit(t, dir, "copy", "developers", first)
	edit(t, dir, "2")
	publish(t, dir, prefix, "developers")
	through := proxyTo(t, other.Registry)
	setUp := func(place string) {
		mustQuoit(t, dir, "copy", "--from", first, "developers", other.Registry+"/"+place)
	}
	setUp("undisturbed")
	through.Use()
	mustQuoit(t, dir, "copy", "developers", through.Host+"/undisturbed")
	var writes []string
	for _, request := range through.Requests() {
		if proxy.IsWrite(request) {
			writes = append(writes, request.Method+" "+request.Kind())
		}
	}
	t.Logf("%d writes", len(writes))
	want := mirrored(t, other.Registry+"/undisturbed/"+repository(prefix))
	for k, write := range writes {
		for _, done := range []bool{false, true} {
			if !done && k > 0 && os.Getenv("QUOIT_TEST_LONG") == "" {
				continue // the registry is as after the write before
			}
			t.Run(fmt.Sprintf("at write %d, %s, done %v", k+1, write, done), func(t *testing.T) {
				place := fmt.Sprintf("k%d-%v", k, done)
				setUp(place)
				killCopy(t, dir, proxyTo(t, other.Registry), place, k+1, done)
				target := other.Registry + "/" + place + "/" + repository(prefix)
				checkWhole(t, target)
				now, mark := mirrored(t, target), records.Repository+":"+records.RingName("developers")
				copied := now[mark] == want[mark]
				if held := ringAt(t, dir, other.Registry+"/"+place, "developers"); held != map[bool]string{false: "0.1.0", true: "0.1.1"}[copied] {
					t.Errorf("the ring has %s; it was copied: %v", held, copied)
				}
				between := !copied && now["deploy:developers"] == want["deploy:developers"]
				if out := runQuoit(t.Context(), dir, other.Registry+"/"+place, "verify"); (out.code != 0) != between || between && (strings.Count(out.stdout, "\n") != 1 || !strings.Contains(out.stdout, "/deploy:developers: it is ")) {
					t.Errorf("verify: exit code %d, between the ring's tag and its mark: %v\n%s%s", out.code, between, out.stdout, out.stderr)
				}
				mustQuoit(t, dir, "copy", "developers", other.Registry+"/"+place)
				if diff := cmp.Diff(want, mirrored(t, target)); diff != "" {
					t.Errorf("(-undisturbed +killed):\n%s", diff)
				}
				if out := runQuoit(t.Context(), dir, other.Registry+"/"+place, "verify"); out.code != 0 {
					t.Errorf("verify: %s%s", out.stdout, out.stderr)
				}
			})
		}
	}
}

// mirrored are the tags of a mirror of a small project.
func mirrored(t *testing.T, prefix string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, image := range []string{"base", "s000", "deploy", "externals/box", records.Repository} {
		for _, tag := range tagsOf(t, prefix+"/"+image) {
			all[image+":"+tag] = digestOf(t, prefix+"/"+image+":"+tag)
		}
	}
	return all
}

// ringAt is the version that status shows for a ring.
func ringAt(t *testing.T, dir, registry, ring string) string {
	t.Helper()
	var status struct {
		Rings []struct{ Ring, Version string }
	}
	out := runQuoit(t.Context(), dir, registry, "status", "-o", "json")
	if err := json.Unmarshal([]byte(out.stdout), &status); err != nil {
		t.Fatalf("status: %v\n%s%s", err, out.stdout, out.stderr)
	}
	for _, found := range status.Rings {
		if found.Ring == ring {
			return found.Version
		}
	}
	return ""
}

// killCopy copies, and kills the process at its k-th write.
func killCopy(t *testing.T, dir string, p *proxy.Proxy, place string, k int, done bool) {
	t.Helper()
	cmd := stack.Command(t.Context(), quoitRun, "copy", "developers", p.Host+"/"+place)
	cmd.Dir = dir
	killAt(t, cmd, p, k, proxy.IsWrite, done)
}
