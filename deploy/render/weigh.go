package render

import (
	"bytes"
	"fmt"
	"math"

	"go.yaml.in/yaml/v3"
)

// Bounds of the YAML that kustomize reads, with aliases, merge keys and what several
// kustomizations name expanded: 700 bytes of aliases can be half a billion values.
// Within them kustomize takes less memory than a site's Job has.
const (
	maxValues = 500_000
	maxBytes  = 64 << 20 // of the texts among them
	maxLevels = 500      // of nested YAML
)

// weight is how much a document is once it is expanded.
type weight struct {
	values, bytes, levels int
}

// plus adds without overflow. What lies beside each other is as deep as the deepest.
func (w weight) plus(other weight) weight {
	const most = math.MaxInt32
	return weight{min(w.values+other.values, most), min(w.bytes+other.bytes, most), max(w.levels, other.levels)}
}

// check says which bound is exceeded.
func (w weight) check() error {
	switch {
	case w.levels > maxLevels:
		return fmt.Errorf("this is nested more than %d levels deep, perhaps through aliases", maxLevels)
	case w.values > maxValues:
		return fmt.Errorf("with its aliases expanded, this is more than %d values: use fewer anchors inside anchors", maxValues)
	case w.bytes > maxBytes:
		return fmt.Errorf("with its aliases expanded, this has more than %d MiB of text: use fewer aliases", maxBytes>>20)
	}
	return nil
}

// crowded reports whether YAML could have more values than are read, before it is
// parsed: that takes a hundred times as much memory.
func crowded(content []byte) bool {
	count := 1
	for _, mark := range []string{"\n", ",", ":", "[", "{", "?"} {
		count += bytes.Count(content, []byte(mark))
	}
	return count > maxValues
}

// weighing are the weights of a document's anchors, in the order in which it is read.
type weighing map[*yaml.Node]weight

// weigh returns the weight of a document. The error names the line at which a bound
// is exceeded.
func weigh(document *yaml.Node) (weight, error) {
	return weighing{}.node(document, 0)
}

func (w weighing) node(n *yaml.Node, level int) (weight, error) {
	if n.Kind == yaml.AliasNode {
		anchored, done := w[n.Alias]
		if !done {
			return weight{}, fmt.Errorf("line %d: the anchor %.80q contains itself", n.Line, n.Value)
		}
		return anchored, at(n, weight{levels: level}.below(anchored))
	}
	total := weight{values: 1, bytes: len(n.Value)}
	if err := at(n, weight{levels: level}); err != nil {
		return weight{}, err
	}
	for _, child := range n.Content {
		inner, err := w.node(child, level+1)
		if err != nil {
			return weight{}, err
		}
		total = total.plus(weight{}.below(inner))
		if err := at(child, total); err != nil {
			return weight{}, err
		}
	}
	if n.Anchor != "" {
		w[n] = total
	}
	return total, nil
}

// below is what is inside of it one level further down.
func (w weight) below(inner weight) weight {
	inner.levels += w.levels + 1
	return inner
}

func at(n *yaml.Node, w weight) error {
	if err := w.check(); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	return nil
}
