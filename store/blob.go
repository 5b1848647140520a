package store

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry"
)

// create pushes a small blob that cannot be there yet.
func create(ctx context.Context, to registry.Repository, data []byte) error {
	_, err := to.Upload(ctx, registry.BlobOf(data), "", registry.Bytes(data))
	return err
}

// ensure pushes a small blob if it is not there.
func ensure(ctx context.Context, to registry.Repository, data []byte) error {
	there, err := to.Has(ctx, registry.BlobOf(data))
	if err != nil || there {
		return err
	}
	return create(ctx, to, data)
}

// missing is the error for a manifest that was not pushed, or is gone.
func missing(from registry.Repository, digest string) error {
	return fmt.Errorf("%s is not in the registry: run the build again, it pushes it", from.Reference(digest))
}
