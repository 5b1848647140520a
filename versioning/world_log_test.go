package versioning

import (
	"fmt"
	"maps"
	"slices"
)

// What a log does with versions, in a [world].

// set places a release, which may be one that no ring has had for long.
func (w *world) set(ring string, version Version) {
	w.held[ring] = version
	versions, tags := map[string]Version{}, map[string][]Version{}
	for name, image := range w.registry[rootImage][version].release.Images {
		versions[name], tags[name] = image.Version, w.tags(name)
	}
	w.assigned = w.assigned.Recall(w.releases[version], versions, tags)
	w.forget()
}

func (w *world) empty(ring string) {
	delete(w.held, ring)
	w.forget()
}

// forget drops what the log need not know any more, also of rings before the newest record.
func (w *world) forget(before ...Version) {
	var releases []uint64
	for _, version := range append(before, slices.Collect(maps.Values(w.held))...) {
		releases = append(releases, w.releases[version])
	}
	w.assigned = w.assigned.Of(releases...)
}

func (w *world) tags(image string) []Version {
	return slices.Collect(maps.Keys(w.registry[image]))
}

// lookup answers like the log.
func (w *world) lookup(image string, version Version) (string, bool, error) {
	return w.assigned.Lookup(func() ([]Release, error) {
		var releases []Release
		for _, ring := range w.rings {
			if placed := w.placed(ring); placed != nil {
				releases = append(releases, placed.Release)
			}
		}
		return releases, nil
	})(image, version)
}

// publish writes what the plan builds, and moves the ring. False, and nothing is
// written, if others took some of its versions: these are burnt.
func (w *world) publish(p Plan) (bool, error) {
	order, release, burnt := p.PublishOrder(), p.Release(), w.assigned
	for _, name := range order {
		image, _ := p.Image(name)
		what, exists := w.registry[name][image.Version]
		switch {
		case exists && what.identity != "":
			return false, fmt.Errorf("%s %s is assigned twice", name, image.Version)
		case exists:
			burnt = burnt.Burn(name, image.Version, w.tags(name))
		}
	}
	if fmt.Sprint(burnt) != fmt.Sprint(w.assigned) {
		w.assigned = burnt
		return false, nil
	}
	versions := map[string]Version{}
	for _, image := range p.Images {
		versions[image.Name] = image.Version
	}
	for _, name := range order {
		image, _ := p.Image(name)
		for need, version := range image.Dependencies {
			if _, exists := w.registry[need][version]; !exists {
				return false, fmt.Errorf("%s %s names %s %s, which does not exist", name, image.Version, need, version)
			}
		}
		what := tagged{identity: image.Identity, inputs: w.inputs(name, release)}
		if name == rootImage {
			what.release = release
			w.releases[image.Version] = uint64(len(w.releases) + 1)
		}
		w.write(name, image.Version, what)
	}
	before := w.held[p.Ring]
	w.held[p.Ring] = p.Version()
	w.assigned = w.assigned.With(w.releases[p.Version()], versions)
	w.forget(before)
	return true, nil
}

// build plans, publishes and plans again, and returns what went wrong.
func (w *world) build(request Request) error {
	before := w.placed(request.State.Ring)
	p, err := w.published(request)
	if err != nil {
		return err
	}
	if err := w.checkRelease(p, before); err != nil {
		return fmt.Errorf("%w\n%s", err, p)
	}
	again, err := w.request(request.State.Ring)
	if err != nil {
		return err
	}
	second, err := Resolve(again, w.lookup)
	if err == nil && len(second.Changed()) > 0 {
		err = fmt.Errorf("a second build changes something\n%s\n%s", p, second)
	}
	return err
}

// published plans and publishes, and once more if others took versions.
func (w *world) published(request Request) (Plan, error) {
	for range 2 {
		p, err := Resolve(request, w.lookup)
		if err != nil {
			return p, err
		}
		if err := w.checkPlan(p, request); err != nil {
			return p, fmt.Errorf("%w\n%s", err, p)
		}
		if done, err := w.publish(p); done || err != nil {
			return p, err
		}
	}
	return Plan{}, fmt.Errorf("tags of others block a publish more than once")
}

// void publishes, and takes that back: the ring has what it had, and the versions are
// assigned for ever, which [world.checkPlan] sees.
func (w *world) void(request Request) error {
	ring := request.State.Ring
	held, holds := w.held[ring]
	if _, err := w.published(request); err != nil {
		return err
	}
	delete(w.held, ring)
	if holds {
		w.held[ring] = held
	}
	w.forget()
	again, err := Resolve(request, w.lookup)
	if err != nil {
		return err
	}
	return w.checkPlan(again, request)
}

// checkAssigned holds a version that was chosen to all that were ever assigned: it is new,
// unless a ring has a release with just this image.
func (w *world) checkAssigned(image ImagePlan) error {
	what := w.registry[image.Name][image.Version]
	if image.Adopted != (what.identity != "") || image.Adopted && what.identity != image.Identity {
		return fmt.Errorf("%s %s is used for two identities", image.Name, image.Version)
	}
	has := func(ring string) bool {
		placed := w.placed(ring)
		return placed != nil && placed.Release.Images[image.Name].Version == image.Version
	}
	if image.Adopted && !slices.ContainsFunc(w.rings, has) {
		return fmt.Errorf("%s %s is adopted, and no ring has it", image.Name, image.Version)
	}
	return nil
}
