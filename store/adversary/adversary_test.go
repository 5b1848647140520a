package adversary

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// adversary may push, and delete tags, in every repository but the log's.
type adversary struct {
	chance *rand.Rand
	at     *memory.Namespace
	shape  storetest.Shape
	// newest is the newest record of the log, which he may read.
	newest func() records.Record
	// plan is what somebody is about to build, as he finds out; nil if he does not.
	plan *versioning.Plan
	busy int // at how many of a thousand requests he does something

	// What he leaves alone, once he has stopped somebody: tags of rings, and the versions
	// that this did not count as assigned (nil: none is left alone).
	rings            bool
	versions         *versioning.Assigned
	versionsOfNewest bool // those of the newest record too

	images int // that he has made
	tell   func(format string, values ...any)
}

// act does something.
func (a *adversary) act() {
	image := a.shape.Images[a.chance.IntN(len(a.shape.Images))]
	if a.chance.IntN(3) == 0 {
		image = "deploy"
	}
	switch a.chance.IntN(11) {
	case 0:
		a.put(image, a.anyTag(image), a.image(image, nil))
	case 1, 2:
		a.forge(image)
	case 3:
		a.take(image)
	case 4, 5:
		a.move(image)
	case 6:
		a.swap(image)
	case 7:
		a.delete(image, a.tagOf(image))
	case 8:
		a.bury(image)
	case 9, 10:
		a.hurry()
	}
}

// hurry deletes or overwrites the tag of a version that was only just assigned.
func (a *adversary) hurry() {
	tags := a.newest().Versions()
	if len(tags) == 0 {
		return
	}
	tag := tags[a.chance.IntN(len(tags))]
	if a.chance.IntN(2) == 0 {
		a.delete(tag.Repository, tag.Tag)
		return
	}
	a.put(tag.Repository, tag.Tag, a.image(tag.Repository, nil))
}

// delete takes a tag away.
func (a *adversary) delete(image, tag string) {
	if tag == "" || a.leaves(image, tag) {
		return
	}
	a.tell("deletes %s:%s", image, tag)
	_, err := a.at.Repository(image).Delete(context.Background(), tag)
	mustNot(err)
}

// leaves reports whether he leaves a tag alone.
func (a *adversary) leaves(image, tag string) bool {
	version, err := versioning.Parse(tag)
	if err != nil {
		return a.rings
	}
	made := a.newest().Images[image]
	return a.versions != nil && !a.versions.Taken(image, version) || a.versionsOfNewest && made.New && made.Version == version
}

// put lets a tag name something, which is pushed.
func (a *adversary) put(image, tag string, manifest registry.Manifest) {
	if a.leaves(image, tag) {
		return
	}
	a.tell("lets %s:%s be %.14s", image, tag, manifest.Digest)
	_, err := a.at.Repository(image).Put(context.Background(), tag, manifest)
	mustNot(err)
}

// image makes one of his own with some labels, and pushes it.
func (a *adversary) image(image string, with map[string]string) registry.Manifest {
	a.images++
	return push(a.at.Repository(image), with, fmt.Sprint("adversary ", a.images))
}

// push pushes an image with labels, made by somebody.
func push(to registry.Repository, with map[string]string, author string) registry.Manifest {
	config, err := json.Marshal(map[string]any{"author": author, "config": map[string]any{"Labels": with}})
	mustNot(err)
	mustNot(registry.Ensure(context.Background(), to, config))
	manifest := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		registry.ManifestType, registry.DigestOf(config), len(config)))
	_, err = to.Put(context.Background(), manifest.Digest, manifest)
	mustNot(err)
	return manifest
}

// labelsOf are the very labels that a build has which makes the plan.
func labelsOf(plan versioning.Plan, name string) map[string]string {
	image, _ := plan.Image(name)
	if name != plan.Root {
		return labels.Image(labels.Info(plan, image))
	}
	all, err := labels.Root(labels.Info(plan, image), plan.Release())
	mustNot(err)
	return all
}

// forge makes an image with the labels of the next one, for its version, or as a ring's.
func (a *adversary) forge(image string) {
	if a.plan == nil {
		return
	}
	planned, found := a.plan.Image(image)
	if !found {
		return
	}
	tag := planned.Version.String()
	if image == a.plan.Root && a.chance.IntN(2) == 0 {
		tag = a.ring()
	}
	a.put(image, tag, a.image(image, labelsOf(*a.plan, image)))
}

