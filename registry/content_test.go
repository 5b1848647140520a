package registry

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/quoitbuild/quoit/internal/show"
)

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"x"}],"config":{"Labels":{"a":"b"},"digest":"sha256:x"}}`))
	f.Add([]byte(`{"config":{"digest":"sha256:x","size":-1},"layers":[{"digest":""}]}`))
	f.Add([]byte(`{"config":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if digest, err := NewManifest(IndexType, data).Image(); err == nil && !IsDigest(digest) {
			t.Errorf("Image: %q", digest)
		}
		manifest := NewManifest(ManifestType, data)
		if config, err := manifest.Config(); err == nil && !IsDigest(config.Digest) {
			t.Errorf("Config: %q", config.Digest)
		}
		blobs, err := manifest.Blobs()
		for _, blob := range blobs {
			if err != nil || !IsDigest(blob.Digest) || blob.Size < 0 {
				t.Errorf("Blobs: %+v, %v", blob, err)
			}
		}
		for _, digest := range NewManifest(IndexType, data).Children() {
			if !IsDigest(digest) {
				t.Errorf("Children: %q", digest)
			}
		}
		diagnostics(bytes.Clone(data))
		if got := clean(string(data)); got != show.Line(got) || utf8.RuneCountInString(got) > maxClean {
			t.Errorf("clean: %q", got)
		}
	})
}

func TestCleanMasksAcrossOddSpaces(t *testing.T) {
	for _, space := range []string{"\f", "\v", "\u2003", "\x00", strings.Repeat("\x00", 100)} {
		if got := clean("at https://bob:s3c" + space + "ret@r.example.com"); strings.Contains(got, "s3c") || strings.Contains(got, "ret@") {
			t.Errorf("%q: %s", space, got)
		}
	}
}
