// Package versioning holds the rules that turn "what the sources say" and "what
// the rings have" into a [Plan]: which images change, why, and to which version.
//
// It is pure. The caller reads the rings ([Unread], [Select]), asks what would
// change ([Changes]), looks up at once whether those versions exist, and gets
// the plan that stands ([Resolve]).
package versioning

import (
	"fmt"
	"slices"
)

// Request is everything that a plan depends on.
type Request struct {
	Project  string // like acme/shop
	Registry string // only handed on to the plan
	Root     string // name of the root image
	// Scheme is the number of the way in which the revisions of Images are computed; 0
	// stands for 1.
	Scheme int
	// Images are all images of the project, dependencies first.
	Images []Source
	// Externals are those of the manifest, by name, with the digests to release.
	Externals map[string]External
	State     State
	// Merge are releases that this build is said to contain. They become
	// parents. The caller leaves out those that are ancestors already.
	Merge []Placed
	// Source and Commit are recorded in a new release; both may be empty.
	Source, Commit string
}

// Source is what the project now says of one image.
type Source struct {
	Name     string
	Revision string // sha256:<hex>
	// Former is the revision by the first scheme, "" if it is not known. An image whose last
	// release has that one did not change.
	Former string
	// Platforms are those of the manifest, not narrowed by a command line.
	Platforms []string
	// Dependencies are the direct ones that it is made from. Those of the root image
	// need not be given: it depends on every image.
	Dependencies []string
	// Runtime are the direct ones that it needs when it runs. They have to come before
	// it too, and give it no reason to change.
	Runtime []string
	// Externals are the external images that it reads: reference → digest.
	Externals map[string]string
	// Floor is the manifest's version:, zero for none.
	Floor Version
	// Major and Rebuild were asked for.
	Major, Rebuild bool

	root bool
}

// OrderError says that an image of a [Request] needs one that does not come
// before it, or that a name comes twice or not at all.
type OrderError struct {
	Image string
	Need  string // "" if Image itself is the trouble
}

// Error says what is wrong with the request.
func (e *OrderError) Error() string {
	if e.Need == "" {
		return fmt.Sprintf("image %q has to be in the request exactly once", e.Image)
	}
	return fmt.Sprintf("image %q needs %q, which does not come before it", e.Image, e.Need)
}

// Changes says what changes and which version each changed image wants, as if
// none of these versions existed yet. Collisions never change *what* changes,
// so these are the versions to look up before [Resolve]. The error is an [*OrderError].
func Changes(request Request) (Plan, error) {
	return Resolve(request, func(string, Version) (string, bool, error) { return "", false, nil })
}

// Resolve makes the plan, in one pass, dependencies first. It asks lookup for
// the wanted version of each changed image, and for more only where that is
// taken. Errors are those of lookup, wrapped, and an [*OrderError].
func Resolve(request Request, lookup Lookup) (Plan, error) {
	r := newResolver(request, lookup)
	var root *Source
	for i, source := range request.Images {
		if source.Name == request.Root {
			if root != nil {
				return Plan{}, &OrderError{Image: request.Root}
			}
			root = &request.Images[i]
			continue
		}
		if err := r.image(source); err != nil {
			return Plan{}, err
		}
	}
	if root == nil {
		return Plan{}, &OrderError{Image: request.Root}
	}
	if err := r.root(*root); err != nil {
		return Plan{}, err
	}
	return r.plan(), nil
}

// resolver collects the release image by image.
type resolver struct {
	request  Request
	lookup   Lookup
	current  Release // zero if there is none
	next     Release // zero if there is none
	release  Release
	done     map[string]ImagePlan
	noted    map[string]string // revisions of unchanged images that the current release has by an older scheme
	warnings []string
}

func newResolver(request Request, lookup Lookup) *resolver {
	r := &resolver{request: request, lookup: lookup, done: map[string]ImagePlan{}, noted: map[string]string{}}
	if request.State.Current != nil {
		r.current = request.State.Current.Release
	}
	if request.State.Next != nil {
		r.next = request.State.Next.Release
	}
	r.release = Release{
		Project: request.Project, Root: request.Root, Images: map[string]Image{}, Externals: request.Externals,
		Source: request.Source, Commit: request.Commit,
	}
	return r
}

// previous finds an image in the current release, else in the next ring's, else
// among the retired; of the last two whichever is later, so that an image that
// returns does not repeat versions that it had in this ring.
func (r *resolver) previous(name string) past {
	if image := r.current.Images[name]; !image.Version.IsZero() {
		return past{image, true}
	}
	image, retired := r.next.Images[name], r.current.Retired[name]
	if image.Version.Compare(retired) >= 0 {
		return past{image, !image.Version.IsZero()}
	}
	return past{image: Image{Version: retired}}
}

// image plans any image but the root.
func (r *resolver) image(source Source) error {
	dependencies := map[string]Version{}
	for _, name := range slices.Concat(source.Dependencies, source.Runtime) {
		needed, done := r.done[name]
		if !done {
			return &OrderError{Image: source.Name, Need: name}
		}
		dependencies[name] = needed.Version
	}
	was, now := r.previous(source.Name), source.image(r.request.Scheme, dependencies)
	now.Runtime = source.runtime()
	reasons := why(source, was, now, r.next.Images[source.Name].Version)
	return r.settle(source, was, now, reasons)
}

