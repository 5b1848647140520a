package llb

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Names tells which image references mean an image of the project.
type Names struct {
	// Images are the names of the project's images.
	Images map[string]bool
	// Prefixes are the repositories' common beginnings:
	// "registry.example.com/acme/shop/".
	Prefixes []string
}

// Sibling returns the project's image that ref names for the container file of
// an image: by repository with any tag, or by the image's bare name, as
// "FROM base". A file that spells out "docker.io/library/base" means Docker
// Hub's, even if the project has a base of its own.
func (n Names) Sibling(ref string, file Spelling) (name string, ok bool) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", false
	}
	for _, prefix := range n.Prefixes {
		if name, ok := strings.CutPrefix(named.Name(), prefix); ok && n.Images[name] {
			return name, true
		}
	}
	name = strings.TrimPrefix(named.Name(), "docker.io/library/")
	if _, digested := named.(reference.Digested); digested || !n.Images[name] || file.hub[name] {
		return "", false
	}
	tagged, hasTag := named.(reference.Tagged)
	return name, !hasTag || tagged.Tag() == "latest"
}

// Spelling remembers which names a container file spells out as Docker Hub's:
// the compiler sees "redis" and "docker.io/library/redis" as the same.
type Spelling struct{ hub map[string]bool }

var hubName = regexp.MustCompile(`\b(?:docker\.io/(?:library/)?|library/)([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)`)

// NewSpelling reads a container file and the values of its build arguments. A
// file that does not parse has no spelling; its compile reports why.
func NewSpelling(file []byte, args map[string]string) Spelling {
	s := Spelling{hub: map[string]bool{}}
	parsed, err := parser.Parse(strings.NewReader(string(file)))
	if err != nil {
		return s
	}
	for _, node := range parsed.AST.Children {
		s.note(node.Original)
	}
	for _, value := range args {
		s.note(value)
	}
	return s
}

func (s Spelling) note(text string) {
	for _, match := range hubName.FindAllStringSubmatch(text, -1) {
		s.hub[match[1]] = true
	}
}
