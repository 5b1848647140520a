package manifest

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/show"
)

// decoder collects the mistakes of one file.
type decoder struct {
	src       *diag.Source
	text      []byte // without a byte order mark
	index     *diag.Index
	list      diag.List
	seen      map[mistake]bool
	warnings  diag.List
	ranges    map[*yaml.Node]diag.Range
	spent     int
	exhausted bool
}

type mistake struct {
	at      diag.Range
	message string
}

// problem is what is wrong with a value, wherever it stands.
type problem struct{ message, hint string }

func newDecoder(src *diag.Source) *decoder {
	return &decoder{
		src:    src,
		text:   bytes.TrimPrefix(src.Data, []byte("\ufeff")),
		index:  diag.NewIndex(src.Data),
		seen:   map[mistake]bool{},
		ranges: map[*yaml.Node]diag.Range{},
	}
}

// add reports a mistake once, however many aliases lead to it.
func (d *decoder) add(at diag.Range, message, hint string, related ...diag.Related) {
	if key := (mistake{at, message}); !d.seen[key] && len(d.list) < maxMistakes {
		d.seen[key] = true
		d.list.Add(diag.Diagnostic{Source: d.src, Range: at, Message: message, Hint: hint, Related: related})
	}
}

// check reports p, if it is one, and whether all is well.
func (d *decoder) check(at diag.Range, p *problem) bool {
	if p != nil {
		d.add(at, p.message, p.hint)
	}
	return p == nil
}

func (d *decoder) warn(at diag.Range, message, hint string) {
	if len(d.warnings) < maxMistakes {
		d.warnings.Add(diag.Diagnostic{Source: d.src, Range: at, Message: message, Hint: hint})
	}
}

// wrong reports a value of the wrong YAML type.
func (d *decoder) wrong(v value, expected string) {
	hint := ""
	if isScalar(v.node) && !isNull(v.node) && strings.HasPrefix(expected, "text") {
		hint = "try: " + quote(v.node.Value)
	}
	d.add(v.at, "expected "+expected+", found "+describe(v.node), hint)
}

// string reads text. A number or a truth value is not text.
func (d *decoder) string(v value) (string, bool) {
	if !isScalar(v.node) || v.node.Tag != "!!str" && v.node.Tag != "!!timestamp" {
		d.wrong(v, "text")
		return "", false
	}
	return v.node.Value, d.noNUL(v)
}

// scalar reads text, a number or a truth value as it is written.
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
		d.add(v.at, "this text contains a NUL character", "remove the \\0")
		return false
	}
	return true
}

// hintedMistakes bounds the search for near words in a file full of mistakes.
const hintedMistakes = 100

// nearest returns the hint for a word that is none of the known ones.
func (d *decoder) nearest(word string, known []string, otherwise string) string {
	if len(d.list) > hintedMistakes || len(known) == 0 {
		return ""
	}
	if near := diag.Nearest(word, known); near != "" {
		return "try: " + near
	}
	const few = 12
	if len(known) > few {
		return fmt.Sprintf("%s%s, ... (%d)", otherwise, strings.Join(known[:few], ", "), len(known))
	}
	return otherwise + strings.Join(known, ", ")
}

// maxQuoted is how much of a word is shown in an error, in characters.
const maxQuoted = 60

// quote shows a word of the user in an error.
func quote(word string) string { return show.Quote(word, maxQuoted) }

func shorten(word string) string { return show.Cut(word, maxQuoted) }
