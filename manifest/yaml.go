package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/internal/diag"
)

// parseYAML returns the first document, nil if there is none, and the
// beginning of the second if there is one.
func parseYAML(data []byte) (doc, more *yaml.Node, err error) {
	// The YAML parser panics on internal inconsistencies ("please report"),
	// and the file comes from anybody.
	defer func() {
		if p := recover(); p != nil {
			doc, more, err = nil, nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	first, second := new(yaml.Node), new(yaml.Node)
	if err := dec.Decode(first); errors.Is(err, io.EOF) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	if err := dec.Decode(second); errors.Is(err, io.EOF) {
		return first, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	return first, second, nil
}

// value is a node with its alias resolved, and where the user wrote it.
type value struct {
	node *yaml.Node
	at   diag.Range
}

// entry is one key of a mapping and its value.
type entry struct {
	key   string
	keyAt diag.Range
	value
}

// value resolves n. An empty value has no place of its own: it is at its key.
func (d *decoder) value(n *yaml.Node, keyAt diag.Range) value {
	v := value{node: n, at: d.rangeOf(n)}
	if n.Kind == yaml.AliasNode {
		v.node = n.Alias
	}
	if isNull(n) && n.Value == "" {
		v.at = keyAt
	}
	return v
}

// entries returns the keys of a mapping in the order written, followed by what
// merge keys add. It reports duplicates, and whether v is a mapping.
func (d *decoder) entries(v value, expected string) ([]entry, bool) {
	if v.node.Kind != yaml.MappingNode {
		d.wrong(v, expected)
		return nil, false
	}
	return d.merged(v, map[*yaml.Node]bool{}), true
}

// merged returns the keys of a mapping; around are the mappings that are being
// merged already.
func (d *decoder) merged(v value, around map[*yaml.Node]bool) []entry {
	if around[v.node] {
		d.add(v.at, "this mapping merges itself", "remove the merge key, or name another anchor")
		return nil
	}
	around[v.node] = true
	defer delete(around, v.node)
	var out []entry
	var sources []value
	seen := map[string]diag.Range{}
	for i := 0; i+1 < len(v.node.Content) && d.spend(1, v.at); i += 2 {
		keyNode := d.value(v.node.Content[i], v.at)
		e := entry{keyAt: keyNode.at, value: d.value(v.node.Content[i+1], keyNode.at)}
		if !isScalar(keyNode.node) {
			d.add(e.keyAt, "a key is a string, and here it is "+describe(keyNode.node), "")
			continue
		}
		e.key = keyNode.node.Value
		first, twice := seen[e.key]
		if twice {
			d.add(e.keyAt, "the key "+quote(e.key)+" is written twice", "remove one of them",
				diag.Related{Range: first, Message: "the first is here"})
			continue
		}
		seen[e.key] = e.keyAt
		if keyNode.node.Tag == "!!merge" {
			sources = append(sources, d.mergeSources(e.value)...)
			continue
		}
		out = append(out, e)
	}
	for _, source := range sources {
		for _, e := range d.merged(source, around) {
			if _, own := seen[e.key]; !own && d.spend(1, v.at) {
				seen[e.key] = e.keyAt
				out = append(out, e)
			}
		}
	}
	return out
}

// mergeSources returns the mappings that a merge key names.
func (d *decoder) mergeSources(v value) []value {
	items := []value{v}
	if v.node.Kind == yaml.SequenceNode {
		items = items[:0]
		for _, n := range v.node.Content {
			if !d.spend(1, v.at) {
				break
			}
			items = append(items, d.value(n, v.at))
		}
	}
	var sources []value
	for _, item := range items {
		if item.node.Kind != yaml.MappingNode {
			d.wrong(item, "a mapping, or a list of mappings, to merge")
			continue
		}
		sources = append(sources, item)
	}
	return sources
}

// items returns the values of a list.
func (d *decoder) items(v value, expected string) ([]value, bool) {
	if v.node.Kind != yaml.SequenceNode {
		d.wrong(v, expected)
		return nil, false
	}
	var out []value
	for _, n := range v.node.Content {
		if !d.spend(1, v.at) {
			break
		}
		out = append(out, d.value(n, v.at))
	}
	return out, true
}

// spend counts values against the bound that keeps aliases from multiplying.
func (d *decoder) spend(n int, at diag.Range) bool {
	d.spent += n
	if d.spent <= maxValues {
		return true
	}
	if !d.exhausted {
		d.exhausted = true
		d.add(at, fmt.Sprintf("with its aliases and defaults expanded, the manifest holds more than %d values", maxValues),
			"use fewer anchors inside anchors")
	}
	return false
}

func isNull(n *yaml.Node) bool   { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
func isScalar(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode }

// describe says what a node is, for "expected …, found …".
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	switch n.Tag {
	case "!!str", "!!timestamp":
		return "the string " + quote(n.Value)
	case "!!int", "!!float":
		return "the number " + shorten(n.Value)
	case "!!bool":
		return "the boolean " + shorten(n.Value)
	}
	return "a value with the tag " + quote(strings.TrimSpace(n.Tag))
}
