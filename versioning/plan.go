package versioning

import (
	"encoding/json"
	"fmt"

	"github.com/quoitbuild/quoit/graph"
)

// PlanSchema is the number of the plan's JSON form. It rises when a field
// changes its meaning or goes; new fields may come without.
const PlanSchema = 1

// Plan says what a build does: for every image whether and why it changes, and
// its version. It is a forecast until it is published. Its JSON form is stable:
// lists are sorted and never null, and an absent version is an absent key.
type Plan struct {
	Schema   int    `json:"schema"`
	Project  string `json:"project"`
	Registry string `json:"registry"`
	Ring     string `json:"ring"` // "none" for a plan that cannot be published
	Root     string `json:"root"` // name of the root image
	// Current and Next are the releases that the plan continues and must stay
	// above; nil if there are none.
	Current *Held `json:"current,omitempty"`
	Next    *Held `json:"next,omitempty"`
	// Images are all images, sorted by name.
	Images []ImagePlan `json:"images"`
	// Externals and what follows are those of the release that the plan ends in.
	Externals map[string]External `json:"externals"`
	Retired   map[string]Version  `json:"retired"`
	Parents   []Parent            `json:"parents"`
	Source    string              `json:"source,omitempty"`
	Commit    string              `json:"commit,omitempty"`
	// Dirty says that the files differ from the commit. A plan as such knows nothing of
	// that: whoever asked git sets it.
	Dirty bool `json:"dirty,omitempty"`
	// Warnings are for people, one line each.
	Warnings []string `json:"warnings"`
}

// Held is a release in a ring, by the version and digest of its root image.
type Held struct {
	Ring    string  `json:"ring"`
	Version Version `json:"version"`
	Digest  string  `json:"digest"`
}

// ImagePlan is what happens to one image.
type ImagePlan struct {
	Name string `json:"name"`
	// Version is the one that the image has in the release.
	Version Version `json:"version"`
	// Previous is the one before, equal to Version for an unchanged image, and
	// zero (absent) for an image that never had one.
	Previous Version `json:"previous,omitzero"`
	Revision string  `json:"revision"`
	// Scheme and Noted are those of the [Image].
	Scheme   int    `json:"scheme,omitempty"`
	Noted    string `json:"noted,omitempty"`
	Identity string `json:"identity"`
	// Digest is, of an image that is not built, what the log has assigned to its
	// version; "" if that is in no record. A plan as such does not know it: whoever
	// reads the log sets it, and after a push those of the built ones.
	Digest string `json:"digest,omitempty"`
	// Changed images have a new version, and at least one reason.
	Changed bool `json:"changed"`
	// Adopted images are changed ones whose new version exists already, with
	// the same identity: they are used as they are and not built.
	Adopted      bool               `json:"adopted"`
	Reasons      []Reason           `json:"reasons"`
	Dependencies map[string]Version `json:"dependencies"`
	Runtime      []string           `json:"runtime"` // see [Image.Runtime]
	Externals    map[string]string  `json:"externals"`
	Platforms    []string           `json:"platforms"`
}

// Built reports whether the image is built and pushed: changed and not adopted.
func (i ImagePlan) Built() bool { return i.Changed && !i.Adopted }

// take copies what the release says of the image, with no nil in it.
func (i *ImagePlan) take(image Image) {
	i.Version, i.Revision, i.Scheme, i.Noted = image.Version, image.Revision, image.Scheme, image.Noted
	i.Reasons = append([]Reason{}, i.Reasons...)
	i.Dependencies = copied(image.Dependencies)
	i.Runtime = append([]string{}, image.Runtime...)
	i.Externals = copied(image.Externals)
	i.Platforms = append([]string{}, image.Platforms...)
}

// plan is the result. If the root image is unchanged, so is the whole release.
func (r *resolver) plan() Plan {
	state := r.request.State
	release := r.release
	if !r.done[r.request.Root].Changed {
		release = r.current
	}
	p := Plan{
		Schema: PlanSchema, Project: r.request.Project, Registry: r.request.Registry,
		Ring: state.Ring, Root: r.request.Root, Current: state.Current.held(), Next: state.Next.held(),
		Images:    []ImagePlan{},
		Externals: copied(release.Externals), Retired: copied(release.Retired),
		Parents: append([]Parent{}, release.Parents...),
		Source:  release.Source, Commit: release.Commit,
		Warnings: append([]string{}, r.warnings...),
	}
	for _, name := range sortedKeys(r.done) {
		image := r.done[name]
		if !r.done[r.request.Root].Changed { // also what the images need at run time
			image.take(release.Images[name])
			image.Identity = release.Identity(name)
		}
		p.Images = append(p.Images, image)
	}
	return p
}