// take takes some of the next versions of an image.
func (a *adversary) take(image string) {
	with := map[string]string(nil)
	if a.plan != nil && a.chance.IntN(2) == 0 {
		if _, found := a.plan.Image(image); found {
			with = labelsOf(*a.plan, image)
		}
	}
	manifest, version := a.image(image, with), a.next(image)
	for range 1 + a.chance.IntN(4) {
		a.put(image, version.String(), manifest)
		if a.chance.IntN(2) == 0 {
			version.Patch++
		} else {
			version.Minor, version.Patch = version.Minor+1, 0
		}
	}
}

// next is a version that may be assigned next.
func (a *adversary) next(image string) versioning.Version {
	if a.plan != nil && a.chance.IntN(2) == 0 {
		if planned, found := a.plan.Image(image); found && planned.Changed {
			return planned.Version
		}
	}
	lines := a.newest().Assigned[image]
	if len(lines) == 0 {
		return versioning.Version{Minor: 1}
	}
	version := lines[a.chance.IntN(len(lines))].Version
	switch a.chance.IntN(5) {
	case 0, 1:
		version.Patch++
	case 2, 3:
		version.Minor, version.Patch = version.Minor+1, 0
	case 4:
		version = versioning.Version{Major: version.Major + 1}
	}
	return version
}

// move lets a tag name what another one names, or named.
func (a *adversary) move(image string) {
	from, to := a.tagOf(image), a.anyTag(image)
	if from == "" {
		return
	}
	manifest, _, err := a.at.Repository(image).Get(context.Background(), from)
	mustNot(err)
	a.put(image, to, manifest)
}

// swap exchanges two tags.
func (a *adversary) swap(image string) {
	one, other := a.tagOf(image), a.tagOf(image)
	if one == "" || a.leaves(image, one) || a.leaves(image, other) {
		return
	}
	ctx := context.Background()
	first, _, err := a.at.Repository(image).Get(ctx, one)
	mustNot(err)
	second, _, err := a.at.Repository(image).Get(ctx, other)
	mustNot(err)
	a.put(image, one, second)
	a.put(image, other, first)
}

// bury lets a tag name what an emptied ring's or a pruned version's does.
func (a *adversary) bury(image string) {
	stone := records.Nothing()
	if a.chance.IntN(2) == 0 {
		stone = records.Tombstone()
	}
	mustNot(registry.Ensure(context.Background(), a.at.Repository(image), stone.Config))
	a.put(image, a.anyTag(image), registry.NewManifest(records.ManifestType, stone.Manifest))
}

// tagOf is a tag that an image has, "" if it has none.
func (a *adversary) tagOf(image string) string {
	tags, _, err := a.at.Repository(image).Tags(context.Background(), "", "")
	mustNot(err)
	if len(tags) == 0 {
		return ""
	}
	return tags[a.chance.IntN(len(tags))]
}

// anyTag is a tag that an image has, or a ring's, or one that it may get.
func (a *adversary) anyTag(image string) string {
	if there := a.tagOf(image); there != "" && a.chance.IntN(3) > 0 {
		return there
	}
	if image == "deploy" && a.chance.IntN(2) == 0 || a.chance.IntN(10) == 0 {
		return a.ring()
	}
	return a.next(image).String()
}

func (a *adversary) ring() string { return a.shape.Rings[a.chance.IntN(len(a.shape.Rings))] }

// mayAct lets him act, if he wants to at a request.
func (a *adversary) mayAct() {
	if a.chance.IntN(1000) < a.busy {
		a.act()
	}
}

// quiet returns a function that ends it that he leaves alone what he does from now on.
func (a *adversary) quiet() (again func()) {
	rings, versions, newest := a.rings, a.versions, a.versionsOfNewest
	return func() { a.rings, a.versions, a.versionsOfNewest = rings, versions, newest }
}

// leaveVersions lets him leave alone what the log does not count as assigned now.
func (a *adversary) leaveVersions() {
	assigned := a.newest().Assigned
	a.versions = &assigned
}

func mustNot(err error) {
	if err != nil {
		panic(err) // memory has no faults
	}
}
