package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Publication is a plan whose images were built and pushed by digest.
type Publication struct {
	Plan versioning.Plan
	// Rings are all rings of the project in order, ante and post included: a
	// plan says nothing about the later rings that it found empty.
	Rings []string
	// Digests are those of the images of Plan.PublishOrder(), sha256:<hex> of
	// what the version's tag shall name: an index, or an image manifest.
	Digests map[string]string
	// Accounts say what those images were made of, as far as that is known.
	Accounts map[string]account.Account
	// Author signs the record.
	Author Author
	// First states that nobody has published to the project yet, for registries
	// that deny whatever is not there.
	First bool
	// Ancestors are the newest commits that the plan's commit descends from, and Older
	// says that it was let go although the ring's release has commits that it lacks: both
	// are for the record.
	Ancestors []string
	Older     bool
	// Required are the gates that the release has to pass before rings take it.
	Required []records.Required
	// Progress is called for every tag when it is known to be there, one call
	// at a time; nil: not at all.
	Progress func(Event)
}

// Author says who does something, and from which sources; what is not known is "".
// A plan's own source and commit go before these.
type Author struct {
	Actor, Message string
	Source, Commit string
	Dirty          bool // the sources differ from the commit
}

// Event says that a tag names what it shall name.
type Event struct {
	Tag
	Existed bool // nothing was written, an earlier attempt did
	Done    int  // tags so far, this one included
	Total   int  // tags of the publication, the ring's included
}

// Tag is a tag and what it names.
type Tag struct {
	Image  string `json:"image"`
	Tag    string `json:"tag"`    // a version, or a ring
	Digest string `json:"digest"` // sha256:<hex>
}

// String is the tag for people.
func (t Tag) String() string { return fmt.Sprintf("%s:%s", t.Image, t.Tag) }

// writes is what publishing does, in order: the levels of version tags, of which
// no image needs another one of its own level, and then the ring's tag.
type writes struct {
	levels [][]Tag
	// ring names the root image; its digest is "" for an adopted one.
	ring Tag
	// expected is what each ring that matters must still have, nil for nothing;
	// the plan's own ring is the first.
	expected []expectation
}

type expectation struct {
	ring string
	held *versioning.Held
}

func (w writes) total() int {
	total := 1
	for _, level := range w.levels {
		total += len(level)
	}
	return total
}

// none reports whether there is nothing to publish: the ring has the release.
func (p Publication) none() bool {
	root, _ := p.Plan.Image(p.Plan.Root)
	return !root.Changed && p.Plan.Current != nil && p.Plan.Current.Ring == p.Plan.Ring
}

// writes plans the writes, without any request. The error says why the plan
// cannot be published.
func (p Publication) writes(project string) (writes, error) {
	if err := p.check(project); err != nil {
		return writes{}, err
	}
	plan := p.Plan
	w := writes{ring: Tag{Image: plan.Root, Tag: plan.Ring}, expected: p.expected()}
	level := map[string]int{}
	for _, name := range plan.PublishOrder() {
		image, _ := plan.Image(name)
		for need := range image.Dependencies {
			if at, built := level[need]; built {
				level[name] = max(level[name], at+1)
			}
		}
		level[name] = max(level[name], 0)
		for len(w.levels) <= level[name] {
			w.levels = append(w.levels, nil)
		}
		w.levels[level[name]] = append(w.levels[level[name]], Tag{name, image.Version.String(), p.Digests[name]})
	}
	root, _ := plan.Image(plan.Root)
	switch {
	case root.Built():
		w.ring.Digest = p.Digests[plan.Root]
	case !root.Changed:
		w.ring.Digest = plan.Current.Digest
	}
	return w, nil
}

// expected are the plan's ring, and the later ones up to the next release.
func (p Publication) expected() []expectation {
	own := expectation{ring: p.Plan.Ring}
	if p.Plan.Current != nil && p.Plan.Current.Ring == p.Plan.Ring {
		own.held = p.Plan.Current
	}
	all := []expectation{own}
	for _, ring := range p.Rings[slices.Index(p.Rings, p.Plan.Ring)+1:] {
		if p.Plan.Next != nil && p.Plan.Next.Ring == ring {
			return append(all, expectation{ring, p.Plan.Next})
		}
		all = append(all, expectation{ring: ring})
	}
	return all
}

// check says why a plan cannot be published, as it stands.
func (p Publication) check(project string) error {
	plan := p.Plan
	switch {
	case plan.Project != project:
		return fmt.Errorf("the plan is for project %q: open that one", plan.Project)
	case plan.Ring == versioning.None:
		return fmt.Errorf("a plan without a ring cannot be published: build for one of %s", strings.Join(p.buildable(), ", "))
	case !slices.Contains(p.buildable(), plan.Ring):
		return fmt.Errorf("%q is not a ring that can be published to: build for one of %s", plan.Ring, strings.Join(p.buildable(), ", "))
	case plan.Next != nil && !slices.Contains(p.Rings[slices.Index(p.Rings, plan.Ring)+1:], plan.Next.Ring):
		return fmt.Errorf("ring %q, which the plan calls the next one, does not come after %q", plan.Next.Ring, plan.Ring)
	}
	root, found := plan.Image(plan.Root)
	if !found {
		return fmt.Errorf("the plan lacks the root image %q", plan.Root)
	}
	if !root.Changed && plan.Current == nil {
		return fmt.Errorf("the plan has an unchanged root image %q but no current release", plan.Root)
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
		return fmt.Errorf("image %q is in a cycle of images that need each other", image.Name)
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
