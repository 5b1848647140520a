package account

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// The types of what accounts are stored as: an ordinary image, which a builder can read.
const (
	ManifestType = ocispecs.MediaTypeImageManifest
	artifactType = "application/vnd.quoit.accounts.v1+json"
)

// The bounds of all accounts of one publish, in bytes: of their JSON, and of the layer.
const (
	maxAll   = 16 << 20
	maxLayer = 8 << 20
)

// minAccount is how many bytes an account may have, however many there are.
const minAccount = 16 << 10

// Sealed are the accounts of images as an image of one layer.
type Sealed struct {
	Digest   string // of Manifest
	Manifest []byte
	Blobs    [][]byte // that the manifest names
	// Images has the names of those that are in it: not all where they are too many.
	Images []string
}

// Tag is a tag that keeps what is sealed in a registry that forgets what has none.
func (s Sealed) Tag() string { return "account-" + digest.Digest(s.Digest).Encoded() }

// Seal packs accounts, by image. Equal ones are packed to equal bytes.
func Seal(accounts map[string]Account) (Sealed, error) {
	var s Sealed
	var packed bytes.Buffer
	plain := digest.Canonical.Digester()
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(io.MultiWriter(zip, plain.Hash()))
	size, limit := 0, max(minAccount, min(MaxAccount, maxAll/max(1, len(accounts))))
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		data, err := Format(accounts[name], limit)
		if err != nil || size+len(data) > maxAll {
			continue // its changes have no names
		}
		size += len(data)
		s.Images = append(s.Images, name)
		header := &tar.Header{Typeflag: tar.TypeReg, Name: FileOf(name), Mode: 0o444, Size: int64(len(data)), Format: tar.FormatPAX}
		if err := files.WriteHeader(header); err != nil {
			return s, err
		}
		if _, err := files.Write(data); err != nil {
			return s, err
		}
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		return s, err
	}
	if packed.Len() > maxLayer {
		return s, fmt.Errorf("what the images read has %d bytes, more than %d", packed.Len(), maxLayer)
	}
	config, err := json.Marshal(ocispecs.Image{
		Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{plain.Digest()}},
	})
	if err != nil {
		return s, err
	}
	s.Blobs = [][]byte{config, packed.Bytes()}
	s.Manifest, err = json.Marshal(ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ManifestType, ArtifactType: artifactType,
		Config: described(ocispecs.MediaTypeImageConfig, config),
		Layers: []ocispecs.Descriptor{described(ocispecs.MediaTypeImageLayerGzip, packed.Bytes())},
	})
	s.Digest = digest.FromBytes(s.Manifest).String()
	return s, err
}

func described(mediaType string, data []byte) ocispecs.Descriptor {
	return ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// FileOf is where the image has the account of one of the project's.
func FileOf(image string) string { return image + ".json" }

// LayerOf returns digest and size of the layer that a manifest names.
func LayerOf(manifest []byte) (layer string, size int64, err error) {
	var m ocispecs.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return "", 0, fmt.Errorf("the manifest of accounts is broken: %w", err)
	}
	if m.ArtifactType != artifactType || len(m.Layers) != 1 || m.Layers[0].MediaType != ocispecs.MediaTypeImageLayerGzip {
		return "", 0, errors.New("the manifest is not one of accounts")
	}
	if one := m.Layers[0]; one.Digest.Validate() != nil || one.Size < 0 || one.Size > maxLayer {
		return "", 0, fmt.Errorf("the manifest of accounts names a layer %.80q of %d bytes", one.Digest, one.Size)
	}
	return m.Layers[0].Digest.String(), m.Layers[0].Size, nil
}

// Find returns the accounts of images in a layer, by image, not parsed yet; one that is not
// there is left out.
func Find(layer []byte, images ...string) (map[string][]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return nil, fmt.Errorf("the layer of accounts is broken: %w", err)
	}
	wanted := map[string]string{}
	for _, image := range images {
		wanted[FileOf(image)] = image
	}
	found := map[string][]byte{}
	files := tar.NewReader(io.LimitReader(zip, 4*maxAll)) // the headers too
	for len(found) < len(wanted) {
		header, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the layer of accounts is broken: %w", err)
		}
		image, ok := wanted[header.Name]
		if !ok {
			continue
		}
		if found[image], err = io.ReadAll(io.LimitReader(files, MaxAccount+1)); err != nil {
			return nil, fmt.Errorf("the layer of accounts is broken: %w", err)
		}
	}
	return found, nil
}
