package store

import (
	"encoding/json"
	"fmt"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// A mirror has this in place of the log's hint, so whoever writes to the log
// sees it by the first request that he makes anyway.
const (
	mirrorType = "application/vnd.quoit.mirror.v1+json"
	mirrorOf   = "io.github.quoitbuild.mirror"
)

// MirrorError says that somebody wants to write to the log of a mirror.
type MirrorError struct {
	Mirror string // the project there
	Origin string // the project of which it is one
}

// Error says where to write.
func (e *MirrorError) Error() string {
	return fmt.Sprintf("%s is a mirror of %s: publish there, and run `quoit copy` again", e.Mirror, e.Origin)
}

type mirrorManifest struct {
	SchemaVersion int                   `json:"schemaVersion"`
	MediaType     string                `json:"mediaType"`
	ArtifactType  string                `json:"artifactType"`
	Config        registry.Descriptor   `json:"config"`
	Layers        []registry.Descriptor `json:"layers"`
	Annotations   map[string]string     `json:"annotations"`
}

// MirrorMark is what makes a namespace a mirror under the hint's tag, and the config
// that it needs. Origin is what it is a mirror of.
func MirrorMark(origin string) (manifest registry.Manifest, config []byte, err error) {
	config = records.MirrorConfig()
	data, err := json.Marshal(mirrorManifest{
		SchemaVersion: 2, MediaType: records.ManifestType, ArtifactType: mirrorType, Layers: []registry.Descriptor{},
		Config:      registry.Descriptor{MediaType: records.ConfigType, Digest: registry.DigestOf(config), Size: int64(len(config))},
		Annotations: map[string]string{mirrorOf: origin},
	})
	return registry.NewManifest(records.ManifestType, data), config, err
}

// OriginOf returns of what a mirror is one; false for any other manifest.
func OriginOf(m registry.Manifest) (string, bool) {
	var parsed mirrorManifest
	if json.Unmarshal(m.Bytes, &parsed) != nil || parsed.ArtifactType != mirrorType {
		return "", false
	}
	return show.Short(parsed.Annotations[mirrorOf], 200), true
}
