package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/frontend/secret"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/store"
)

// report prints an error with the excerpts that it carries to out, and returns the
// exit code that it means.
func report(out io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	printError(out, err)
	var usage *usageError
	var refused *refusedError
	var moved *store.MovedError
	var overtaken *store.OvertakenError
	var parent *store.ParentError
	var unheld *store.UnheldError
	var replanned *builder.ReplannedError
	var taken *store.TakenError // also that of a publish that was taken back
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &moved), errors.As(err, &overtaken), errors.As(err, &parent), errors.As(err, &taken), errors.As(err, &unheld),
		errors.As(err, &replanned), siteMoved(err):
		return exitMoved
	}
	return exitFailed
}

// interruption says in one line what became of a command that was interrupted.
func interruption(err error) string {
	const text = "interrupted"
	var unknown *store.UnknownError
	var publishing *store.PublishError
	var known interface{ Becomes() string }
	switch {
	case errors.As(err, &unknown):
		return text + ": " + unknown.Becomes()
	case errors.As(err, &publishing) && publishing.Written > 0: // and taken back
		return text + ": " + publishing.Error()
	case errors.As(err, &known):
		return text + ": " + known.Becomes()
	}
	return text
}

// endedError is one of a command that writes, from before anything of what it is to write.
type endedError struct {
	error
	others bool // something else was written, as [store.Project.Wrote] says
}

func (e *endedError) Unwrap() error { return e.error }

// Becomes says what was written.
func (e *endedError) Becomes() string {
	if e.others {
		return "nothing of it was written"
	}
	return "nothing was written"
}

// printError shows each mistake with its place. Mistakes in a manifest are
// shown together; every other error of a join by itself.
func printError(out io.Writer, err error) {
	became := ""
	if ended := new(endedError); errors.As(err, &ended) {
		err, became = ended.error, " ("+ended.Becomes()+")"
	}
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
	var text strings.Builder
	if len(errdefs.Sources(err)) > 0 {
		became = "" // it is a mistake in a file
	}
	for _, source := range errdefs.Sources(err) {
		// A failure to print an excerpt must not hide the error itself.
		_ = source.Print(&text)
	}
	var failed *gate.Error
	if errors.As(err, &failed) && len(failed.Output) > 0 {
		fmt.Fprintf(&text, "%s printed at last:\n  %s\n", failed.Image, strings.Join(failed.Output, "\n  "))
	}
	var step *site.StepError
	if errors.As(err, &step) && len(step.Lines) > 0 {
		fmt.Fprintf(&text, "%s printed at last:\n  %s\n", step.Step, strings.Join(step.Lines, "\n  "))
	}
	fmt.Fprintln(&text, "error:", strings.TrimPrefix(err.Error(), "failed to solve: ")+became)
	_ = printText(out, text.String()) // nobody to tell
}

// exitCode is an "error" that is only a code: what there was to say was said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError says that the command line is wrong.
type usageError struct{ error }

func usagef(format string, values ...any) error {
	return &usageError{fmt.Errorf(format, values...)}
}

// optionMistake makes a BuildKit option that is written wrongly, a secret that a gate
// lacks or that would be published, or a gate to skip that there is not, a mistake of the
// command line.
func optionMistake(err error) error {
	var option *builder.OptionError
	var missing *gate.SecretError
	var skip *gate.SkipError
	var args *secret.ArgsError
	switch {
	case errors.As(err, &option):
		return usagef("--%w", option)
	case errors.As(err, &missing), errors.As(err, &skip), errors.As(err, &args):
		return &usageError{err}
	}
	return err
}
