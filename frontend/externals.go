package frontend

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// externals resolves those that the manifest names, all at once. One that is not
// there is a mistake in the manifest.
func (p project) externals(ctx context.Context, resolver *llb.Externals) (map[string]versioning.External, error) {
	all := p.manifest.Externals
	platform := p.images[p.manifest.Root].Platforms[0]
	digests := make([]digest.Digest, len(all))
	absent := make([]bool, len(all))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelLookups)
	for i, external := range all {
		eg.Go(func() (err error) {
			digests[i], err = resolver.Digest(ctx, external.Reference, platform)
			if absent[i] = isAbsent(err, external.Reference); err != nil && !absent[i] {
				return fmt.Errorf("external %s: %w", external.Name, err)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	var mistakes diag.List
	found := map[string]versioning.External{}
	for i, external := range all {
		if absent[i] {
			mistakes.Add(p.absentExternal(external))
		}
		found[external.Name] = versioning.External{Reference: external.Reference, Digest: digests[i].String()}
	}
	return found, inManifest(mistakes.Err(), p.source.SourceMap)
}

func (p project) absentExternal(external manifest.External) diag.Diagnostic {
	return p.mistake(external.Value, "check its name and tag, or push it there first",
		"external %s: the registry has no %s", external.Name, external.Reference)
}
