package llb

import (
	"bytes"
	"os"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Spelling remembers which names a container file spells out as Docker Hub's:
// the compiler sees "redis" and "docker.io/library/redis" as the same.
type Spelling struct{ hub map[string]bool }

// NewSpelling looks at the places of a container file where an image can be
// named, with its arguments' values. A file that does not parse has no spelling;
// its compile reports why.
func NewSpelling(file []byte, args map[string]string) Spelling {
	s := Spelling{hub: map[string]bool{}}
	parsed, err := parser.Parse(bytes.NewReader(file))
	if err != nil {
		return s
	}
	values := map[string]string{}
	for _, node := range parsed.AST.Children {
		for _, ref := range imageReferences(node, values, args) {
			s.note(os.Expand(ref, func(name string) string {
				name, _, _ = strings.Cut(name, ":")
				return values[name]
			}))
		}
	}
	return s
}

// imageReferences are the texts of an instruction that name an image, and of an
// ARG the value that later ones may use.
func imageReferences(node *parser.Node, values, args map[string]string) []string {
	var refs []string
	switch strings.ToLower(node.Value) {
	case command.Arg:
		for word := node.Next; word != nil; word = word.Next {
			name, value, _ := strings.Cut(word.Value, "=")
			if given, ok := args[name]; ok {
				value = given
			}
			values[name] = strings.Trim(value, `"'`)
		}
	case command.From:
		if node.Next != nil {
			refs = append(refs, node.Next.Value)
		}
	case command.Onbuild:
		if node.Next != nil && len(node.Next.Children) > 0 {
			return imageReferences(node.Next.Children[0], values, args)
		}
	}
	for _, flag := range node.Flags {
		name, value, _ := strings.Cut(flag, "=")
		switch name {
		case "--from":
			refs = append(refs, value)
		case "--mount":
			for _, field := range strings.Split(value, ",") {
				if from, ok := strings.CutPrefix(strings.Trim(field, `"`), "from="); ok {
					refs = append(refs, from)
				}
			}
		}
	}
	return refs
}

// note remembers a reference that has a bare name, but was written with more.
func (s Spelling) note(ref string) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil || !strings.Contains(strings.SplitN(ref, ":", 2)[0], "/") {
		return
	}
	if name, ok := strings.CutPrefix(named.Name(), "docker.io/library/"); ok {
		s.hub[name] = true
	}
}
