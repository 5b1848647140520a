//go:build stack

package integration

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/manifest"
)

// TestTwoBuildersMakeTheSameImages publishes one project twice, by two BuildKits
// with empty caches, below two paths of the registry.
func TestTwoBuildersMakeTheSameImages(t *testing.T) {
	dir, _ := small(t)
	m, err := manifest.Parse("quoit.yaml", []byte(content(t, dir+"/quoit.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var made []map[string]string
	for _, path := range []string{"one", "two"} {
		builder, err := stack.StartBuildkit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		registry := stack.Registry + "/" + path
		mustQuoit(t, dir, "build", "--push", "--addr", builder.Host, "--registry", registry)
		digests := map[string]string{}
		for _, name := range m.ImageNames() {
			digest, err := image(t, registry+"/"+m.Project+"/"+name+":0.1.0").Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests[name] = digest.String()
		}
		made = append(made, digests)
		if err := builder.Stop(); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(made[0], made[1]); diff != "" {
		t.Errorf("image manifests (-one +two):\n%s", diff)
	}
}
