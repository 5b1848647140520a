// Package show makes text that others wrote safe to print on a terminal, and
// readable there.
//
// Manifests, log records, registries, clusters and the output of builds are
// written by anybody. Their text may hold escape sequences, characters that turn
// the rest of a line around, or characters that nobody can see. Print them with
// [Line] where one line is expected, with [Block] where there may be several, or
// through a [Writer]; bound what stands in a table or a sentence with [Short];
// take credentials out with [Mask]. This is the only place that decides what is
// shown as it is.
//
// Letters, digits, marks, punctuation, symbols and the ASCII space are shown as
// they are. Everything else is escaped as Go writes it in a string: a byte that
// is not UTF-8 as \x9b, a character as \u202e. A backslash is not escaped, so
// the escapes are for people: programs read the JSON.
//
// Three kinds of printable characters are escaped too: those that nobody sees,
// like the Hangul fillers; a mark with nothing to stand on, which would change
// the character printed before the text; and the fifth mark on one character,
// which would reach into other lines. So an é of two characters is shown, and
// so is the selector that colours a symbol (❤️); an emoji joined of several is
// shown as its parts.
package show

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line returns text as one line: line feeds and tabs are escaped too. A line
// that Line has returned stays as it is.
func Line(text string) string {
	var b strings.Builder
	for shown := range Characters(text) {
		b.WriteString(shown)
	}
	return b.String()
}

// Characters yields how [Line] shows each character of text, in order; a byte
// that is not UTF-8 counts as one.
func Characters(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var before previous
		for len(text) > 0 {
			r, size := utf8.DecodeRuneInString(text)
			if !yield(before.show(r, text[:size])) {
				return
			}
			text = text[size:]
		}
	}
}

// JSON returns the same JSON document with what [Line] escapes inside of its
// strings escaped as \u202e, so that no value in it reaches the terminal. The
// document has to be valid, as package json writes it.
func JSON(document []byte) []byte {
	var b bytes.Buffer
	var before previous
	for len(document) > 0 {
		r, size := utf8.DecodeRune(document)
		raw := string(document[:size])
		switch {
		case r == '\n' || r == '\t' || r == '\r' || before.show(r, raw) == raw:
			b.WriteString(raw)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
		document = document[size:]
	}
	return b.Bytes()
}

// longLine is how much [Block] shows of one line, in characters.
const longLine = 2000

// Block returns text as it is, line by line: line feeds and tabs are kept, and
// everything else is as in [Line]. Of a line it shows 2,000 characters at most,
// an ellipsis the last of them.
func Block(text string) string {
	var b strings.Builder
	var p page
	p.write(&b, text)
	return b.String()
}

// page is how far a block of text has been written.
type page struct {
	column int
	before previous
}

func (p *page) write(b *strings.Builder, text string) {
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		p.column++
		switch {
		case r == '\n':
			*p = page{}
			b.WriteByte('\n')
		case p.column > longLine:
		case p.column == longLine:
			b.WriteRune('…')
		case r == '\t':
			p.before = previous{}
			b.WriteByte('\t')
		default:
			b.WriteString(p.before.show(r, text[:size]))
		}
		text = text[size:]
	}
}

// previous is what stands before a character, as far as that matters.
type previous struct {
	base   bool // something that can take a mark
	symbol bool // and it is a symbol, without a mark
	marks  int
}

const (
	maxMarks   = 4        // on one character; writing systems in use need no more
	emojiStyle = '\ufe0f' // asks for the coloured form of the symbol before it
)

// show returns r as it is shown there; raw is how it was written.
func (p *previous) show(r rune, raw string) string {
	if !p.takes(r) || r == utf8.RuneError && len(raw) == 1 {
		*p = previous{}
		return escape(r, raw)
	}
	return raw
}

func (p *previous) takes(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		*p = previous{base: r != ' '}
		return r >= ' ' && r != 0x7f
	case r == emojiStyle:
		symbol := p.symbol
		p.symbol = false
		return symbol
	case invisible(r):
		return false
	case unicode.Is(unicode.M, r):
		p.symbol = false
		p.marks++
		return p.base && p.marks <= maxMarks
	}
	*p = previous{base: true, symbol: unicode.In(r, unicode.So, unicode.Sm)}
	return unicode.IsPrint(r)
}

// invisible reports whether a character takes no ink although Unicode counts it
// as a letter, mark or symbol.
func invisible(r rune) bool {
	const brailleBlank, nullNotehead, khitanFiller = '\u2800', '\U0001d159', '\U00016fe4'
	return r == brailleBlank || r == nullNotehead || r == khitanFiller ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func escape(r rune, raw string) string {
	switch {
	case len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
