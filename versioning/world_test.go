package versioning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// world is a registry, its rings, and the sources of one project. Everything
// that can happen to it is a method, and build checks all that must hold.
type world struct {
	rings    []string
	held     map[string]Version            // ring → version of the root image
	registry map[string]map[Version]tagged // image → version → what is there
	sources  map[string]Source
	needs    map[string][]string // what each image needs, whether present or not
}

// tagged is a version in the registry. One without identity is foreign.
type tagged struct {
	identity string
	release  Release // of a root image
}

const rootImage = "deploy"

// order has every image that a world may have; needs come first.
var order = []string{"base", "lib", "api", "web", rootImage}

func newWorld(needs map[string][]string) *world {
	w := &world{
		rings: fourRings, held: map[string]Version{}, registry: map[string]map[Version]tagged{},
		sources: map[string]Source{}, needs: needs,
	}
	w.edit(rootImage, 1)
	return w
}

func (w *world) clone() *world {
	c := &world{rings: w.rings, held: maps.Clone(w.held), registry: map[string]map[Version]tagged{}, sources: maps.Clone(w.sources), needs: w.needs}
	for image, versions := range w.registry {
		c.registry[image] = maps.Clone(versions)
	}
	return c
}

// key is equal for worlds that cannot be told apart. Root images that differ
// in their release differ in their identity.
func (w *world) key() string {
	var b strings.Builder
	for _, ring := range w.rings {
		fmt.Fprintf(&b, "%s ", w.held[ring])
	}
	for _, image := range sortedKeys(w.registry) {
		versions := slices.SortedFunc(maps.Keys(w.registry[image]), Version.Compare)
		for _, version := range versions {
			identity := w.registry[image][version].identity
			fmt.Fprintf(&b, "%s%s%.19s ", image, version, identity)
		}
	}
	for _, image := range sortedKeys(w.sources) {
		fmt.Fprintf(&b, "%s%s%s ", image, w.sources[image].Revision, w.sources[image].Floor)
	}
	return b.String()
}

// edit gives an image a revision, and brings it into the project.
func (w *world) edit(image string, revision int) {
	source := w.sources[image]
	source.Name, source.Revision = image, fmt.Sprint("r", revision)
	w.sources[image] = source
}

// placed returns the release in a ring, nil for an empty one.
func (w *world) placed(ring string) *Placed {
	version, holds := w.held[ring]
	if !holds {
		return nil
	}
	return &Placed{Ring: ring, Digest: "sha256:" + version.String(), Release: w.registry[rootImage][version].release}
}

func (w *world) write(image string, version Version, what tagged) {
	if w.registry[image] == nil {
		w.registry[image] = map[Version]tagged{}
	}
	w.registry[image][version] = what
}

// foreign takes a version, unless somebody has it.
func (w *world) foreign(image string, version Version) {
	if _, exists := w.registry[image][version]; !exists {
		w.write(image, version, tagged{})
	}
}

// shift copies releases outward, the last ring first.
func (w *world) shift(from, to string) {
	first, last := slices.Index(w.rings, from), slices.Index(w.rings, to)
	for at := last; at > first; at-- {
		if version, holds := w.held[w.rings[at-1]]; holds {
			w.held[w.rings[at]] = version
		}
	}
}

// lookup answers like the registry.
func (w *world) lookup(image string, version Version) (string, bool, error) {
	what, exists := w.registry[image][version]
	return what.identity, exists, nil
}

// request is what a build in a ring would ask.
func (w *world) request(ring string) (Request, error) {
	placed := map[string]*Placed{}
	for _, name := range w.rings {
		if p := w.placed(name); p != nil {
			placed[name] = p
		}
	}
	state, err := Select(w.rings, ring, placed)
	if err != nil {
		return Request{}, err
	}
	request := Request{Project: "acme/shop", Root: rootImage, State: state}
	images := slices.SortedFunc(maps.Keys(w.sources), func(a, b string) int {
		return slices.Index(order, a) - slices.Index(order, b)
	})
	for _, image := range images {
		source := w.sources[image]
		for _, need := range w.needs[image] {
			if _, present := w.sources[need]; present {
				source.Dependencies = append(source.Dependencies, need)
			}
		}
		request.Images = append(request.Images, source)
	}
	return request, nil
}

// publish pushes the first so many images of a plan, and moves the ring if
// that was all of them.
func (w *world) publish(p Plan, pushes int) error {
	order, release := p.PublishOrder(), p.Release()
	for i, name := range order {
		if i == pushes {
			return nil
		}
		image, _ := p.Image(name)
		if _, exists := w.registry[name][image.Version]; exists {
			return fmt.Errorf("%s %s is written twice", name, image.Version)
		}
		for need, version := range image.Dependencies {
			if _, exists := w.registry[need][version]; !exists {
				return fmt.Errorf("%s %s names %s %s, which does not exist", name, image.Version, need, version)
			}
		}
		what := tagged{identity: image.Identity}
		if name == rootImage {
			what.release = release
		}
		w.write(name, image.Version, what)
	}
	if pushes >= len(order) {
		w.held[p.Ring] = p.Version()
	}
	return nil
}

