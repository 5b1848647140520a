package manifest

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/internal/diag"
)

// Bounds of a manifest. They are far above any project and keep a hostile file
// from costing more than a moment.
const (
	maxBytes    = 1 << 20
	maxImages   = 10_000
	maxDepth    = 100     // of nested YAML
	maxValues   = 500_000 // with aliases, merge keys and defaults expanded
	maxMistakes = 10_000
)

// Parse reads a manifest. Name is the path as the user knows it and appears in
// errors. The error is a [diag.List] with every mistake of the file.
func Parse(name string, data []byte) (*Manifest, error) {
	d := newDecoder(&diag.Source{Name: name, Data: data})
	m := d.manifest()
	d.hintVariables()
	if err := d.list.Err(); err != nil {
		return nil, err
	}
	m.Warnings = d.warnings.Sorted()
	return m, nil
}

// draft is the manifest while it is read: nothing in it is checked against
// anything else yet.
type draft struct {
	Manifest
	images    []entry // as written
	defaults  Image
	imagesAt  diag.Range
	hasImages bool
	ringsSeen bool
}

func (d *decoder) manifest() *Manifest {
	if !d.readable() {
		return nil
	}
	root, ok := d.document()
	if !ok {
		return nil
	}
	m := &draft{Manifest: Manifest{
		Source: d.src,
		Syntax: d.syntax(),
		places: places{},
	}}
	if m.Syntax != "" {
		m.places["syntax"] = d.index.Whole(1)
	}
	if !fields(d, root, "the manifest", manifestFields(), m) {
		return nil
	}
	finish(d, m)
	return &m.Manifest
}

// manifestFields are the keys of the manifest. A key that comes with a later
// version is in [later] instead.
func manifestFields() []field[*draft] {
	return []field[*draft]{
		{"project", readProject},
		{"registry", readRegistry},
		{"vendor", readVendor},
		{"rings", readRings},
		{"root", readRoot},
		{"defaults", readDefaults},
		{"images", readImages},
		{"externals", readExternals},
		{"sites", readSites},
		{"gates", readGates},
	}
}

// later are the keys that this version refuses, and what they will be for.
// To open one, move it to its fields.
var later = map[string]string{
	"artifacts": "charts and other files that are released with the images",
	"policy":    "who must have signed what a ring takes",
}

// field is one key and how its value is read into T.
type field[T any] struct {
	name string
	read func(d *decoder, into T, e entry)
}

// fields reads a mapping with known keys. It reports whether v is a mapping.
func fields[T any](d *decoder, v value, where string, known []field[T], into T) bool {
	entries, ok := d.entries(v, "a mapping of keys to values")
	if !ok {
		return false
	}
	names := make([]string, len(known))
	byName := make(map[string]field[T], len(known))
	for i, f := range known {
		names[i], byName[f.name] = f.name, f
	}
	for _, e := range entries {
		if len(e.key) > 1 && e.key[:2] == "x-" {
			continue
		}
		if f, ok := byName[e.key]; ok {
			f.read(d, into, e)
			continue
		}
		d.unknownKey(e, where, names)
	}
	return true
}

func (d *decoder) unknownKey(e entry, where string, names []string) {
	if what, ok := later[e.key]; ok && where == "the manifest" {
		d.add(e.keyAt, fmt.Sprintf("this version of quoit does not support %q yet: %s", e.key, what),
			"it comes with a later version; until then, leave it out or call it x-"+e.key)
		return
	}
	hint, ok := foreign[where][e.key]
	if !ok {
		hint = d.nearest(e.key, names, "known keys: ")
	}
	d.add(e.keyAt, where+" has no key "+quote(e.key), hint)
}

// document parses the YAML and returns its only document.
func (d *decoder) document() (value, bool) {
	doc, more, err := parseYAML(d.raw)
	if err != nil {
		d.syntaxError(err)
		return value{}, false
	}
	if doc == nil || len(doc.Content) == 0 || isNull(doc.Content[0]) {
		d.add(diag.Range{}, "the manifest is empty", "begin with: project, registry and images")
		return value{}, false
	}
	if more != nil {
		d.add(d.rangeOf(more), "a manifest is one YAML document, and here a second one begins",
			"remove the line --- and what follows")
		return value{}, false
	}
	if deep := deeper(doc, maxDepth); deep != nil {
		d.add(d.rangeOf(deep), fmt.Sprintf("this is nested more than %d levels deep", maxDepth), "")
		return value{}, false
	}
	return d.value(doc.Content[0], diag.Range{}), true
}

// deeper returns a node below the given depth. It does not follow aliases.
func deeper(n *yaml.Node, depth int) *yaml.Node {
	if depth < 0 {
		return n
	}
	for _, child := range n.Content {
		if deep := deeper(child, depth-1); deep != nil {
			return deep
		}
	}
	return nil
}
