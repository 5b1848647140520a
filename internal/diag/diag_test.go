package diag

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at(line, from, to int) Range {
	return Range{Start: Position{line, from}, End: Position{line, to}}
}

func TestDiagnosticError(t *testing.T) {
	src := &Source{Name: "quoit.yaml"}
	for _, test := range []struct {
		d    Diagnostic
		want string
	}{
		{Diagnostic{Source: src, Range: at(12, 5, 9), Message: "message", Hint: "hint"}, "quoit.yaml:12:5: message (hint)"},
		{Diagnostic{Source: src, Range: at(12, 0, 0), Message: "message"}, "quoit.yaml:12: message"},
		{Diagnostic{Source: src, Message: "message"}, "quoit.yaml: message"},
		{Diagnostic{Message: "message"}, "message"},
		{Diagnostic{Source: src, Message: "a\x1b[31m\nb"}, `quoit.yaml: a\x1b[31m\x0ab`},
		{Diagnostic{Message: "cannot reach https://bob:s3cret@r.example.com/x"}, "cannot reach https://bob:******@r.example.com/x"},
	} {
		if got := test.d.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestListIsSortedAndHoldsNothingTwice(t *testing.T) {
	a, b := &Source{Name: "a"}, &Source{Name: "b"}
	var list List
	if err := list.Err(); err != nil {
		t.Fatalf("an empty list is the error %v", err)
	}
	list.Add(Diagnostic{Source: b, Range: at(1, 1, 2), Message: "5"})
	list.Add(Diagnostic{Source: a, Range: at(10, 1, 2), Message: "4"})
	list.Add(Diagnostic{Source: a, Range: at(9, 5, 6), Message: "3"})
	list.Add(Diagnostic{Source: a, Range: at(9, 2, 6), Message: "2"})
	list.Add(Diagnostic{Source: a, Range: at(9, 2, 6), Message: "2"})
	list.Add(Diagnostic{Source: a, Message: "1"})
	var sorted List
	if !errors.As(fmt.Errorf("reading: %w", list.Err()), &sorted) {
		t.Fatal("the error is no List")
	}
	var got []string
	for _, d := range sorted {
		got = append(got, d.Message)
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5"}, got); diff != "" {
		t.Error(diff)
	}
	if list[0].Message != "5" {
		t.Error("Err changed the list itself")
	}
	var one Diagnostic
	if !errors.As(list.Err(), &one) || one.Message != "1" {
		t.Errorf("errors.As finds %v", one)
	}
	if n := len(All(errors.Join(errors.New("other"), list.Err(), one))); n != 6 {
		t.Errorf("All finds %d diagnostics, want 6", n)
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"context", "file", "target", "args", "labels", "platforms", "version", "depends"}
	for _, test := range []struct {
		word  string
		among []string
		want  string
	}{
		{"contxt", keys, "context"},
		{"cotnext", keys, "context"},
		{"Context", keys, "context"},
		{"platform", keys, "platforms"},
		{"arg", keys, "args"},
		{"dockerfile", keys, ""},
		{"zzz", keys, ""},
		{"", keys, ""},
		{"x", []string{"a", "b"}, ""},
		{"maler", []string{"mailer", "maker"}, "mailer"},
		{"lunix", []string{"windows", "linux"}, "linux"},
		{"größse", []string{"größe"}, "größe"},
		{strings.Repeat("a", 100), []string{strings.Repeat("a", 99)}, ""},
		{"same", []string{"same"}, ""},
	} {
		if got := Nearest(test.word, test.among); got != test.want {
			t.Errorf("Nearest(%q) is %q, want %q", test.word, got, test.want)
		}
	}
}

func TestIndex(t *testing.T) {
	x := NewIndex([]byte("\ufeffa\u00e9b\r\n\nlast"))
	if got, want := x.Len(), 3; got != want {
		t.Fatalf("%d lines, want %d", got, want)
	}
	if got := string(x.Line(1)); got != "a\u00e9b" {
		t.Errorf("line 1 is %q", got)
	}
	if x.Line(0) != nil || x.Line(4) != nil {
		t.Error("there are lines outside of the file")
	}
	if got := string(x.Rest(Position{1, 3})); got != "b" {
		t.Errorf("the rest is %q", got)
	}
	for p, want := range map[Position]Position{
		{1, 4}: {1, 4}, {1, 5}: {1, 4}, {0, 0}: {1, 4}, {2, 7}: {2, 1}, {9, 1}: {3, 5}, {3, 0}: {3, 1},
	} {
		if got := x.Clamp(p); got != want {
			t.Errorf("Clamp(%v) is %v, want %v", p, got, want)
		}
	}
	if n := NewIndex(nil).Len(); n != 1 {
		t.Errorf("an empty file has %d lines, want 1", n)
	}
}
