package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/versioning"
)

// check says why a plan cannot be published, as it stands.
func (p Publication) check(project string) error {
	plan := p.Plan
	switch {
	case plan.Project != project:
		return fmt.Errorf("the plan is for project %q: open that one", plan.Project)
	case plan.Ring == versioning.None:
		return fmt.Errorf("a plan without a ring is to try and not to publish: build for one of %s", strings.Join(p.buildable(), ", "))
	case !slices.Contains(p.buildable(), plan.Ring):
		return fmt.Errorf("%q is no ring to publish to: build for one of %s", plan.Ring, strings.Join(p.buildable(), ", "))
	case plan.Next != nil && !slices.Contains(p.Rings[slices.Index(p.Rings, plan.Ring)+1:], plan.Next.Ring):
		return fmt.Errorf("ring %q, which the plan calls the next one, does not come after %q", plan.Next.Ring, plan.Ring)
	}
	root, found := plan.Image(plan.Root)
	if !found {
		return fmt.Errorf("the plan lacks the root image %q", plan.Root)
	}
	if !root.Changed && plan.Current == nil {
		return fmt.Errorf("the plan has an unchanged root image %q and no release that it is of", plan.Root)
	}
	order := plan.PublishOrder()
	for _, image := range plan.Images {
		if err := p.checkImage(image, slices.Contains(order, image.Name)); err != nil {
			return err
		}
		if image.Changed && !root.Changed {
			return fmt.Errorf("image %q changes, and the root image %q does not", image.Name, plan.Root)
		}
	}
	return nil
}

func (p Publication) checkImage(image versioning.ImagePlan, ordered bool) error {
	digest, given := p.Digests[image.Name]
	switch {
	case image.Version.IsZero():
		return fmt.Errorf("image %q has no version: what is built without state cannot be published", image.Name)
	case !image.Built():
		return nil
	case !ordered:
		return fmt.Errorf("image %q is in no order with the others: they need each other in a circle", image.Name)
	case !given:
		return fmt.Errorf("image %q was not pushed: there is no digest of it", image.Name)
	case !registry.IsDigest(digest):
		return fmt.Errorf("image %q was pushed as %.80q, which is not sha256: and 64 hexadecimal digits", image.Name, digest)
	}
	return nil
}

// buildable are the rings that can be published to: all but post.
func (p Publication) buildable() []string {
	return slices.DeleteFunc(slices.Clone(p.Rings), func(ring string) bool { return ring == versioning.Post })
}
