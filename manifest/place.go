package manifest

import (
	"bytes"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/internal/diag"
)

const (
	maxToken = 4096 // bytes of one marked token
	maxFlow  = 200  // bytes of one marked [flow list]; more would be quadratic
)

// rangeOf returns where a node is written: the token of a scalar or an alias,
// the first key of a mapping, the dash or the brackets of a list.
func (d *decoder) rangeOf(n *yaml.Node) diag.Range {
	if known, ok := d.ranges[n]; ok {
		return known
	}
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
		if first := n.Content[0]; first.Line == n.Line && first.Column == n.Column && first.Kind == yaml.ScalarNode {
			return d.rangeOf(first)
		}
	}
	start := d.index.Clamp(diag.Position{Line: n.Line, Column: n.Column})
	rest := d.index.Rest(start)
	rest = rest[:min(len(rest), maxToken)]
	skip := properties(rest)
	size := tokenSize(n, rest[skip:])
	if size == 0 && skip > 0 {
		skip, size = 0, len(bytes.TrimRight(rest[:skip], " \t"))
	}
	start.Column += utf8.RuneCount(rest[:skip])
	end := start
	end.Column += utf8.RuneCount(rest[skip : skip+size])
	r := diag.Range{Start: start, End: end}
	d.ranges[n] = r
	return r
}

// properties returns the size of the anchor and the tag before a value.
func properties(text []byte) int {
	at := 0
	for at < len(text) && (text[at] == '&' || text[at] == '!') {
		size := bytes.IndexAny(text[at:], " \t")
		if size < 0 {
			return len(text)
		}
		at += size
		at += len(text[at:]) - len(bytes.TrimLeft(text[at:], " \t"))
	}
	return at
}

// tokenSize returns how many bytes of text belong to the node that begins there.
func tokenSize(n *yaml.Node, text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch {
	case n.Kind == yaml.DocumentNode && bytes.HasPrefix(text, []byte("---")):
		return len("---")
	case n.Kind == yaml.AliasNode:
		return min(len(text), len(n.Value)+1)
	case text[0] == '[' || text[0] == '{':
		return flowSize(text[:min(len(text), maxFlow)])
	case n.Kind != yaml.ScalarNode:
		return 1
	case text[0] == '"' || text[0] == '\'':
		return quotedSize(text)
	case n.Value != "" && bytes.HasPrefix(text, []byte(n.Value)):
		return len(n.Value)
	}
	if comment := bytes.Index(text, []byte(" #")); comment >= 0 {
		text = text[:comment]
	}
	return len(bytes.TrimRight(text, " \t"))
}

// quotedSize returns the size of a quoted scalar, or of its first line.
func quotedSize(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[0] == '"' && text[i] == '\\':
			i++
		case text[i] == text[0] && text[0] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return len(bytes.TrimRight(text, " \t"))
}

// flowSize returns the size of a flow list or mapping that ends on its line,
// and one for any other.
func flowSize(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			i += quotedSize(text[i:]) - 1
		}
	}
	return 1
}
