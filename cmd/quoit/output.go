package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/internal/show"
)

func outputFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVarP(to, "output", "o", "text", "what is printed: text or json")
}

func checkOutput(format string) error {
	if format != "text" && format != "json" {
		return usagef("--output %s: choose text or json", format)
	}
	return nil
}

// printText prints what a command says. Whatever a log, a registry or a cluster
// had a part in it is safe to see.
func printText(out io.Writer, text string) error {
	_, err := io.WriteString(out, show.Block(text))
	return err
}

// telling prints what a command waits for, once each.
func telling(out io.Writer) func(what string) {
	var mu sync.Mutex
	told := map[string]bool{}
	return func(what string) {
		mu.Lock()
		defer mu.Unlock()
		if !told[what] {
			told[what] = true
			_ = printText(out, what+"\n") // nobody to tell
		}
	}
}

// quiet is how long a command may wait without a word.
const quiet = 5 * time.Second

// slowly says what is waited for, unless over is called soon.
func slowly(say func(what string), what string) (over func()) {
	timer := time.AfterFunc(quiet, func() { say(what) })
	return func() { timer.Stop() }
}

func printJSON(out io.Writer, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s\n", show.JSON(data))
	return err
}