// root plans the root image, when all others are done.
func (r *resolver) root(source Source) error {
	source.root = true
	dependencies := map[string]Version{}
	for name, image := range r.done {
		dependencies[name] = image.Version
	}
	was, now := r.previous(source.Name), source.image(r.request.Scheme, dependencies)
	reasons := why(source, was, now, r.next.Images[source.Name].Version)
	if was.recorded {
		reasons = append(reasons, releaseReasons(r.current, r.release)...)
	}
	merged := r.parents()
	reasons = append(reasons, merged...)
	r.retire()
	if err := r.settle(source, was, now, reasons); err != nil {
		return err
	}
	if r.done[source.Name].Changed {
		r.note()
	}
	return nil
}

// settle gives an image its version and adds it to the release.
func (r *resolver) settle(source Source, was past, now Image, reasons []Reason) error {
	name := source.Name
	if _, twice := r.done[name]; twice {
		return &OrderError{Image: name}
	}
	plan := ImagePlan{Name: name, Previous: was.image.Version, Changed: len(reasons) > 0, Reasons: reasons}
	if !plan.Changed {
		// What it needs at run time is what the release says, whatever it was built beside.
		was.image.Dependencies, was.image.Runtime = now.Dependencies, now.Runtime
		now = was.image
		if now.Outdated(r.request.Scheme) {
			r.noted[name] = source.Revision
		}
	}
	plan.Identity = r.release.identity(name, now)
	if plan.Changed {
		version, found, err := r.choose(source, plan, now)
		if err != nil {
			return err
		}
		if found == former {
			now.Revision, now.Noted = source.Former, source.Revision
			plan.Identity = r.release.identity(name, now)
		}
		now.Version, plan.Adopted = version, found == same || found == former
	}
	r.release.Images[name] = now
	if n := r.next.Images[name].Version; source.Major && !plan.Previous.IsZero() && !majorDue(source, plan.Previous, n) {
		r.warn("%s: no second major, %s is above the next ring's %s already", name, plan.Previous, n)
	}
	plan.take(now)
	r.done[name] = plan
	return nil
}

// note adds the present revisions of images that stay as they are to a release that is made
// for other reasons, so that the next plan has to know no older scheme.
func (r *resolver) note() {
	for name, revision := range r.noted {
		image, plan := r.release.Images[name], r.done[name]
		image.Noted, image.Scheme = revision, r.request.Scheme
		plan.take(image)
		r.release.Images[name], r.done[name] = image, plan
	}
}

func (r *resolver) choose(source Source, plan ImagePlan, now Image) (Version, fit, error) {
	c, n := plan.Previous, r.next.Images[source.Name].Version
	settled := true
	for name := range now.Inputs() {
		settled = settled && !r.done[name].Built()
	}
	want := wanted(source, c, n)
	chooser := chooser{name: source.Name, identity: plan.Identity, settled: settled, lookup: r.lookup}
	if source.Former != "" {
		now.Revision = source.Former
		chooser.former = r.release.identity(source.Name, now)
	}
	version, found, err := chooser.choose(want, hotfix(source, c, n, want, r.request.State.Outer()))
	if err == nil && version != want {
		r.warn("%s: %s exists already with other contents, so this one is %s", source.Name, want, version)
	}
	return version, found, err
}

// parents records what the release descends from, and returns the reasons to
// release because of it.
func (r *resolver) parents() []Reason {
	var reasons []Reason
	if current := r.request.State.Current; current != nil {
		r.release.Parents = []Parent{{current.Release.Version(), current.Digest}}
	}
	known := append(slices.Clone(r.release.Parents), r.current.Parents...)
	for _, merged := range r.request.Merge {
		parent := Parent{merged.Release.Version(), merged.Digest}
		same := func(p Parent) bool { return p.Version == parent.Version }
		if slices.ContainsFunc(known, same) {
			continue
		}
		known = append(known, parent)
		r.release.Parents = append(r.release.Parents, parent)
		reasons = append(reasons, Reason{Kind: ReasonMerge, Subject: merged.Ring, To: parent.Version.String()}.told())
	}
	return reasons
}

// retire carries the retired images over, adds those that are gone, and leaves
// out those that are back.
func (r *resolver) retire() {
	retired := map[string]Version{}
	for name, version := range r.current.Retired {
		retired[name] = version
	}
	for name, image := range r.current.Images {
		retired[name] = image.Version
	}
	for name := range r.release.Images {
		delete(retired, name)
	}
	delete(retired, r.request.Root)
	r.release.Retired = retired
}

func (r *resolver) warn(format string, values ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, values...))
}

// runtime are the images that it needs only when it runs, sorted.
func (s Source) runtime() []string {
	only := slices.DeleteFunc(slices.Clone(s.Runtime), func(name string) bool { return slices.Contains(s.Dependencies, name) })
	slices.Sort(only)
	return slices.Compact(only)
}

// image is what would be released of the source, still without a version.
func (s Source) image(scheme int, dependencies map[string]Version) Image {
	platforms := slices.Clone(s.Platforms)
	slices.Sort(platforms)
	image := Image{
		Revision: s.Revision, Platforms: slices.Compact(platforms),
		Dependencies: dependencies, Externals: s.Externals,
	}
	if scheme > 1 {
		image.Scheme = scheme
	}
	return image
}

// keeps reports whether the sources are those of an image of a release.
func (s Source) keeps(image Image) bool {
	return image.newest() == s.Revision || s.Former != "" && image.Revision == s.Former
}
