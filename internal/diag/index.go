package diag

import (
	"bytes"
	"unicode/utf8"
)

var byteOrderMark = []byte("\ufeff")

// Index finds lines and columns in a text in constant time. Lines end with LF
// or CR LF. A byte order mark at the beginning does not count as a character.
// An Index is not safe for concurrent use.
type Index struct {
	data  []byte
	lines [][]byte
	runes map[int][]int32
}

// NewIndex reads the lines of data, which must not change afterwards.
func NewIndex(data []byte) *Index {
	data = bytes.TrimPrefix(data, byteOrderMark)
	x := &Index{data: data, runes: map[int][]int32{}}
	for rest := data; ; {
		line, after, more := bytes.Cut(rest, []byte("\n"))
		if more || len(line) > 0 || len(x.lines) == 0 {
			x.lines = append(x.lines, bytes.TrimSuffix(line, []byte("\r")))
		}
		if !more {
			return x
		}
		rest = after
	}
}

// Len returns the number of lines, at least one.
func (x *Index) Len() int { return len(x.lines) }

// Line returns line n without its end, nil if there is none.
func (x *Index) Line(n int) []byte {
	if n < 1 || n > len(x.lines) {
		return nil
	}
	return x.lines[n-1]
}

// Width returns the number of characters in line n.
func (x *Index) Width(n int) int {
	if offsets := x.offsets(n); offsets != nil {
		return len(offsets) - 1
	}
	return len(x.Line(n))
}

// Offset returns the byte in its line at which the character at p begins. What
// lies behind the end of the line is its end.
func (x *Index) Offset(p Position) int {
	column := min(max(p.Column, 1)-1, x.Width(p.Line))
	if offsets := x.offsets(p.Line); offsets != nil {
		return int(offsets[column])
	}
	return column
}

// Rest returns line p.Line from p on.
func (x *Index) Rest(p Position) []byte { return x.Line(p.Line)[x.Offset(p):] }

// Clamp returns the nearest position inside the text. One column behind the
// last character of a line is inside.
func (x *Index) Clamp(p Position) Position {
	line := min(max(p.Line, 1), len(x.lines))
	if line != p.Line {
		return Position{Line: line, Column: x.Width(line) + 1}
	}
	return Position{Line: line, Column: min(max(p.Column, 1), x.Width(line)+1)}
}

// Whole returns the range of line n without the blanks around its text.
func (x *Index) Whole(n int) Range {
	n = min(max(n, 1), len(x.lines))
	line := x.lines[n-1]
	indent := len(line) - len(bytes.TrimLeft(line, " \t"))
	width := utf8.RuneCount(bytes.TrimRight(line, " \t"))
	start := Position{Line: n, Column: min(indent, width) + 1}
	return Range{Start: start, End: Position{Line: n, Column: width + 1}}
}

// offsets returns the byte offsets of the characters of a line and of its end,
// nil if every character is one byte.
func (x *Index) offsets(n int) []int32 {
	if known, ok := x.runes[n]; ok {
		return known
	}
	line := x.Line(n)
	var offsets []int32
	if utf8.RuneCount(line) != len(line) {
		offsets = make([]int32, 0, len(line)+1)
		for at := range string(line) {
			offsets = append(offsets, int32(at))
		}
		offsets = append(offsets, int32(len(line)))
	}
	x.runes[n] = offsets
	return offsets
}
