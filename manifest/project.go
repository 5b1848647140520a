package manifest

import (
	"slices"

	"github.com/quoitbuild/quoit/internal/diag"
)

// defaultRings are the rings of a project that declares none.
var defaultRings = []string{"developers", "testers", "users"}

func readProject(d *decoder, m *draft, e entry) {
	m.places["project"] = e.at
	if text, ok := d.string(e.value); ok && d.check(e.at, projectProblem(text)) {
		m.Project = text
	}
}

func readRegistry(d *decoder, m *draft, e entry) {
	m.places["registry"] = e.at
	if text, ok := d.string(e.value); ok && d.check(e.at, registryProblem(text)) {
		m.Registry = text
	}
}

func readVendor(d *decoder, m *draft, e entry) {
	m.places["vendor"] = e.at
	if text, ok := d.string(e.value); ok && d.check(e.at, vendorProblem(text)) {
		m.Vendor = text
	}
}

func readRoot(d *decoder, m *draft, e entry) {
	m.places["root"] = e.at
	m.Root, _ = d.scalar(e.value, "the name of an image")
}

func readRings(d *decoder, m *draft, e entry) {
	m.places["rings"] = e.at
	m.ringsSeen = true
	items, ok := d.items(e.value, "a list of rings")
	if !ok {
		return
	}
	seen := map[string]diag.Range{}
	for i, item := range items {
		ring, ok := d.scalar(item, "the name of a ring")
		if !ok {
			continue
		}
		first, twice := seen[ring]
		switch {
		case twice:
			d.add(item.at, "the ring "+quote(ring)+" is listed twice", "remove one of them",
				diag.Related{Range: first, Message: "the first is here"})
			continue
		case ring == RingAnte && i > 0:
			d.add(item.at, `the ring "ante" comes before all others`, "it always exists; leave it out")
			continue
		case ring == RingPost && i < len(items)-1:
			d.add(item.at, `the ring "post" comes after all others`, "it always exists; leave it out")
			continue
		}
		seen[ring] = item.at
		m.places["rings."+ring] = item.at
		if ring != RingAnte && ring != RingPost && d.check(item.at, ringProblem(ring)) {
			m.Rings = append(m.Rings, ring)
		}
	}
	if len(seen) == 0 || !slices.ContainsFunc(items, isDeclaredRing) {
		d.add(e.at, "there is no ring between ante and post", "name at least one ring, or leave the key out: developers, testers, users")
	}
}

func isDeclaredRing(v value) bool {
	return !isScalar(v.node) || v.node.Value != RingAnte && v.node.Value != RingPost
}

// finish checks what needs the whole manifest, and fills in what was left out.
func finish(d *decoder, m *draft) {
	required(d, m)
	if !m.ringsSeen {
		m.Rings = slices.Clone(defaultRings)
	}
	readAllImages(d, m)
	checkRoot(d, m)
	checkDepends(d, m)
	checkAliases(d, m)
	checkExternals(d, m)
	checkGates(d, m)
	checkSites(d, m)
	checkRepositories(d, m)
}

func required(d *decoder, m *draft) {
	missing := func(key, example string) {
		d.add(diag.Range{}, "the key "+quote(key)+" is missing", "add a line like "+example)
	}
	if _, ok := m.places["project"]; !ok {
		missing("project", "project: acme/shop")
	}
	if _, ok := m.places["registry"]; !ok {
		missing("registry", "registry: registry.example.com")
	}
	if !m.hasImages {
		missing("images", "images: {api: services/api}")
	}
}

// checkRoot finds the root image: the one that is named, or the only one.
func checkRoot(d *decoder, m *draft) {
	at, named := m.places["root"]
	names := m.ImageNames()
	switch {
	case named && m.Root == "":
		if !d.reportedAt(at) {
			d.add(at, "the root image has no name", d.nearest("", names, "images: "))
		}
	case named:
		if _, ok := m.Image(m.Root); !ok && len(names) > 0 {
			d.add(at, "there is no image "+quote(m.Root)+" to be the root", d.nearest(m.Root, names, "images: "))
		}
	case len(names) == 1:
		m.Root = names[0]
		m.places["root"] = m.Images[0].Range
	case len(names) > 1:
		d.add(m.imagesAt, "the key \"root\" is missing: with more than one image, one of them installs the project",
			"add a line like root: "+likelyRoot(names))
	}
}

func likelyRoot(names []string) string {
	for _, usual := range []string{"deploy", "root", "install", "release"} {
		if slices.Contains(names, usual) {
			return usual
		}
	}
	return names[0]
}

// checkRepositories bounds the whole name of each image.
func checkRepositories(d *decoder, m *draft) {
	if m.Registry == "" || m.Project == "" {
		return
	}
	if !d.check(m.places["project"], repositoryProblem(m.Repository(Records))) {
		return
	}
	for _, image := range m.Images {
		d.check(image.Range, repositoryProblem(m.Repository(image.Name)))
	}
}
