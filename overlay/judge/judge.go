// Package judge holds the images that overlays name to those of a release: a cluster would
// take what the project has no longer from Docker Hub.
package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/overlay"
	"github.com/quoitbuild/quoit/versioning"
)

// Release is what overlays may name.
type Release struct {
	Project   string
	Images    []string                      // names
	Retired   map[string]versioning.Version // see [versioning.Release.Retired]
	Externals map[string]bool               // references, with a tag
}

// Finding is a place that names what the release does not have.
type Finding struct {
	overlay.Use
	Message, Hint string
	// Wrong says that the project had or would have such an image; others are just alike.
	Wrong bool
}

// Judge returns what is the matter with the places of a release's overlays, in their order.
func Judge(release Release, uses []overlay.Use) (findings []Finding) {
	replaced := map[string]bool{}
	for _, use := range uses {
		if use.Replaced {
			replaced[repositoryOf(use.Image)] = true
		}
	}
	for _, use := range uses {
		if replaced[repositoryOf(use.Image)] {
			continue
		}
		if message, hint, wrong := release.say(use.Image); message != "" {
			findings = append(findings, Finding{use, message, hint, wrong})
		}
	}
	return findings
}

// say says what is the matter with an image that an overlay names, "" for nothing. It is
// understood as it is when the release is deployed.
func (r Release) say(image string) (message, hint string, wrong bool) {
	if strings.ContainsAny(image, "$<") {
		return "", "", false // a value takes its place
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || r.Externals[reference.TagNameOnly(named).String()] {
		return "", "", false
	}
	name := repositoryOf(image)
	if strings.Contains(name, "/") {
		if name, wrong = r.ours(name); !wrong {
			return "", "", false
		}
	}
	version, retired := r.Retired[name]
	switch {
	case slices.Contains(r.Images, name):
		return "", "", false
	case retired:
		message = fmt.Sprintf("the image %q is not in the release, %s was its last version", image, version)
		wrong = true
	default:
		message = fmt.Sprintf("the image %q is not in the release", image)
	}
	near := diag.Nearest(name, r.Images)
	if !wrong {
		at := slices.IndexFunc(r.Images, func(other string) bool { return oneOff(name, other) })
		if at < 0 {
			return "", "", false
		}
		near = r.Images[at]
	}
	if near == "" {
		return message, fmt.Sprintf("name one of %s; of Docker Hub it is %s", r.Project, reference.TagNameOnly(named)), wrong
	}
	return message, fmt.Sprintf("did you mean %q? As it stands it is %s", near, reference.TagNameOnly(named)), wrong
}

// ours returns the name of an image of the project that is written with its project.
func (r Release) ours(repository string) (name string, ours bool) {
	before, name, found := strings.Cut("/"+repository, "/"+r.Project+"/")
	registry, _, _ := strings.Cut(strings.TrimPrefix(before, "/"), "/")
	if !found || name == "" || strings.Contains(name, "/") || registry != "" && registry != "localhost" && !strings.ContainsAny(registry, ".:") {
		return "", false
	}
	return name, true
}

// repositoryOf is a reference without tag and digest.
func repositoryOf(image string) string {
	repository, _, _ := strings.Cut(image, "@")
	if slash, colon := strings.LastIndex(repository, "/"), strings.LastIndex(repository, ":"); colon > slash {
		repository = repository[:colon]
	}
	return repository
}

// oneOff tells whether two words differ by one letter, or by two that have changed places.
func oneOff(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if a == b || len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// Diagnostic is the finding at its place, with its line for an excerpt.
func (f Finding) Diagnostic() diag.Diagnostic {
	const high = 10_000 // lines that stand for what is not known of the file
	source := &diag.Source{Name: f.Use.File}
	if f.Use.Line < high {
		source.Data = []byte(strings.Repeat("\n", f.Use.Line-1) + f.Use.Text + "\n")
	}
	start := diag.Position{Line: f.Use.Line, Column: len([]rune(f.Use.Text[:min(f.Use.Column-1, len(f.Use.Text))])) + 1}
	return diag.Diagnostic{
		Source: source, Range: diag.Range{Start: start, End: diag.Position{Line: f.Use.Line, Column: start.Column + len([]rune(f.Use.Image))}},
		Message: f.Message, Hint: f.Hint,
	}
}
