package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/store"
)

// What another run of the same command mends has a code of its own.
func TestWhatToRunAgain(t *testing.T) {
	for _, err := range []error{
		&store.MovedError{}, &store.ParentError{}, &store.TakenError{}, &store.UnheldError{}, &store.VoidError{},
		fmt.Errorf("%w; this could not be recorded: %w", &store.TakenError{}, errors.New("403")),
	} {
		if code := report(io.Discard, &store.PublishError{Err: err}); code != exitMoved {
			t.Errorf("%T: exit code %d", err, code)
		}
	}
	if code := report(io.Discard, &store.PublishError{Err: &store.UnlistedError{}}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

func TestErrorsDoNotWriteToTheTerminal(t *testing.T) {
	var out strings.Builder
	printError(&out, errors.New("failed to solve: \x1b]0;owned\a \x9b2J \xff\tünï \u202e\u2066"))
	if want := "error: \\x1b]0;owned\\x07 \\x9b2J \\xff\tünï \\u202e\\u2066\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
	out.Reset()
	printError(&out, errors.New(strings.Repeat("x", 100000)+"\nlast"))
	if !strings.HasSuffix(out.String(), "x…\nlast\n") || len(out.String()) > 2100 {
		t.Errorf("%d bytes", out.Len())
	}
}

func TestFailedGatesShowTheirLastLines(t *testing.T) {
	var out strings.Builder
	failed := &gate.Error{Ring: "users", Image: "smoke 1.4.2", Problem: "failed with exit code 3", Output: []string{"one", "\x1b[2J"}}
	printError(&out, fmt.Errorf("shift: %w", failed))
	want := "smoke 1.4.2 printed at last:\n  one\n  \\x1b[2J\nerror: shift: gate of ring users: smoke 1.4.2 failed with exit code 3\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

// TestABuildThatEndsBeforeItPublishes: its mistakes are all shown as they are, and of what
// could not be done it is said that nothing was written, or nothing of it if what others
// have left undone was.
func TestABuildThatEndsBeforeItPublishes(t *testing.T) {
	for _, test := range []struct {
		err         *endedError
		prints, end string
	}{
		{&endedError{errors.Join(errors.New("one"), errors.New("two")), false}, "error: one\nerror: two\n", "interrupted: nothing was written"},
		{&endedError{errors.New("one"), false}, "error: one (nothing was written)\n", "interrupted: nothing was written"},
		{&endedError{errors.New("one"), true}, "error: one (nothing of it was written)\n", "interrupted: nothing of it was written"},
	} {
		var out strings.Builder
		printError(&out, test.err)
		if out.String() != test.prints {
			t.Errorf("got  %s\nwant %s", out.String(), test.prints)
		}
		if end := interruption(test.err); end != test.end {
			t.Errorf("got  %s\nwant %s", end, test.end)
		}
	}
	s := newShop(t, "")
	s.files()
	s.fails(exitFailed, []string{"build", "--push"}, "BuildKit does not answer at unix:///nowhere.sock", " (nothing was written)\n")
}
