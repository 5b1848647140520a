package storetest

import (
	"embed"
	"encoding/json"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// What commands whose records had schema 1 have left in a registry.
//
//go:embed testdata/schema1
var schema1 embed.FS

// Frozen fills the registry with a project as commands of schema 1 have left it: "grown"
// has releases, hotfixes, shifts that were undone here and there, and a hold; "older" was
// published before there was a log.
func (s *Server) Frozen(name string) {
	s.T.Helper()
	data, err := schema1.ReadFile("testdata/schema1/" + name + ".json")
	must(s.T, err)
	var images map[string]struct{ Tags, Manifests, Blobs map[string]string }
	must(s.T, json.Unmarshal(data, &images))
	for image, contents := range images {
		for _, blob := range contents.Blobs {
			s.PushBlob(image, []byte(blob))
		}
		for _, indexes := range []bool{false, true} { // what they name goes before them
			for digest, manifest := range contents.Manifests {
				if is := kind(manifest); (is == registry.IndexType) == indexes {
					s.Put(image, digest, is, []byte(manifest))
				}
			}
		}
		for tag, digest := range contents.Tags {
			manifest := contents.Manifests[digest]
			s.Put(image, tag, kind(manifest), []byte(manifest))
		}
	}
}

func kind(manifest string) string {
	var m struct{ MediaType string }
	if json.Unmarshal([]byte(manifest), &m) == nil && m.MediaType == registry.IndexType {
		return registry.IndexType
	}
	return records.ManifestType
}
