package llb

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/errdefs"
)

// InReference gives an error the excerpt of the line of an image's container
// file that names a sibling, or of none if no line does.
func InReference(err error, source Source, sibling string) error {
	err = fmt.Errorf("image %s: %w", source.Name, err)
	parsed, parseErr := parser.Parse(strings.NewReader(string(source.Map.Data)))
	if parseErr != nil {
		return err
	}
	word := wordPattern(sibling)
	for _, node := range parsed.AST.Children {
		if word.MatchString(node.Original) {
			return errdefs.WithSource(err, &errdefs.Source{Info: sourceInfo(source), Ranges: pbRanges(node.Location())})
		}
	}
	return err
}

// wordPattern matches an image's name where a container file can name an image.
func wordPattern(name string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[\s=/,])` + regexp.QuoteMeta(name) + `($|[\s:@,/])`)
}
