package store

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// maxAccounts is how many images a release may have whose record says where their accounts
// are: each takes a hundred bytes of it.
const maxAccounts = 5000

// keep writes what the built images were made of, before the record that names it: an image
// of its own in the log's repository, with a tag that is none of the log's. Nothing depends
// on it, so what goes wrong costs the names of the next changes, and is said.
func (p *publisher) keep(ctx context.Context) {
	if len(p.publication.Accounts) == 0 || len(p.publication.Plan.Images) > maxAccounts {
		return
	}
	sealed, err := account.Seal(p.publication.Accounts)
	if err == nil {
		err = p.put(ctx, sealed)
	}
	if err != nil {
		p.project.pace.Tell(fmt.Sprintf("what the images were made of is not kept, so a later plan names no files: %v", err))
		return
	}
	p.kept = sealed
}

func (p *publisher) put(ctx context.Context, sealed account.Sealed) error {
	to := p.repository(records.Repository)
	eg, egCtx := errgroup.WithContext(ctx)
	for _, blob := range sealed.Blobs {
		eg.Go(func() error { return registry.Ensure(egCtx, to, blob) })
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	_, err := to.Put(ctx, sealed.Tag(), registry.NewManifest(account.ManifestType, sealed.Manifest))
	return err
}

// account is the digest of what has the account of an image that is built, "" for none.
func (p *publisher) account(image string) string {
	if slices.Contains(p.kept.Images, image) {
		return p.kept.Digest
	}
	return ""
}
