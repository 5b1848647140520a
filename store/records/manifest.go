package records

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// The types of what a record is stored as. The config's is an ordinary image's:
// BuildKit's resolver refuses any other.
const (
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	ConfigType   = "application/vnd.oci.image.config.v1+json"
	ArtifactType = "application/vnd.quoit.record.v1+json"
	emptyType    = "application/vnd.quoit.empty.v1+json"
	prunedType   = "application/vnd.quoit.pruned.v1+json"
)

// Sealed is a record and what it is stored as.
type Sealed struct {
	Record   Record
	Digest   string // of Manifest, sha256:<hex>: the record's own
	Manifest []byte // an image manifest of [ManifestType]
	Config   []byte // the blob that it names
}

// ErrNotRecord says that an image manifest is not a record.
var ErrNotRecord = errors.New("this is not a record of quoit's log")

// Seal makes a record into a manifest and its config. Errors are those of [Format].
func Seal(record Record) (Sealed, error) {
	data, err := Format(record)
	if err != nil {
		return Sealed{}, err
	}
	record = whole(record)
	versions, err := versionsOf(record)
	if err != nil {
		return Sealed{}, err
	}
	sealed, err := seal(ArtifactType, entry{Labels: map[string]string{labels.Record: string(data)}}, versions)
	if err != nil {
		return Sealed{}, fmt.Errorf("writing record %d: %w", record.Sequence, err)
	}
	sealed.Record = record
	return sealed, nil
}

// versionsOf is the annotation of a publish's record: to know what is in
// a release, that is read and not the config.
func versionsOf(record Record) (map[string]string, error) {
	if len(record.Images) == 0 {
		return nil, nil
	}
	versions := map[string]versioning.Version{}
	for name, image := range record.Images {
		versions[name] = image.Version
	}
	data, err := json.Marshal(versions)
	return map[string]string{labels.Versions: string(data)}, err
}

// VersionsOf returns the versions of all images of the release that a record's
// manifest is about, by name; none if it is not a publish. The error is
// [ErrNotRecord], or says what is broken.
func VersionsOf(manifestBytes []byte) (map[string]versioning.Version, error) {
	if _, _, err := ConfigOf(manifestBytes); err != nil {
		return nil, err
	}
	var m manifest
	var versions map[string]versioning.Version
	err := json.Unmarshal(manifestBytes, &m)
	if data := m.Annotations[labels.Versions]; err == nil && data != "" {
		err = json.Unmarshal([]byte(data), &versions)
	}
	if err != nil {
		return nil, fmt.Errorf("the record's versions are broken: %w", err)
	}
	return versions, nil
}

// What artifacts of ours say to who pulls them. Each is its entry point too, so that a
// runtime, which finds no such program, has it in its error; a slash would make it a path.
const (
	saysNothing   = "this ring is empty and has no release: `quoit history` says who emptied it, `quoit shift` or `quoit build` gives it a release again"
	saysTombstone = "this version was given up by `quoit prune` and its image is gone: use a version that a ring has, which `quoit status` shows"
)

// The digests of what earlier commands wrote in place of [Nothing] and [Tombstone],
// which said nothing to anybody.
const (
	oldNothing   = "sha256:a4d3dd9cf02967551bea9238324ef8ed2adcca7ed3e044a63891ab705121274c"
	oldTombstone = "sha256:aa96cf663f8112ba07003a1d5a69fdddbed511cb0332254a65107be408fdedfb"
)

// Nothing is what the tag of an emptied ring is made to name; its Record is zero.
func Nothing() Sealed { return nothing() }

var nothing = sync.OnceValue(func() Sealed { return saying(emptyType, labels.Empty, saysNothing) })

// IsNothing reports whether a digest is of what an emptied ring's tag names, also if
// an earlier command wrote it.
func IsNothing(digest string) bool { return digest == oldNothing || digest == Nothing().Digest }

// Tombstone is what the tag of a version is made to name that is in no release but
// pruned ones; its Record is zero. Such a tag is never deleted: a version that looked
// free could be assigned again.
func Tombstone() Sealed { return tombstone() }

var tombstone = sync.OnceValue(func() Sealed { return saying(prunedType, labels.Pruned, saysTombstone) })

