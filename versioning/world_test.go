package versioning

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// world is a registry, a log, its rings, and the sources of one project. Everything
// that can happen to it is a method, and build checks all that must hold.
type world struct {
	rings    []string
	held     map[string]Version            // ring → version of the root image
	registry map[string]map[Version]tagged // image → version → what is there
	assigned Assigned                      // by the newest record
	releases map[Version]uint64            // the number of each, by version of the root image
	sources  map[string]Source
	needs    map[string][]string // what each image is made from, whether present or not
	runs     map[string][]string // what it needs when it runs
}

// tagged is a version in the registry. One without identity is foreign: no record
// assigned it.
type tagged struct {
	identity string
	inputs   string  // what it was made from, and what it must not be made anew for
	release  Release // of a root image
}

const rootImage = "deploy"

// order has every image that a world may have; needs come first.
var order = []string{"base", "lib", "api", "web", rootImage}

func newWorld(needs map[string][]string) *world {
	w := &world{
		rings: fourRings, held: map[string]Version{}, registry: map[string]map[Version]tagged{},
		releases: map[Version]uint64{}, sources: map[string]Source{}, needs: needs, runs: map[string][]string{},
	}
	w.edit(rootImage, 1)
	return w
}

func (w *world) clone() *world {
	c := &world{
		rings: w.rings, held: maps.Clone(w.held), registry: map[string]map[Version]tagged{},
		assigned: w.assigned, releases: maps.Clone(w.releases), sources: maps.Clone(w.sources), needs: w.needs, runs: maps.Clone(w.runs),
	}
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
	for _, image := range sortedKeys(w.assigned) {
		fmt.Fprintf(&b, "%s%v ", image, w.assigned[image])
	}
	for _, image := range sortedKeys(w.sources) {
		fmt.Fprintf(&b, "%s%s%s%s ", image, w.sources[image].Revision, w.sources[image].Floor, w.runs[image])
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
	w.forget()
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
		source.Dependencies, source.Runtime = w.present(w.needs[image]), w.present(w.runs[image])
		request.Images = append(request.Images, source)
	}
	return request, nil
}

func (w *world) present(images []string) (present []string) {
	for _, image := range images {
		if _, found := w.sources[image]; found {
			present = append(present, image)
		}
	}
	return present
}

// inputs are what an image is made from with the versions of a release. Of the root image
// they do not say all.
func (w *world) inputs(image string, release Release) string {
	inputs := []string{w.sources[image].Revision}
	for _, need := range w.present(w.needs[image]) {
		inputs = append(inputs, need+" "+release.Images[need].Version.String())
	}
	return strings.Join(inputs, ", ")
}

// checkChanged holds what changes to what the images were made from: all of these do that
// were not made from the same, or have a wish, and no others.
func (w *world) checkChanged(p Plan, request Request) error {
	release := p.Release()
	for _, source := range request.Images {
		image, _ := p.Image(source.Name)
		was, known := w.registry[source.Name][image.Previous]
		held := request.State.Current != nil && request.State.Current.Release.Images[source.Name].Version == image.Previous
		if source.Name == rootImage || !known || !held {
			continue
		}
		same := was.inputs == w.inputs(source.Name, release)
		if wish := source.Rebuild || source.Major || source.Floor.Compare(image.Previous) > 0; image.Changed == same && !wish {
			return fmt.Errorf("%s %s was made from %s, is made from %s, and changed is %t", source.Name, image.Previous, was.inputs, w.inputs(source.Name, release), image.Changed)
		}
	}
	return nil
}

// checkPlan holds each changed image to the next ring and to its predecessor.
func (w *world) checkPlan(p Plan, request Request) error {
	if err := w.checkChanged(p, request); err != nil {
		return err
	}
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
		if err := w.checkAssigned(image); err != nil {
			return err
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
