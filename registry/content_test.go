package registry

import (
	"bytes"
	"testing"
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
		if diagnostics(bytes.Clone(data)); clean(string(data)) != clean(clean(string(data))) {
			t.Errorf("clean is not stable for %q", data)
		}
	})
}
