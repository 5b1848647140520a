package manifest

import (
	"fmt"

	"github.com/quoitbuild/quoit/internal/diag"
)

// checkSites checks what sites say against the rest of the manifest, and
// fills in their namespaces.
func checkSites(d *decoder, m *draft) {
	order := m.RingOrder()
	known := make(map[string]bool, len(order))
	for _, ring := range order {
		known[ring] = true
	}
	taken := map[[2]string]Site{}
	for i := range m.Sites {
		site := &m.Sites[i]
		if _, ok := site.Fields["environment"]; !ok {
			d.add(site.Range, "the key "+quote("environment")+" is missing: an overlay of the root image", "add environment: prod")
		}
		checkSiteRing(d, m, site, order, known)
		checkNamespace(d, m, site)
		place := [2]string{site.Cluster, site.Namespace}
		if first, twice := taken[place]; twice && site.Cluster != "" && site.Namespace != "" {
			d.add(site.Position("namespace"), "the sites "+quote(first.Name)+" and "+quote(site.Name)+" share one place: the namespace "+
				quote(site.Namespace)+" of the same cluster", "give each its own namespace",
				diag.Related{Range: first.Position("namespace"), Message: "the other is here"})
			continue
		}
		taken[place] = *site
	}
}

func checkSiteRing(d *decoder, m *draft, site *Site, order []string, known map[string]bool) {
	at, written := site.Fields["ring"]
	// A badly named ring is reported where it is declared.
	_, declared := m.places["rings."+site.Ring]
	switch {
	case known[site.Ring], declared, written && site.Ring == "": // all is well, or reported
	case !written:
		d.add(site.Range, "the key "+quote("ring")+" is missing: a site follows a ring", d.nearest("", order, "rings: "))
	default:
		d.add(at, "there is no ring "+quote(site.Ring), d.nearest(site.Ring, order, "rings: "))
	}
}

func checkNamespace(d *decoder, m *draft, site *Site) {
	_, written := site.Fields["namespace"]
	if written || m.Project == "" || siteProblem(site.Name) != nil {
		return
	}
	site.Namespace = DefaultNamespace(m.Project, site.Name)
	if len(site.Namespace) > maxNamespace {
		d.add(site.Range, fmt.Sprintf("project and site make a namespace of %d characters, and it may have %d", len(site.Namespace), maxNamespace),
			"name a shorter one: namespace: "+site.Name)
		return
	}
	if p := namespaceProblem(site.Namespace); p != nil {
		d.add(site.Range, p.message, p.hint)
	}
}
