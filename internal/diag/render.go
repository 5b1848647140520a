package diag

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// shownMistakes is how many mistakes are shown with an excerpt; nobody reads on.
const shownMistakes = 50

// Render shows an error to a person: each mistake with the lines it is in, a
// marker under its columns, and what to try; at the end how many there are.
// What is no [Diagnostic] is written as it is, before the mistakes. The output
// has no colours, escapes control characters and masks credentials.
func Render(w io.Writer, err error) {
	var list List
	var rest []error
	walk(err, func(d Diagnostic) { list.Add(d) }, func(e error) { rest = append(rest, e) })
	for _, e := range rest {
		for line := range strings.SplitSeq(e.Error(), "\n") {
			_, _ = io.WriteString(w, printable(line)+"\n")
		}
	}
	render(w, list, "", "mistake")
}

// RenderWarnings shows warnings as [Render] shows mistakes.
func RenderWarnings(w io.Writer, list List) { render(w, list, "warning: ", "warning") }

func render(w io.Writer, list List, prefix, noun string) {
	if len(list) == 0 {
		return
	}
	list = list.Sorted()
	p := printer{indexes: map[*Source]*Index{}}
	for i, d := range list {
		if i == shownMistakes {
			fmt.Fprintf(&p.out, "... and %d more\n\n", len(list)-i)
			break
		}
		p.diagnostic(d, prefix)
		p.out.WriteString("\n")
	}
	p.out.WriteString(total(list, noun) + "\n")
	_, _ = w.Write(p.out.Bytes())
}

// total counts: "3 mistakes in quoit.yaml".
func total(list List, noun string) string {
	files := map[string]bool{}
	for _, d := range list {
		files[d.name()] = true
	}
	text := count(len(list), noun)
	switch {
	case len(files) > 1:
		return text + " in " + count(len(files), "file")
	case list[0].name() != "":
		return text + " in " + printable(list[0].name())
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printer writes excerpts; each file is indexed once.
type printer struct {
	out     bytes.Buffer
	indexes map[*Source]*Index
}

func (p *printer) diagnostic(d Diagnostic, prefix string) {
	head := prefix + printable(d.Message)
	if where := d.where(); where != "" {
		head = where + ": " + head
	}
	p.out.WriteString(head + "\n")
	note := hint(d.Hint)
	gutter := p.gutter(d)
	if !p.excerpt(d.Source, d.Range, '^', note, gutter, true) && note != "" {
		p.out.WriteString("  " + note + "\n")
	}
	for _, r := range d.Related {
		p.related(d, r, gutter)
	}
}

func (p *printer) related(d Diagnostic, r Related, gutter int) {
	if r.Source != nil && r.Source != d.Source {
		fmt.Fprintf(&p.out, "%s: %s\n", location(r.Source, r.Range), printable(r.Message))
		p.excerpt(r.Source, r.Range, '-', "", gutter, false)
		return
	}
	if !p.excerpt(d.Source, r.Range, '-', printable(r.Message), gutter, false) {
		p.out.WriteString("  " + printable(r.Message) + "\n")
	}
}

// excerpt writes the line of a range, a marker and a note under it, and with
// context the line before. It reports whether there is such a line.
func (p *printer) excerpt(src *Source, r Range, mark byte, note string, gutter int, context bool) bool {
	if src == nil || r.IsZero() || p.index(src).Line(r.Start.Line) == nil {
		return false
	}
	x := p.index(src)
	if r.Start.Column == 0 {
		r = x.Whole(r.Start.Line)
	}
	line, n := x.Line(r.Start.Line), r.Start.Line
	if before := x.Line(n - 1); context && len(bytes.TrimSpace(before)) > 0 {
		p.line(gutter, n-1, cut(before, 1, 1).text)
	}
	to := r.End.Column
	if r.End.Line > n {
		to = x.Whole(n).End.Column
	}
	e := cut(line, r.Start.Column, to)
	p.line(gutter, n, e.text)
	marker := strings.Repeat(" ", e.from) + strings.Repeat(string(mark), e.size)
	if note != "" {
		marker += " " + note
	}
	fmt.Fprintf(&p.out, "%*s | %s\n", gutter, "", marker)
	return true
}

func (p *printer) line(gutter, n int, text string) {
	fmt.Fprintln(&p.out, strings.TrimRight(fmt.Sprintf("%*d | %s", gutter, n, text), " "))
}

// gutter is the width of the line numbers, at least four cells.
func (p *printer) gutter(d Diagnostic) int {
	highest := d.Range.Start.Line
	for _, r := range d.Related {
		highest = max(highest, r.Range.Start.Line)
	}
	return max(4, len(fmt.Sprint(highest))+1)
}

func (p *printer) index(src *Source) *Index {
	x, ok := p.indexes[src]
	if !ok {
		x = NewIndex(src.Data)
		p.indexes[src] = x
	}
	return x
}

func hint(text string) string {
	if text == "" || strings.HasPrefix(text, "try: ") {
		return printable(text)
	}
	return "hint: " + printable(text)
}
