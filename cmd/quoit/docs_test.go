package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// reference is docs/cli.md: every command with its text, examples and flags.
func reference() string {
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the command itself; `go generate ./...` writes it anew.\n")
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Runnable() && cmd.Name() != "help" && cmd.Name() != "completion" {
			describe(&b, cmd)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd())
	b.WriteString("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n")
	for _, row := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s |\n", row.code, row.meaning)
	}
	return b.String()
}

func describe(b *strings.Builder, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n", cmd.CommandPath(), text)
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.Example)
	}
	flags := cmd.NonInheritedFlags()
	if flags.HasFlags() {
		fmt.Fprintf(b, "\n```\n%s```\n", flags.FlagUsages())
	}
}

//go:generate go test -run TestReference -update .
func TestReference(t *testing.T) {
	for _, name := range []string{"QUOIT_REGISTRY", "QUOIT_RING", "QUOIT_PROJECT"} {
		t.Setenv(name, "") // a default of the help must not depend on who writes it
	}
	const file = "../../docs/cli.md"
	if *update {
		if err := os.WriteFile(file, []byte(reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(want)), strings.TrimSpace(reference())); diff != "" {
		t.Errorf("docs/cli.md is old, run `go generate ./...` (-file +command):\n%s", diff)
	}
}
