package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/takeover"
)

type takeOverFlags struct {
	project projectFlags
	message string
	dryRun  bool
	yes     bool
	output  string
}

func newTakeOverCmd() *cobra.Command {
	var f takeOverFlags
	cmd := &cobra.Command{
		Use:   "take-over RING…",
		Short: "Take into the log what rings have that no record gave them",
		Long: `Take-over is for rings whose tags name releases that the log does not know: a project
that was published before it had a log, or tags that were written past it. It shows each
release with all its images, and what its root image claims of itself, which whoever
pushed it may have written; then it asks. From then on the log says what these
images are. No tag changes.

A ring that has another release by the log is not taken over: quoit repair puts its tag
back. Releases that an older quoit took over are in the log without their images, and
are taken over once more.`,
		Example: `  quoit take-over users --dry-run
  quoit take-over developers users --yes --message "as published by the old pipeline"`,
		RunE: func(cmd *cobra.Command, rings []string) error { return f.run(cmd, rings) },
	}
	f.project.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would happen")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&f.message, "message", "", "a message for the history")
	outputFlag(cmd, &f.output)
	return cmd
}

func (f *takeOverFlags) run(cmd *cobra.Command, rings []string) error {
	if len(rings) == 0 {
		return usagef("name the rings: `quoit verify` shows which have what the log does not know")
	}
	if err := errors.Join(checkOutput(f.output), checkMessage(f.message)); err != nil {
		return err
	}
	m, p, err := f.project.open(cmd)
	if err != nil {
		return err
	}
	taken, err := takeover.TakeOver(cmd.Context(), p, takeover.Options{
		Root: m.Root, Rings: m.RingOrder(), Take: rings, DryRun: f.dryRun,
		Author:  store.Author{Actor: actor(), Message: f.message},
		Confirm: func(shown takeover.Outcome) error { return f.confirm(cmd, shown) },
	})
	if err != nil {
		return ringMistake(m, err)
	}
	if f.output == "json" {
		return printJSON(cmd.OutOrStdout(), takeOverResult{1, taken})
	}
	return printText(cmd.OutOrStdout(), taken.String())
}

// confirm shows what would be taken over and asks, unless that was said before.
func (f *takeOverFlags) confirm(cmd *cobra.Command, shown takeover.Outcome) error {
	if f.yes {
		return nil
	}
	if err := printText(cmd.ErrOrStderr(), shown.String()); err != nil {
		return err
	}
	in, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return errors.New("there is no terminal to ask on: look at what is above, and say --yes")
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Does the log take this over? [y/N] ")
	return confirmed(cmd.Context(), in)
}

// answerTime is how long somebody may take to answer a question.
const answerTime = 10 * time.Minute

// confirmed reads the answer to a question.
func confirmed(ctx context.Context, in io.Reader) error {
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(in).ReadString('\n') // no answer is a no
		answers <- strings.ToLower(strings.TrimSpace(answer))
	}()
	late := time.NewTimer(answerTime)
	defer late.Stop()
	select {
	case answer := <-answers:
		if answer == "y" || answer == "yes" {
			return nil
		}
		return errors.New("it was not confirmed")
	case <-late.C:
		return fmt.Errorf("nobody has answered within %s", answerTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// takeOverResult is the JSON of quoit take-over, with --dry-run or without.
type takeOverResult struct {
	Schema int `json:"schema"`
	takeover.Outcome
}
