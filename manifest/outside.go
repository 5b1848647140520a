package manifest

import (
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/internal/diag"
)

// SplitProject reads [REGISTRY/]PROJECT, as "acme/shop" or "registry.example.com/acme/shop".
// REGISTRY is a host, which has a dot or a port or is localhost; registry is "" without one.
// A registry with a path has to be said by itself. The error says what is wrong, and masks
// credentials.
func SplitProject(text string) (registry, project string, err error) {
	project = text
	host, rest, nested := strings.Cut(text, "/")
	if nested && (strings.ContainsAny(host, ".:@") || host == "localhost") {
		registry, project = host, rest
		if p := registryProblem(registry); p != nil {
			return "", "", diag.Diagnostic{Message: p.message, Hint: p.hint}
		}
	}
	if p := projectProblem(project); p != nil {
		return "", "", diag.Diagnostic{Message: p.message, Hint: p.hint}
	}
	return registry, project, nil
}

// At returns a copy of the manifest as somebody outside of it wants it to be: with its
// state in another registry, and only if its project is the one that is meant. Both are ""
// for the manifest's own; project is [REGISTRY/]PROJECT, see [SplitProject].
//
// A registry is only a place, so the one that is given wins. A project's name is what
// labels and overlays call its images by, so another one is a mistake: to go by the name
// that was given would build what nobody else can name, and to go by the manifest's would
// let whoever may change that file choose where its images go.
//
// The error says what is wrong, and masks credentials.
func (m *Manifest) At(registry, project string) (*Manifest, error) {
	if project != "" {
		host, name, err := SplitProject(project)
		if err != nil {
			return nil, err
		}
		if name != m.Project {
			return nil, diag.Diagnostic{
				Source: m.Source, Range: m.Position("project"),
				Message: fmt.Sprintf("this is the manifest of %s, and %s is meant", m.Project, name),
				Hint:    m.otherProject(name),
			}
		}
		if host != "" && registry != "" && registry != host {
			return nil, diag.Diagnostic{
				Message: fmt.Sprintf("the registry is said twice: %s, and %s with the project", shorten(registry), shorten(host)),
				Hint:    "leave one of them out",
			}
		}
		if host != "" {
			registry = host
		}
	}
	if registry == "" {
		return m, nil
	}
	changed := *m
	changed.Registry = registry
	if p := registryProblem(registry); p != nil {
		return nil, diag.Diagnostic{Message: p.message, Hint: p.hint}
	}
	for _, name := range append(m.ImageNames(), Records) {
		if p := repositoryProblem(changed.Repository(name)); p != nil {
			return nil, diag.Diagnostic{Message: p.message, Hint: p.hint}
		}
	}
	return &changed, nil
}

// otherProject says what to do about a project of another name.
func (m *Manifest) otherProject(name string) string {
	if path, found := strings.CutSuffix(name, "/"+m.Project); found {
		return "if " + path + " is the path of a registry, say it with --registry, and the project without it"
	}
	return "the name is fixed from outside, by --project or QUOIT_PROJECT; to publish the same project elsewhere, name another registry"
}
