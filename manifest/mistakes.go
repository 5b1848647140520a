package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/show"
)

// mistakes collects those of one file.
type mistakes struct {
	src      *diag.Source
	list     diag.List
	seen     map[mistake]bool
	warnings diag.List
}

type mistake struct {
	at      diag.Range
	message string
}

// problem is what is wrong with a value, wherever it stands.
type problem struct{ message, hint string }

// add reports a mistake once, however many aliases lead to it.
func (m *mistakes) add(at diag.Range, message, hint string, related ...diag.Related) {
	if key := (mistake{at, message}); !m.seen[key] && len(m.list) < maxMistakes {
		m.seen[key] = true
		m.list.Add(diag.Diagnostic{Source: m.src, Range: at, Message: message, Hint: hint, Related: related})
	}
}

// check reports p, if it is one, and whether all is well.
func (m *mistakes) check(at diag.Range, p *problem) bool {
	if p != nil {
		m.add(at, p.message, p.hint)
	}
	return p == nil
}

func (m *mistakes) warn(at diag.Range, message, hint string) {
	if len(m.warnings) < maxMistakes {
		m.warnings.Add(diag.Diagnostic{Source: m.src, Range: at, Message: message, Hint: hint})
	}
}

// reportedAt reports whether there is a mistake at just that range.
func (m *mistakes) reportedAt(at diag.Range) bool {
	return slices.ContainsFunc(m.list, func(known diag.Diagnostic) bool { return known.Range == at })
}

// hintedMistakes bounds the search for near words in a file full of mistakes.
const hintedMistakes = 100

// nearest returns the hint for a word that is none of the known ones.
func (m *mistakes) nearest(word string, known []string, otherwise string) string {
	if len(m.list) > hintedMistakes || len(known) == 0 {
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
