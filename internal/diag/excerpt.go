package diag

import (
	"slices"
	"strings"
	"unicode"

	"github.com/quoitbuild/quoit/internal/show"
)

const (
	tabWidth = 4
	maxWidth = 100 // of the text that is shown of one line
)

// width is the number of terminal cells of a shown character.
func width(shown string) int {
	cells := 0
	for _, r := range shown {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case wide(r):
			cells += 2
		default:
			cells++
		}
	}
	return cells
}

func wide(r rune) bool {
	return r >= 0x1100 && r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf ||
		r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
		r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd
}

// excerpt is one line as it is shown: the text, and where the marker stands
// under it, in cells.
type excerpt struct {
	text       string
	from, size int
}

// cut shows a line around the columns from..to (1-based, to exclusive).
func cut(line []byte, from, to int) excerpt {
	masked := show.Mask(string(line))
	runes, shown := []rune(masked), slices.Collect(show.Characters(masked))
	from = min(max(from, 1), len(runes)+1) - 1
	to = min(max(to-1, from+1), max(len(runes), from+1))
	first := window(len(runes), from)
	for first > 0 && first < from && width(shown[first]) == 0 {
		first++ // a mark without its character
	}
	var b strings.Builder
	var out excerpt
	cells := 0
	if first > 0 {
		b.WriteString("...")
		cells = 3
	}
	begin := cells
	last := first
	for ; last < len(runes) && cells-begin < maxWidth; last++ {
		if last == from {
			out.from = cells
		}
		cell := shown[last]
		if runes[last] == '\t' {
			cell = strings.Repeat(" ", tabWidth-cells%tabWidth)
		}
		b.WriteString(cell)
		cells += width(cell)
		if last >= from && last < to {
			out.size = cells - out.from
		}
	}
	if from >= last {
		out.from = cells
	}
	out.size = max(out.size, 1)
	out.text = strings.TrimRight(b.String(), " ")
	if last < len(runes) {
		out.text = b.String() + "..."
	}
	return out
}

// window returns the first of so many characters to show, so that the one at
// from and what follows is seen.
func window(characters, from int) int {
	if characters <= maxWidth || from <= maxWidth/2 {
		return 0
	}
	return min(from-maxWidth/3, max(0, characters-maxWidth))
}
