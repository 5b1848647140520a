package site

import (
	"context"

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
