package site

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/quoitbuild/quoit/deploy"
)

// Images are those of a release as a site pulls them.
type Images struct {
	Root string // the root image, by digest
	// All are references by digest of all images of the release and of its
	// externals, by name.
	All map[string]string
}

// Releases is what a deploy has to know of the project's releases.
type Releases interface {
	// Lineage says how these releases descend from each other. Others may be
	// unknown to what it returns.
	Lineage(ctx context.Context, releases []deploy.Release) (deploy.Descends, error)
	// Images says what a release consists of.
	Images(ctx context.Context, release deploy.Release) (Images, error)
}

// The file in which whatever Quoit runs finds the images of the release.
const (
	ReleaseDir  = "/run/quoit"
	ReleaseName = "release.json"
	ReleaseFile = ReleaseDir + "/" + ReleaseName
)

// FormatImages writes that file: references by digest, by name.
func FormatImages(references map[string]string) ([]byte, error) {
	text, err := json.MarshalIndent(references, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the release's images: %w", err)
	}
	return append(text, '\n'), nil
}