// IsTombstone reports whether a digest is of what a pruned version's tag names, also if
// an earlier command wrote it.
func IsTombstone(digest string) bool { return digest == oldTombstone || digest == Tombstone().Digest }

// saying is an image without files that has a label, and says a sentence.
func saying(artifact, label, sentence string) Sealed {
	described := map[string]string{description: sentence}
	sealed, _ := seal(artifact, entry{map[string]string{label: "true", description: sentence}, []string{sentence}}, described) // of constants
	return sealed
}

const description = "org.opencontainers.image.description"

// MirrorConfig is the config of what marks a mirror: its bytes are in registries.
func MirrorConfig() []byte {
	sealed, _ := seal(emptyType, entry{Labels: map[string]string{labels.Empty: "true"}}, nil) // of constants
	return sealed.Config
}

type config struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       entry  `json:"config"`
	RootFS       struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

type entry struct {
	Labels     map[string]string `json:"Labels,omitempty"`
	Entrypoint []string          `json:"Entrypoint,omitempty"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`

	Annotations map[string]string `json:"annotations,omitempty"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

func seal(artifact string, image entry, annotations map[string]string) (Sealed, error) {
	c := config{Architecture: "amd64", OS: "linux", Config: image}
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{}
	configBytes, err := json.Marshal(c)
	if err != nil {
		return Sealed{}, err
	}
	manifestBytes, err := json.Marshal(manifest{
		SchemaVersion: 2, MediaType: ManifestType, ArtifactType: artifact,
		Config: descriptor{ConfigType, digestOf(configBytes), int64(len(configBytes))}, Layers: []descriptor{}, Annotations: annotations,
	})
	return Sealed{Digest: digestOf(manifestBytes), Manifest: manifestBytes, Config: configBytes}, err
}

// ConfigOf returns digest and size of the config that a record's manifest names.
// The error is [ErrNotRecord], or says what is broken.
func ConfigOf(manifestBytes []byte) (digest string, size int64, err error) {
	var m manifest
	if err := json.Unmarshal(manifestBytes, &m); err != nil {
		return "", 0, fmt.Errorf("the manifest of the record is broken: %w", err)
	}
	switch {
	case m.ArtifactType != ArtifactType || m.Config.MediaType != ConfigType:
		return "", 0, ErrNotRecord
	case !isDigest(m.Config.Digest) || m.Config.Size < 0:
		return "", 0, fmt.Errorf("the manifest of the record names the config %.80q of %d bytes", m.Config.Digest, m.Config.Size)
	}
	return m.Config.Digest, m.Config.Size, nil
}

// Open reads a record from its manifest and config, and verifies that they belong
// together. Whether the manifest is the one that was asked for says its digest.
// Errors are [ErrNotRecord], those of [Parse], or say what is broken.
func Open(manifestBytes, configBytes []byte) (Sealed, error) {
	digest, size, err := ConfigOf(manifestBytes)
	if err != nil {
		return Sealed{}, err
	}
	if digest != digestOf(configBytes) || size != int64(len(configBytes)) {
		return Sealed{}, fmt.Errorf("the record's config was altered: it is %s of %d bytes, the manifest names %s of %d",
			digestOf(configBytes), len(configBytes), digest, size)
	}
	var c config
	if err := json.Unmarshal(configBytes, &c); err != nil {
		return Sealed{}, fmt.Errorf("the record's config is broken: %w", err)
	}
	data, found := c.Config.Labels[labels.Record]
	if !found {
		return Sealed{}, ErrNotRecord
	}
	record, err := Parse([]byte(data))
	if err != nil {
		return Sealed{}, err
	}
	said, err := VersionsOf(manifestBytes)
	if err != nil {
		return Sealed{}, err
	}
	for name, image := range record.Images {
		if said[name] != image.Version || len(said) != len(record.Images) {
			return Sealed{}, fmt.Errorf("the record was altered: its manifest says %s of image %s, the record %s", said[name], name, image.Version)
		}
	}
	return Sealed{Record: record, Digest: digestOf(manifestBytes), Manifest: manifestBytes, Config: configBytes}, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