func (p *Placed) held() *Held {
	if p == nil {
		return nil
	}
	return &Held{p.Ring, p.Release.Version(), p.Digest}
}

// Unpublishable plans a build that reads no state (QUOIT_RING=none): every
// image is built from source as 0.0.0. State and Merge of the request are not
// looked at. The error is an [*OrderError].
func Unpublishable(request Request) (Plan, error) {
	request.State, request.Merge = State{Ring: None}, nil
	plan, err := Changes(request)
	if err != nil {
		return Plan{}, err
	}
	for i := range plan.Images {
		image := &plan.Images[i]
		image.Version = Version{}
		image.Reasons = []Reason{Reason{Kind: ReasonStateless}.told()}
		for name := range image.Dependencies {
			image.Dependencies[name] = Version{}
		}
	}
	release := plan.Release()
	for i := range plan.Images {
		plan.Images[i].Identity = release.Identity(plan.Images[i].Name)
	}
	return plan, nil
}

// ParsePlan reads the JSON form of a plan, as another process printed it. It
// returns an error for another schema, and for a plan whose images do not
// depend on each other without a circle or lack the root image.
func ParsePlan(data []byte) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return Plan{}, fmt.Errorf("reading a plan: %w", err)
	}
	if p.Schema != PlanSchema {
		return Plan{}, fmt.Errorf("reading a plan: it has schema %d, this quoit knows %d", p.Schema, PlanSchema)
	}
	if _, err := p.graph(); err != nil {
		return Plan{}, fmt.Errorf("reading a plan: %w", err)
	}
	if _, found := p.Image(p.Root); !found {
		return Plan{}, fmt.Errorf("reading a plan: it lacks the root image %q", p.Root)
	}
	return p, nil
}

// Image returns the plan of one image.
func (p Plan) Image(name string) (ImagePlan, bool) {
	for _, image := range p.Images {
		if image.Name == name {
			return image, true
		}
	}
	return ImagePlan{}, false
}

// Version returns that of the release, which is the root image's.
func (p Plan) Version() Version {
	root, _ := p.Image(p.Root)
	return root.Version
}

// Changed returns the names of the changed images, adopted ones included,
// dependencies first and the root image last.
func (p Plan) Changed() []string { return p.ordered(func(i ImagePlan) bool { return i.Changed }) }

// PublishOrder returns the names of the images to build and push, dependencies
// first and the root image last. Adopted images are not among them.
func (p Plan) PublishOrder() []string { return p.ordered(ImagePlan.Built) }

func (p Plan) ordered(which func(ImagePlan) bool) []string {
	g, err := p.graph()
	if err != nil {
		return nil // no plan of Resolve or ParsePlan has a circle
	}
	byName := map[string]ImagePlan{}
	for _, image := range p.Images {
		byName[image.Name] = image
	}
	var names []string
	for _, name := range g.Order() {
		if which(byName[name]) {
			names = append(names, name)
		}
	}
	return names
}

func (p Plan) graph() (*graph.Graph, error) {
	vertices := make([]graph.Vertex, 0, len(p.Images))
	for _, image := range p.Images {
		vertices = append(vertices, graph.Vertex{Name: image.Name, Needs: sortedKeys(image.Dependencies)})
	}
	return graph.New(vertices)
}

// Release returns the release that the plan ends in: the current one if the
// root image is unchanged, else the new one.
func (p Plan) Release() Release {
	release := Release{
		Project: p.Project, Root: p.Root, Images: map[string]Image{},
		Externals: p.Externals, Retired: p.Retired, Parents: p.Parents,
		Source: p.Source, Commit: p.Commit,
	}
	for _, i := range p.Images {
		release.Images[i.Name] = Image{
			Version: i.Version, Revision: i.Revision, Scheme: i.Scheme, Noted: i.Noted, Platforms: i.Platforms,
			Dependencies: i.Dependencies, Runtime: i.Runtime, Externals: i.Externals,
		}
	}
	return release
}

func copied[V any](m map[string]V) map[string]V {
	c := make(map[string]V, len(m))
	for key, value := range m {
		c[key] = value
	}
	return c
}
