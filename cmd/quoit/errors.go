package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moby/buildkit/solver/errdefs"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/registry"
)

// report prints an error with the excerpts that it carries and returns the exit
// code that it means.
func report(err error) int {
	if err == nil {
		return 0
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	printError(os.Stderr, err)
	var usage *usageError
	var moved *registry.MovedError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &moved):
		return exitMoved
	}
	return exitFailed
}

// printError shows each mistake with its place. Mistakes in a manifest are
// shown together; every other error of a join by itself.
func printError(out io.Writer, err error) {
	if len(diag.All(err)) > 0 {
		diag.Render(out, err)
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			printError(out, part)
		}
		return
	}
	for _, source := range errdefs.Sources(err) {
		// A failure to print an excerpt must not hide the error itself.
		_ = source.Print(out)
	}
	fmt.Fprintln(out, "error:", err)
}

// exitCode is an "error" that is only a code: what there was to say was said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError says that the command line is wrong.
type usageError struct{ error }

func usagef(format string, values ...any) error {
	return &usageError{fmt.Errorf(format, values...)}
}
