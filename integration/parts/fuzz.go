package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// fuzz runs every fuzz target for a time, and names those that failed in the end.
func fuzz(ctx context.Context, each time.Duration) error {
	targets, err := findTests(os.DirFS("."))
	if err != nil {
		return err
	}
	var failed []string
	for _, target := range targets {
		if !strings.HasPrefix(target.name, "Fuzz") || ctx.Err() != nil {
			continue
		}
		fmt.Printf("\n== %s of %s\n", target.name, target.dir)
		// Without the limit a finding is made smaller for a minute.
		cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+target.name+"$",
			"-fuzztime="+each.String(), "-fuzzminimizetime=10x", target.dir)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			failed = append(failed, target.dir+" "+target.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return ctx.Err()
}
