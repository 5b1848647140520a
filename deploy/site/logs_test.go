package site

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const printed = `2026-01-02T03:04:05.1Z one
2026-01-02T03:04:05.2Z two
2026-01-02T03:04:05.2Z two again
2026-01-02T03:04:05.2Z and three
2026-01-02T03:04:06Z 
2026-01-02T03:04:06.5Z four
`

// TestAStreamThatBreaks breaks the stream after every byte; the next one begins
// at a whole second, so it has some lines again.
func TestAStreamThatBreaks(t *testing.T) {
	broken := errors.New("broken")
	const want = "one\ntwo\ntwo again\nand three\n\nfour\n"
	for at := range len(printed) {
		var out strings.Builder
		l := logs{out: &out}
		cutOff := printed[:at]
		cutOff = cutOff[:strings.LastIndex(cutOff, "\n")+1] // half a line is not passed on by the API server
		if err := l.read(io.MultiReader(strings.NewReader(cutOff), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Fatalf("after %d bytes: %v", at, err)
		}
		rest := printed
		if l.newest.Second() == 6 {
			rest = printed[strings.Index(printed, "2026-01-02T03:04:06Z"):]
		}
		if err := l.read(strings.NewReader(rest)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("broken after %d bytes (-want +got):\n%s", at, diff)
		}
	}
}

func TestLongLinesAndManyLines(t *testing.T) {
	var out strings.Builder
	l := logs{out: &out}
	long := strings.Repeat("x", 3*longLine)
	if err := l.read(strings.NewReader("2026-01-02T03:04:05Z " + long + "\n" + strings.Repeat("2026-01-02T03:04:06Z short\n", 50))); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 52 || len(lines[0]) > longLine || len(lines[0]) < longLine/2 {
		t.Errorf("%d lines, the first has %d bytes", len(lines), len(lines[0]))
	}
	if kept := l.lines(); len(kept) != lastLines || kept[0] != "short" {
		t.Errorf("kept %q", kept)
	}
}
