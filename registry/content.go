package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of OCI's index and image manifest, and of their empty config.
const (
	IndexType    = string(types.OCIImageIndex)
	ManifestType = string(types.OCIManifestSchema1)
)

// The media types of what a tag may name.
var (
	indexes = []string{IndexType, string(types.DockerManifestList)}
	images  = []string{ManifestType, string(types.DockerManifestSchema2)}
	// Acceptable are those of indexes and image manifests, of OCI and of Docker.
	Acceptable = slices.Concat(indexes, images)
)

// How large contents may be that are read into memory.
const (
	MaxManifest = 4 << 20
	MaxBlob     = 8 << 20 // of [Repository.Blob]
)

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// IsDigest reports whether a text is a digest: sha256: and 64 hexadecimal digits.
// There are no others here.
func IsDigest(text string) bool { return digestForm.MatchString(text) }

// IsTag reports whether a text may be a tag.
func IsTag(text string) bool { return tagForm.MatchString(text) }

// CheckIdentifier says that something is neither a tag nor a digest.
func CheckIdentifier(identifier string) error {
	if IsTag(identifier) || IsDigest(identifier) {
		return nil
	}
	return fmt.Errorf("%.130q is neither a tag nor a digest", identifier)
}

// DigestOf returns the digest of contents.
func DigestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Descriptor is what a manifest says of one of its parts.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// BlobOf describes contents that are a blob.
func BlobOf(data []byte) Descriptor {
	return Descriptor{Digest: DigestOf(data), Size: int64(len(data))}
}

// Manifest is an index or image manifest, byte for byte.
type Manifest struct {
	Digest    string
	MediaType string
	Bytes     []byte
}

// NewManifest is a manifest with its digest.
func NewManifest(mediaType string, data []byte) Manifest {
	return Manifest{Digest: DigestOf(data), MediaType: mediaType, Bytes: data}
}

// IsIndex reports whether a manifest is an index.
func (m Manifest) IsIndex() bool { return slices.Contains(indexes, m.MediaType) }

// Children are the digests of the manifests that an index names. A broken one, of
// which [Manifest.Image] says what is wrong, has none.
func (m Manifest) Children() []string {
	if !m.IsIndex() {
		return nil
	}
	var parsed struct{ Manifests []Descriptor }
	if json.Unmarshal(m.Bytes, &parsed) != nil {
		return nil
	}
	var digests []string
	for _, d := range parsed.Manifests {
		if IsDigest(d.Digest) {
			digests = append(digests, d.Digest)
		}
	}
	return digests
}

// Image returns the digest of the first image of an index that is one, and not the
// attestation of another.
func (m Manifest) Image() (string, error) {
	var parsed struct{ Manifests []Descriptor }
	if err := json.Unmarshal(m.Bytes, &parsed); err != nil {
		return "", fmt.Errorf("its index is broken: %w", err)
	}
	for _, d := range parsed.Manifests {
		if _, attests := d.Annotations["vnd.docker.reference.type"]; attests || !slices.Contains(images, d.MediaType) {
			continue
		}
		if !IsDigest(d.Digest) {
			return "", fmt.Errorf("its index names %.80q, which is not sha256: and 64 hexadecimal digits", d.Digest)
		}
		return d.Digest, nil
	}
	return "", fmt.Errorf("its index has no image")
}

// Config returns digest and size of the config of an image manifest.
func (m Manifest) Config() (Descriptor, error) {
	var parsed struct{ Config Descriptor }
	if err := json.Unmarshal(m.Bytes, &parsed); err != nil {
		return Descriptor{}, fmt.Errorf("its image manifest is broken: %w", err)
	}
	if !IsDigest(parsed.Config.Digest) {
		return Descriptor{}, fmt.Errorf("its config is named %.80q, which is not sha256: and 64 hexadecimal digits", parsed.Config.Digest)
	}
	return parsed.Config, nil
}

// Blobs are what an image manifest names: its config, and its layers without those
// that may not be distributed. An index has none.
func (m Manifest) Blobs() ([]Descriptor, error) {
	if m.IsIndex() {
		return nil, nil
	}
	var parsed struct {
		Config Descriptor
		Layers []Descriptor
	}
	if err := json.Unmarshal(m.Bytes, &parsed); err != nil {
		return nil, fmt.Errorf("its manifest is broken: %s", clean(err.Error()))
	}
	var blobs []Descriptor
	for _, blob := range append([]Descriptor{parsed.Config}, parsed.Layers...) {
		if !IsDigest(blob.Digest) || blob.Size < 0 {
			return nil, fmt.Errorf("its manifest names the blob %.80q of %d bytes", clean(blob.Digest), blob.Size)
		}
		if types.MediaType(blob.MediaType).IsDistributable() {
			blobs = append(blobs, blob)
		}
	}
	return blobs, nil
}

// Referrers are the digests in a list of referrers, which is an index.
func (m Manifest) Referrers() ([]string, error) {
	var parsed struct{ Manifests []Descriptor }
	if err := json.Unmarshal(m.Bytes, &parsed); err != nil {
		return nil, fmt.Errorf("its list of referrers is broken: %s", clean(err.Error()))
	}
	var digests []string
	for _, d := range parsed.Manifests {
		if !IsDigest(d.Digest) {
			return nil, fmt.Errorf("its list of referrers names %.80q", clean(d.Digest))
		}
		digests = append(digests, d.Digest)
	}
	return digests, nil
}

// ReferrersTag is the tag under which a registry that keeps no list of referrers
// has one that clients keep.
func ReferrersTag(digest string) string { return strings.Replace(digest, ":", "-", 1) }
