// Package manifest reads quoit.yaml, the project file.
//
// It is pure: bytes go in, and a [Manifest] with a position on every value
// comes out, or every mistake at once. What needs the disk (does a context
// exist, do links leave the project) or the graph (cycles) is found later, and
// reported at the positions that are kept here.
package manifest

import (
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/diag"
)

// The rings that every project has.
const (
	RingAnte = "ante" // before the first declared ring
	RingPost = "post" // after the last declared ring
)

// DefaultContext is the context of an image that names none: the project.
const DefaultContext = "."

// Records is the image name that is reserved for the log.
const Records = "records"

// Manifest is a valid project file. Treat it as read-only: maps may be shared
// between images.
type Manifest struct {
	Source   *diag.Source
	Syntax   string   // the frontend image that the first line names, "" if none
	Project  string   // "acme/shop"
	Registry string   // "registry.example.com/team", without a scheme
	Vendor   string   // "" if none
	Rings    []string // declared rings in order, without ante and post; never empty
	Root     string   // the name of the root image
	Images   []Image  // sorted by name, with the defaults merged in

	Externals []External // sorted by name
	Gates     []Gate     // in the order of the rings
	Sites     []Site     // sorted by name

	// Warnings are no mistakes: what was written has no effect.
	Warnings diag.List

	places places
}

// Image is one entry under images, with the defaults merged in.
type Image struct {
	Name      string
	Context   string             // clean slash path in the project, "." for all of it
	File      string             // clean slash path from the context to somewhere in the project, "" for the default
	Target    string             // a stage of the container file, "" for the last
	Args      map[string]*string // nil means: only from --build-arg
	Labels    map[string]string
	Platforms []string       // normalised, in the order written; empty: the builder's
	Version   string         // the floor "5.2.0", "" if none
	Contexts  []NamedContext // sorted by name
	Depends   []string       // run-time dependencies, in the order written

	Range  diag.Range            // of the name
	Fields map[string]diag.Range // see Position
}

// External is an image that the project does not build.
type External struct {
	Name      string
	Reference string     // normalised, with a tag or a digest: "docker.io/library/postgres:17"
	Range     diag.Range // of the name
	Value     diag.Range // of the reference
}

// places maps a path of keys, joined by dots, to the range of its value.
type places map[string]diag.Range

// find returns the place of the path, else of the nearest part above it.
func (p places) find(path []string) (diag.Range, bool) {
	for n := len(path); n > 0; n-- {
		if r, ok := p[strings.Join(path[:n], ".")]; ok {
			return r, true
		}
	}
	return diag.Range{}, false
}

// Position returns the range of a value, of the part above it if there is no
// such value, or a zero range:
//
//	m.Position("project")
//	m.Position("rings", "users")
//	m.Position("syntax") // the line
func (m *Manifest) Position(path ...string) diag.Range {
	r, _ := m.places.find(path)
	return r
}

// Position returns the range of a value of the image, of the part above it if
// there is no such value, or of the image's name. A value that comes from the
// defaults is found there.
//
//	img.Position("context")
//	img.Position("args", "GO_VERSION")
//	img.Position("depends", "mailer")
func (i Image) Position(path ...string) diag.Range {
	if r, ok := places(i.Fields).find(path); ok {
		return r
	}
	return i.Range
}

// RingOrder returns every ring from the innermost to the outermost: ante, the
// declared ones, post.
func (m *Manifest) RingOrder() []string {
	return slices.Concat([]string{RingAnte}, m.Rings, []string{RingPost})
}

// Image returns the image of that name.
func (m *Manifest) Image(name string) (Image, bool) {
	at, ok := slices.BinarySearchFunc(m.Images, name, func(i Image, name string) int {
		return strings.Compare(i.Name, name)
	})
	if !ok {
		return Image{}, false
	}
	return m.Images[at], true
}

// ImageNames returns the names of the images, sorted.
func (m *Manifest) ImageNames() []string {
	names := make([]string, len(m.Images))
	for i, image := range m.Images {
		names[i] = image.Name
	}
	return names
}

// External returns the external of that name.
func (m *Manifest) External(name string) (External, bool) {
	for _, e := range m.Externals {
		if e.Name == name {
			return e, true
		}
	}
	return External{}, false
}

// Repository returns the repository of an image of the project, or of the log
// if image is [Records]: "registry.example.com/acme/shop/api".
func (m *Manifest) Repository(image string) string {
	return m.Registry + "/" + m.Project + "/" + image
}
