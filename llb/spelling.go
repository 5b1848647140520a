package llb

import (
	"strings"

	"github.com/distribution/reference"
)

// Spelling remembers which names a container file spells out as Docker Hub's:
// the compiler sees "redis" and "docker.io/library/redis" as the same.
type Spelling struct{ hub map[string]bool }

// NewSpelling looks at the places of a container file where an image can be
// named, with its arguments' values. A file that does not parse has no spelling;
// its compile reports why.
func NewSpelling(file []byte, args map[string]string) Spelling {
	s := Spelling{hub: map[string]bool{}}
	for _, place := range readNamings(file, nil, args).places {
		s.note(place.ref)
	}
	return s
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
