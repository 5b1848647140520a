package manifest

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/internal/diag"
)

// decoder reads the values of one file.
type decoder struct {
	text
	ranges    map[*yaml.Node]diag.Range
	spent     int
	exhausted bool
}

func newDecoder(src *diag.Source) *decoder {
	return &decoder{
		text: text{
			mistakes: mistakes{src: src, seen: map[mistake]bool{}},
			raw:      bytes.TrimPrefix(src.Data, []byte("\ufeff")),
			index:    diag.NewIndex(src.Data),
		},
		ranges: map[*yaml.Node]diag.Range{},
	}
}

// wrong reports a value of the wrong YAML type.
func (d *decoder) wrong(v value, expected string) {
	hint := ""
	if isScalar(v.node) && !isNull(v.node) && strings.HasPrefix(expected, "a string") {
		hint = "try: " + quote(v.node.Value)
	}
	d.add(v.at, "expected "+expected+", found "+describe(v.node), hint)
}

// string reads a string. A number or a boolean is none.
func (d *decoder) string(v value) (string, bool) {
	if !isScalar(v.node) || v.node.Tag != "!!str" && v.node.Tag != "!!timestamp" {
		d.wrong(v, "a string")
		return "", false
	}
	return v.node.Value, d.noNUL(v)
}

// scalar reads a string, a number or a boolean as it is written.
func (d *decoder) scalar(v value, expected string) (string, bool) {
	if isScalar(v.node) {
		switch v.node.Tag {
		case "!!str", "!!timestamp", "!!int", "!!float", "!!bool":
			return v.node.Value, d.noNUL(v)
		}
	}
	d.wrong(v, expected)
	return "", false
}

func (d *decoder) noNUL(v value) bool {
	if strings.ContainsRune(v.node.Value, 0) {
		d.add(v.at, "this string contains a NUL character", "remove the \\0")
		return false
	}
	return true
}
