// Package diag describes mistakes in files that people write: what is wrong,
// where, and what to try.
//
// The package is pure. A parser collects [Diagnostic] values in a [List] and
// returns it as its error; a command shows that error with [Render].
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/show"
)

// Position is a place in a file. Line and Column begin at 1 and Column counts
// characters, not bytes. A zero Line means the whole file, a zero Column the
// whole line.
type Position struct{ Line, Column int }

// Range is a piece of a file. End is exclusive; a zero End means the one
// character at Start.
type Range struct{ Start, End Position }

// IsZero reports whether the range means the whole file.
func (r Range) IsZero() bool { return r.Start.Line == 0 }

// Source is a file as the user knows it: Name is its relative path.
type Source struct {
	Name string
	Data []byte
}

// Related is a second place that helps to understand a mistake.
// A nil Source means the source of the diagnostic.
type Related struct {
	Source  *Source
	Range   Range
	Message string
}

// Diagnostic is one mistake. Message says what is wrong and Hint what to try;
// a Hint that begins with "try: " holds nothing but text to write instead.
type Diagnostic struct {
	Source  *Source
	Range   Range
	Message string
	Hint    string
	Related []Related
}

// Error returns the mistake as one line: "quoit.yaml:12:5: message (hint)".
// Control characters are escaped and credentials are masked.
func (d Diagnostic) Error() string {
	text := printable(d.Message)
	if d.Hint != "" {
		text += " (" + printable(d.Hint) + ")"
	}
	if where := d.where(); where != "" {
		return where + ": " + text
	}
	return text
}

func (d Diagnostic) where() string { return location(d.Source, d.Range) }

func (d Diagnostic) name() string {
	if d.Source == nil {
		return ""
	}
	return d.Source.Name
}

func location(src *Source, r Range) string {
	if src == nil {
		return ""
	}
	name := printable(src.Name)
	switch {
	case r.Start.Line == 0:
		return name
	case r.Start.Column == 0:
		return fmt.Sprintf("%s:%d", name, r.Start.Line)
	}
	return fmt.Sprintf("%s:%d:%d", name, r.Start.Line, r.Start.Column)
}

// List is every mistake that was found, as one error. A list from [List.Err]
// is sorted by file, line and column and holds nothing twice.
type List []Diagnostic

// Error returns one line per mistake.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the mistakes, so that errors.As finds a [Diagnostic].
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}
	return errs
}

// Add appends one mistake.
func (l *List) Add(d Diagnostic) { *l = append(*l, d) }

// Err returns nil for an empty list, and a sorted copy without duplicates
// otherwise.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l.Sorted()
}

// Sorted returns a copy in the order file, line, column, message, without
// duplicates.
func (l List) Sorted() List {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, compare)
	return slices.CompactFunc(sorted, func(a, b Diagnostic) bool {
		return compare(a, b) == 0 && a.Range == b.Range && a.Hint == b.Hint
	})
}

func compare(a, b Diagnostic) int {
	return cmp.Or(
		cmp.Compare(a.name(), b.name()),
		cmp.Compare(a.Range.Start.Line, b.Range.Start.Line),
		cmp.Compare(a.Range.Start.Column, b.Range.Start.Column),
		cmp.Compare(a.Message, b.Message),
	)
}

// All returns every diagnostic in the tree of err, in its order.
func All(err error) List {
	var list List
	walk(err, func(d Diagnostic) { list.Add(d) }, func(error) {})
	return list
}

// walk visits the diagnostics in the tree of err, and calls other for each
// branch that holds none.
func walk(err error, found func(Diagnostic), other func(error)) {
	var any Diagnostic
	switch e := err.(type) {
	case nil:
	case Diagnostic:
		found(e)
	case List:
		for _, d := range e {
			found(d)
		}
	case interface{ Unwrap() []error }:
		for _, child := range e.Unwrap() {
			walk(child, found, other)
		}
	default:
		if inner := errors.Unwrap(err); inner != nil && errors.As(inner, &any) {
			walk(inner, found, other)
			return
		}
		other(err)
	}
}

// printable returns text on one line for a terminal, without credentials.
func printable(text string) string { return show.Line(show.Mask(text)) }
