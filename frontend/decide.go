package frontend

import (
	"context"
	"fmt"
	"sync"

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