// build plans, publishes and plans again, and returns what went wrong.
func (w *world) build(request Request) error {
	before := w.placed(request.State.Ring)
	p, err := Resolve(request, w.lookup)
	if err != nil {
		return err
	}
	if err := w.checkPlan(p, request); err != nil {
		return fmt.Errorf("%w\n%s", err, p)
	}
	if err := w.publish(p, len(p.Images)); err != nil {
		return fmt.Errorf("%w\n%s", err, p)
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

// interrupt publishes a part of a plan, and checks that the next plan says the
// same, with that part adopted.
func (w *world) interrupt(request Request, pushes int) error {
	p, err := Resolve(request, w.lookup)
	if err != nil {
		return err
	}
	pushed := p.PublishOrder()
	pushed = pushed[:min(pushes, len(pushed))]
	if err := w.publishPart(p, pushes); err != nil {
		return err
	}
	again, err := Resolve(request, w.lookup)
	if err != nil {
		return err
	}
	for i, image := range p.Images {
		image.Adopted = image.Adopted || slices.Contains(pushed, image.Name)
		if fmt.Sprint(image) != fmt.Sprint(again.Images[i]) {
			return fmt.Errorf("an interrupted publish does not resume\n%s\n%s", p, again)
		}
	}
	return nil
}

// publishPart pushes, but never moves the ring.
func (w *world) publishPart(p Plan, pushes int) error {
	held, holds := w.held[p.Ring]
	err := w.publish(p, pushes)
	delete(w.held, p.Ring)
	if holds {
		w.held[p.Ring] = held
	}
	return err
}

// checkPlan holds each changed image to the next ring and to its predecessor.
func (w *world) checkPlan(p Plan, request Request) error {
	for _, image := range p.Images {
		floor := w.sources[image.Name].Floor
		if !image.Changed {
			continue
		}
		if next := request.State.Next; next != nil && image.Version.Compare(next.Release.Images[image.Name].Version) <= 0 {
			return fmt.Errorf("%s %s is not above the next ring's", image.Name, image.Version)
		}
		if image.Version.Compare(floor) < 0 {
			return fmt.Errorf("%s %s is below its floor", image.Name, image.Version)
		}
		if image.Version.Patch > 0 && image.Version != floor && image.Version != image.Previous.plusPatch() {
			return fmt.Errorf("%s %s is a patch, but not of %s", image.Name, image.Version, image.Previous)
		}
		what, exists := w.registry[image.Name][image.Version]
		if image.Adopted != exists || exists && what.identity != image.Identity {
			return fmt.Errorf("%s %s is used for two identities", image.Name, image.Version)
		}
	}
	return nil
}

// checkRelease holds what was published to what the ring had before.
func (w *world) checkRelease(p Plan, before *Placed) error {
	ring := w.placed(p.Ring)
	if fmt.Sprint(ring.Release) != fmt.Sprint(p.Release()) {
		return fmt.Errorf("the ring has another release than the plan's")
	}
	for name, image := range ring.Release.Images {
		if source := w.sources[name]; image.Revision != source.Revision {
			return fmt.Errorf("%s of the release has other sources", name)
		}
		what, exists := w.registry[name][image.Version]
		if !exists || what.identity != ring.Release.Identity(name) {
			return fmt.Errorf("%s %s of the release is not in the registry", name, image.Version)
		}
		for need, version := range image.Dependencies {
			if ring.Release.Images[need].Version != version {
				return fmt.Errorf("%s has %s %s, the release has not", name, need, version)
			}
		}
		if len(ring.Release.Images[rootImage].Dependencies) != len(ring.Release.Images)-1 {
			return fmt.Errorf("the root image does not name all images")
		}
	}
	if before == nil {
		return nil
	}
	for name, old := range before.Release.Images {
		image, present := ring.Release.Images[name]
		if present && image.Version.Compare(old.Version) < 0 {
			return fmt.Errorf("%s goes back from %s to %s", name, old.Version, image.Version)
		}
		if !present && ring.Release.Retired[name] != old.Version {
			return fmt.Errorf("%s %s is gone and not retired", name, old.Version)
		}
	}
	for name, last := range before.Release.Retired {
		image, back := ring.Release.Images[name]
		if back && image.Version.Compare(last) < 0 || !back && ring.Release.Retired[name] != last {
			return fmt.Errorf("%s was retired after %s and is now %s", name, last, image.Version)
		}
	}
	return nil
}
