package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/internal/diag"
)

// imageFields are the keys of one image.
func imageFields() []field[*Image] {
	return []field[*Image]{
		{"context", readContext},
		{"file", readFile},
		{"target", readTarget},
		{"args", readArgs},
		{"labels", readLabels},
		{"platforms", readPlatforms},
		{"version", readVersion},
		{"contexts", readContexts},
		{"depends", readDepends},
	}
}

// defaultFields are the keys that all images may share.
func defaultFields() []field[*Image] {
	return []field[*Image]{
		{"args", readArgs},
		{"labels", readLabels},
		{"platforms", readPlatforms},
	}
}

func readDefaults(d *decoder, m *draft, e entry) {
	m.places["defaults"] = e.at
	m.defaults.Fields = map[string]diag.Range{}
	fields(d, e.value, "defaults", defaultFields(), &m.defaults)
}

func readImages(d *decoder, m *draft, e entry) {
	m.hasImages, m.imagesAt = true, e.keyAt
	m.places["images"] = e.keyAt
	entries, ok := d.entries(e.value, "a mapping of names to images")
	if !ok {
		return
	}
	switch {
	case len(entries) == 0:
		d.add(e.at, "there are no images", "add one like api: services/api")
	case len(entries) > maxImages:
		d.add(e.keyAt, fmt.Sprintf("there are %d images, and a project has at most %d", len(entries), maxImages), "")
		entries = nil
	}
	m.images = entries
}

// readAllImages reads the images once the defaults are known.
func readAllImages(d *decoder, m *draft) {
	for _, e := range m.images {
		m.places["images."+e.key] = e.keyAt
		d.check(e.keyAt, nameProblem(e.key, "an image"))
		// A badly named image stays known, so that nobody who names it is
		// reported too.
		image := Image{Name: e.key, Context: DefaultContext, Range: e.keyAt, Fields: map[string]diag.Range{}}
		readImage(d, &image, e.value)
		cost := len(m.defaults.Args) + len(m.defaults.Labels) + len(m.defaults.Platforms)
		if !d.spend(cost, m.places["defaults"]) {
			return
		}
		image.inherit(m.defaults)
		m.Images = append(m.Images, image)
	}
	slices.SortFunc(m.Images, func(a, b Image) int { return strings.Compare(a.Name, b.Name) })
}

// readImage reads the short form, which is the context, or a mapping.
func readImage(d *decoder, image *Image, v value) {
	switch {
	case isNull(v.node):
		d.add(v.at, "expected a context or a mapping, found nothing", "try: "+shorten(image.Name)+": .")
	case v.node.Kind == yaml.MappingNode:
		fields(d, v, "an image", imageFields(), image)
		checkFile(d, image)
	case isScalar(v.node):
		readContext(d, image, entry{key: "context", value: v})
	default:
		d.wrong(v, "a context or a mapping")
	}
}

// inherit takes over what the image does not set itself.
func (i *Image) inherit(defaults Image) {
	i.Args = inheritMap(i, "args", i.Args, defaults.Args, defaults.Fields)
	i.Labels = inheritMap(i, "labels", i.Labels, defaults.Labels, defaults.Fields)
	if _, own := i.Fields["platforms"]; own {
		return
	}
	i.Platforms = slices.Clone(defaults.Platforms)
	if at, ok := defaults.Fields["platforms"]; ok {
		i.Fields["platforms"] = at
	}
	for _, p := range i.Platforms {
		i.Fields["platforms."+p] = defaults.Fields["platforms."+p]
	}
}

func inheritMap[V any](i *Image, key string, own, defaults map[string]V, places map[string]diag.Range) map[string]V {
	for name := range defaults {
		if _, ok := own[name]; !ok {
			i.Fields[key+"."+name] = places[key+"."+name]
		}
	}
	if at, ok := places[key]; ok && i.Fields[key].IsZero() {
		i.Fields[key] = at
	}
	merged := maps.Clone(defaults)
	if merged == nil {
		return own
	}
	maps.Copy(merged, own)
	return merged
}

func readDepends(d *decoder, image *Image, e entry) {
	image.Fields["depends"] = e.at
	items, ok := d.items(e.value, "a list of images")
	if !ok {
		return
	}
	seen := map[string]diag.Range{}
	for _, item := range items {
		name, ok := d.scalar(item, "the name of an image")
		if !ok {
			continue
		}
		if first, twice := seen[name]; twice {
			d.add(item.at, "the image "+quote(name)+" is listed twice", "remove one of them",
				diag.Related{Range: first, Message: "the first is here"})
			continue
		}
		seen[name] = item.at
		image.Fields["depends."+name] = item.at
		image.Depends = append(image.Depends, name)
	}
}

// checkDepends checks that dependencies are images. A cycle is for the graph
// to find, because build-time dependencies can close it.
func checkDepends(d *decoder, m *draft) {
	known := map[string]bool{}
	for _, image := range m.Images {
		known[image.Name] = true
	}
	externals := map[string]diag.Range{}
	for _, e := range m.Externals {
		externals[e.Name] = e.Range
	}
	names := m.ImageNames()
	for _, image := range m.Images {
		for _, name := range image.Depends {
			at := image.Position("depends", name)
			external, isExternal := externals[name]
			switch {
			case name == image.Name:
				d.add(at, "the image "+quote(name)+" depends on itself", "remove it")
			case name == m.Root && known[name]:
				d.add(at, "the root image "+quote(name)+" depends on every other image, so none can depend on it", "remove it")
			case !known[name] && isExternal:
				d.add(at, quote(name)+" is an external, not an image of this project", "remove it: externals belong to the whole release",
					diag.Related{Range: external, Message: "it is declared here"})
			case !known[name]:
				d.add(at, "there is no image "+quote(name), d.nearest(name, names, "images: "))
			}
		}
	}
}
