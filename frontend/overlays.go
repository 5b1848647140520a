package frontend

import (
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/overlay"
)

// checkOverlays holds the images that the root image's files name to those of the release:
// a cluster would take what the project has no longer from Docker Hub. What is wrong is a
// mistake, and a warning where nothing is released; what is just alike is a warning.
func (k *known) checkOverlays() error {
	judge := k.newJudge()
	var mistakes diag.List
	root, _ := k.Image(k.Root)
	for _, use := range k.named {
		if judge.replaced[repositoryOf(use.Image)] {
			continue
		}
		message, hint, wrong := judge.say(use.Image)
		switch {
		case message == "":
		case wrong && root.Changed:
			mistakes.Add(inOverlay(use, message, hint))
		default:
			k.Warnings = append(k.Warnings, fmt.Sprintf("%s:%d: %s; %s", use.File, use.Line, message, hint))
		}
	}
	return inManifest(mistakes.Err(), k.source.SourceMap)
}

// judge knows which images there are.
type judge struct {
	*known
	names     []string
	externals map[string]bool // references
	replaced  map[string]bool // names that kustomizations replace
}

func (k *known) newJudge() judge {
	j := judge{known: k, names: k.manifest.ImageNames(), externals: map[string]bool{}, replaced: map[string]bool{}}
	for _, external := range k.manifest.Externals {
		j.externals[external.Reference] = true
	}
	for _, use := range k.named {
		if use.Replaced {
			j.replaced[repositoryOf(use.Image)] = true
		}
	}
	return j
}

// say says what is the matter with an image that an overlay names, "" for nothing. It is
// understood as it is when the release is deployed.
func (j judge) say(image string) (message, hint string, wrong bool) {
	if strings.ContainsAny(image, "$<") {
		return "", "", false // a value takes its place
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || j.externals[reference.TagNameOnly(named).String()] {
		return "", "", false
	}
	name := repositoryOf(image)
	if strings.Contains(name, "/") {
		if name, wrong = j.ours(name); !wrong {
			return "", "", false
		}
	}
	version, retired := j.Retired[name]
	switch {
	case slices.Contains(j.names, name):
		return "", "", false
	case retired:
		message = fmt.Sprintf("the image %q is not in the release, %s was its last version", image, version)
		wrong = true
	default:
		message = fmt.Sprintf("the image %q is not in the release", image)
	}
	near := diag.Nearest(name, j.names)
	if !wrong {
		at := slices.IndexFunc(j.names, func(other string) bool { return oneOff(name, other) })
		if at < 0 {
			return "", "", false
		}
		near = j.names[at]
	}
	if near == "" {
		return message, fmt.Sprintf("name one of %s; of Docker Hub it is %s", j.Project, reference.TagNameOnly(named)), wrong
	}
	return message, fmt.Sprintf("did you mean %q? As it stands it is %s", near, reference.TagNameOnly(named)), wrong
}

// ours returns the name of an image of the project that is written with its project.
func (j judge) ours(repository string) (name string, ours bool) {
	before, name, found := strings.Cut("/"+repository, "/"+j.Project+"/")
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

// inOverlay is a mistake at the place that names an image, with its line for an excerpt.
func inOverlay(use overlay.Use, message, hint string) diag.Diagnostic {
	const high = 10_000 // lines that stand for what is not known of the file
	source := &diag.Source{Name: use.File}
	if use.Line < high {
		source.Data = []byte(strings.Repeat("\n", use.Line-1) + use.Text + "\n")
	}
	start := diag.Position{Line: use.Line, Column: len([]rune(use.Text[:min(use.Column-1, len(use.Text))])) + 1}
	return diag.Diagnostic{
		Source: source, Range: diag.Range{Start: start, End: diag.Position{Line: use.Line, Column: start.Column + len([]rune(use.Image))}},
		Message: message, Hint: hint,
	}
}
