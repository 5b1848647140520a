package frontend

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/overlay/judge"
	"github.com/quoitbuild/quoit/versioning"
)

// planned is what was decided.
type planned struct {
	versioning.Plan
	// older are the rings whose release is older than the log, by images whose digest it
	// does not say.
	older map[string]string
}

// decide settles the plan, and finds the digest of every image that is not built.
func decide(ctx context.Context, request versioning.Request, seen state) (planned, error) {
	request.State, request.Merge = seen.State, seen.merged
	held := sync.OnceValues(func() ([]versioning.Placed, error) { return seen.log.held(ctx) })
	plan, err := versioning.Resolve(request, seen.log.versions(held))
	if err != nil {
		return planned{}, err
	}
	older := map[string]string{}
	for i, image := range plan.Images {
		if image.Built() {
			continue
		}
		if plan.Images[i].Digest, older[image.Name], err = seen.digest(ctx, held, image.Name, image.Version); err != nil {
			return planned{}, err
		}
	}
	return planned{plan, older}, nil
}

// digest is the one that the log has assigned to a version, "" if it is only known from
// a release in the ring that is returned, which is older than the log.
func (s state) digest(ctx context.Context, held func() ([]versioning.Placed, error), image string, version versioning.Version) (digest, ring string, err error) {
	var near []versioning.Placed
	for _, placed := range []*versioning.Placed{s.Current, s.Next} {
		if placed != nil {
			near = append(near, *placed)
		}
	}
	digest, ring, err = s.log.digest(ctx, near, image, version)
	if err != nil || digest != "" || ring != "" {
		return digest, ring, err
	}
	// It was taken from another ring.
	others, err := held()
	if err != nil {
		return "", "", err
	}
	return s.log.digest(ctx, others, image, version)
}

// digestOf is the digest that the log has assigned to an image which is not built.
func (p planned) digestOf(name string) (string, error) {
	image, _ := p.Image(name)
	if image.Digest == "" {
		return "", fmt.Errorf("%s has %s %s in a release that is older than the log, which does not say its digest: run `quoit take-over %s`, or build it again with %s=%s",
			p.older[name], name, image.Version, p.older[name], ArgRebuild, name)
	}
	return image.Digest, nil
}

// checkOverlays refuses overlays of the root image that name what the project has no longer,
// and warns of it where nothing is released, and of names that are just alike.
func (k *known) checkOverlays() error {
	release := judge.Release{Project: k.Project, Images: k.manifest.ImageNames(), Retired: k.Retired, Externals: map[string]bool{}}
	for _, external := range k.manifest.Externals {
		release.Externals[external.Reference] = true
	}
	var mistakes diag.List
	root, _ := k.Image(k.Root)
	for _, found := range judge.Judge(release, k.named) {
		if found.Wrong && root.Changed {
			mistakes.Add(found.Diagnostic())
		} else {
			k.Warnings = append(k.Warnings, fmt.Sprintf("%s:%d: %s; %s", found.File, found.Line, found.Message, found.Hint))
		}
	}
	return inManifest(mistakes.Err(), k.source.SourceMap)
}

// checkSources reports what images that are built read of their contexts although it is not
// there, with the instruction that does.
func (k *known) checkSources(ctx context.Context) error {
	var mistakes diag.List
	for _, image := range k.Images {
		if !image.Built() {
			continue
		}
		for _, path := range k.missing[image.Name] {
			mistakes.Add(k.missingSource(ctx, image.Name, path))
		}
	}
	return inManifest(mistakes.Err(), k.source.SourceMap)
}

func (k *known) missingSource(ctx context.Context, name, path string) diag.Diagnostic {
	source := k.images[name]
	where := "the context " + source.Context
	if source.Context == "." {
		where = "the project"
	}
	message := fmt.Sprintf("image %s: there is no %s in %s", name, strings.TrimPrefix(path, "/"), where)
	hint := "put it there"
	if len(source.Ignore) > 0 {
		hint += ", or let the ignore file leave it in"
	}
	for _, c := range k.graphs[name] {
		if c.Definition == nil {
			var err error
			if c, err = k.compiler.Graph(ctx, name, c.Platform); err != nil {
				continue // it was compiled before: the next plan tells
			}
		}
		if at, ok := c.ReadAt(path); ok {
			return diag.Diagnostic{Source: &diag.Source{Name: source.File, Data: source.Map.Data}, Range: at, Message: message, Hint: hint}
		}
	}
	image, _ := k.manifest.Image(name)
	return k.mistake(image.Position("context"), hint, "%s", message)
}
