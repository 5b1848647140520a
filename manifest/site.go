package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/quoitbuild/quoit/internal/diag"
)

// Scope says where a site's objects may be.
type Scope string

// The scopes of a site.
const (
	ScopeNamespace Scope = "namespace" // in the site's namespace only
	ScopeCluster   Scope = "cluster"   // anywhere in the cluster
)

// Downgrade says what a watcher does when its ring goes back to an ancestor
// of what the site runs.
type Downgrade string

// What a watcher may do.
const (
	DowngradeNever Downgrade = "never" // it waits for somebody to deploy
	DowngradeAuto  Downgrade = "auto"  // it downgrades by itself
)

const (
	maxSite      = 40 // leaves room for what object names add
	maxNamespace = 63
	maxContext   = 253
)

// Site is a place where a release runs.
type Site struct {
	Name        string
	Environment string // the overlay: /overlays/NAME in the root image
	Ring        string
	Cluster     string // a context of the kubeconfig, "" for the current one
	Namespace   string // never empty: see DefaultNamespace
	Registry    string // where the site pulls from, "" for the manifest's
	Scope       Scope
	Downgrade   Downgrade

	Range  diag.Range            // of the name
	Fields map[string]diag.Range // see Position
}

// Position returns the range of a value of the site, or of the site's name if
// there is no such value.
//
//	site.Position("ring")
func (s Site) Position(path ...string) diag.Range {
	if r, ok := places(s.Fields).find(path); ok {
		return r
	}
	return s.Range
}

// Site returns the site of that name.
func (m *Manifest) Site(name string) (Site, bool) {
	at, ok := slices.BinarySearchFunc(m.Sites, name, func(s Site, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !ok {
		return Site{}, false
	}
	return m.Sites[at], true
}

// SiteNames returns the names of the sites, sorted.
func (m *Manifest) SiteNames() []string {
	names := make([]string, len(m.Sites))
	for i, site := range m.Sites {
		names[i] = site.Name
	}
	return names
}

// DefaultNamespace is the namespace of a site that names none: the last part
// of the project and the site, "shop-eu" for eu of acme/shop. Characters that
// a namespace cannot have become dashes; it may be longer than a namespace.
func DefaultNamespace(project, site string) string {
	last := project[strings.LastIndex(project, "/")+1:]
	words := strings.FieldsFunc(last, func(r rune) bool { return r == '.' || r == '_' })
	return strings.Join(append(words, site), "-")
}

// siteFields are the keys of one site.
func siteFields() []field[*Site] {
	return []field[*Site]{
		{"environment", readEnvironment},
		{"ring", readSiteRing},
		{"cluster", readCluster},
		{"namespace", readNamespace},
		{"registry", readSiteRegistry},
		{"scope", readScope},
		{"downgrade", readDowngrade},
	}
}

func readSites(d *decoder, m *draft, e entry) {
	m.places["sites"] = e.keyAt
	entries, ok := d.entries(e.value, "a mapping of names to sites")
	if !ok {
		return
	}
	for _, e := range entries {
		m.places["sites."+e.key] = e.keyAt
		d.check(e.keyAt, siteProblem(e.key))
		site := Site{Name: e.key, Scope: ScopeNamespace, Downgrade: DowngradeNever,
			Range: e.keyAt, Fields: map[string]diag.Range{}}
		if fields(d, e.value, "a site", siteFields(), &site) {
			m.Sites = append(m.Sites, site)
		}
	}
	slices.SortFunc(m.Sites, func(a, b Site) int { return strings.Compare(a.Name, b.Name) })
}

func siteProblem(site string) *problem {
	switch {
	case len(site) > maxSite:
		return &problem{fmt.Sprintf("the name of a site has at most %d characters, and this one has %d", maxSite, len(site)), ""}
	case !ringName.MatchString(site):
		return &problem{quote(site) + " is not a valid name for a site", respell(site, "lower-case letters and digits, with - between them")}
	}
	return nil
}

var environmentName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func readEnvironment(d *decoder, s *Site, e entry) {
	s.Fields["environment"] = e.at
	text, ok := d.scalar(e.value, "the name of an environment")
	switch {
	case !ok:
	case len(text) > maxName:
		d.add(e.at, fmt.Sprintf("the name of an environment has at most %d characters, and this one has %d", maxName, len(text)), "")
	case !environmentName.MatchString(text):
		d.add(e.at, quote(text)+" is not a valid name for an environment", "name a folder below /overlays of the root image: prod")
	default:
		s.Environment = text
	}
}

func readSiteRing(d *decoder, s *Site, e entry) {
	s.Fields["ring"] = e.at
	text, ok := d.scalar(e.value, "the name of a ring")
	if ok && text == "" {
		d.add(e.at, "the ring has no name", "name the ring that the site follows")
	}
	s.Ring = text
}

func readCluster(d *decoder, s *Site, e entry) {
	s.Fields["cluster"] = e.at
	text, ok := d.scalar(e.value, "the name of a context in the kubeconfig")
	switch {
	case !ok:
	case text == "":
		d.add(e.at, "the cluster has no name", "name a context of the kubeconfig, or leave the key out for the current one")
	case len(text) > maxContext:
		d.add(e.at, fmt.Sprintf("the name of a context has at most %d characters, and this one has %d", maxContext, len(text)), "")
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		d.add(e.at, "the name of the context contains an unprintable character", "remove it")
	default:
		s.Cluster = text
	}
}

func readNamespace(d *decoder, s *Site, e entry) {
	s.Fields["namespace"] = e.at
	if text, ok := d.scalar(e.value, "the name of a namespace"); ok && d.check(e.at, namespaceProblem(text)) {
		s.Namespace = text
	}
}

func namespaceProblem(name string) *problem {
	switch {
	case len(name) > maxNamespace:
		return &problem{fmt.Sprintf("the name of a namespace has at most %d characters, and this one has %d", maxNamespace, len(name)), ""}
	case strings.HasPrefix(name, "kube-"):
		return &problem{"the namespace " + quote(name) + " belongs to Kubernetes itself", "choose another namespace"}
	case !ringName.MatchString(name):
		return &problem{quote(name) + " is not a valid name for a namespace", respell(name, "lower-case letters and digits, with - between them")}
	}
	return nil
}

func readSiteRegistry(d *decoder, s *Site, e entry) {
	s.Fields["registry"] = e.at
	if text, ok := d.string(e.value); ok && d.check(e.at, registryProblem(text)) {
		s.Registry = text
	}
}

func readScope(d *decoder, s *Site, e entry) {
	s.Fields["scope"] = e.at
	s.Scope = oneWord(d, e, "a scope", ScopeNamespace, ScopeCluster)
}

func readDowngrade(d *decoder, s *Site, e entry) {
	s.Fields["downgrade"] = e.at
	s.Downgrade = oneWord(d, e, "a way to downgrade", DowngradeNever, DowngradeAuto)
}

// oneWord reads one of a few words; the first stands for a wrong one.
func oneWord[T ~string](d *decoder, e entry, what string, words ...T) T {
	known := make([]string, len(words))
	for i, word := range words {
		known[i] = string(word)
	}
	text, ok := d.scalar(e.value, strings.Join(known, " or "))
	if !ok {
		return words[0]
	}
	if at := slices.Index(known, text); at >= 0 {
		return words[at]
	}
	d.add(e.at, quote(text)+" is not "+what, d.nearest(text, known, "known: "))
	return words[0]
}
