package store

import (
	"testing"

	"github.com/quoitbuild/quoit/labels"
)

func FuzzRelease(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"x"}],"config":{"Labels":{"a":"b"},"digest":"sha256:x"}}`))
	f.Add([]byte(`{"config":{"Labels":{"io.github.quoitbuild.release":"{\"schema\":1,\"project\":\"p\",\"root\":\"r\",\"images\":{}}"}}}`))
	f.Add([]byte(`{"config":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, err := parseConfig(data)
		if err != nil {
			return
		}
		release, err := labels.Parse(said.Labels)
		if err == nil && release.Images[release.Root].Revision == "" {
			t.Errorf("parseConfig: %+v", release)
		}
	})
}
