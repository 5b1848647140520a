package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// forOthers has what only other programs use, one a line: package, name, reason.
//
//go:embed forothers.txt
var forOthers string

// lint shows all that it finds; findings are an error.
func lint(ctx context.Context) error {
	built, err := tools.Build(ctx, os.Stderr, tools.Lint...)
	if err != nil {
		return err
	}
	root, err := tools.RepoRoot()
	if err != nil {
		return err
	}
	check := exec.CommandContext(ctx, filepath.Join(built["lint"], "staticcheck"), "-checks=all", "-tags=stack", "./...")
	check.Dir, check.Stdout, check.Stderr = root, os.Stdout, os.Stderr
	err = check.Run()
	if err != nil {
		err = fmt.Errorf("staticcheck: %w", err)
	}
	return errors.Join(err, dead(ctx, root, filepath.Join(built["lint"], "deadcode")))
}

// dead looks for functions that no command and no test reaches, and for those in
// forothers.txt that are reached by now or are gone.
func dead(ctx context.Context, root, program string) error {
	format := `{{range .Funcs}}{{printf "%s:%d\t%s\t%s\n" .Position.File .Position.Line $.Path .Name}}{{end}}`
	cmd := exec.CommandContext(ctx, program, "-test", "-tags=stack", "-f="+format, "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("deadcode: %w", err)
	}
	var errs []error
	expected := parseForOthers(forOthers)
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 {
			continue
		}
		name := fields[1] + " " + fields[2]
		if i := slices.Index(expected, name); i >= 0 {
			expected = slices.Delete(expected, i, i+1)
			continue
		}
		errs = append(errs, fmt.Errorf("%s: nobody calls %s", fields[0], name))
	}
	for _, name := range expected {
		errs = append(errs, fmt.Errorf("integration/tools/forothers.txt: %s is called, or is not there", name))
	}
	return errors.Join(errs...)
}

func parseForOthers(text string) (names []string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) >= 3 && !strings.HasPrefix(line, "#") {
			names = append(names, fields[0]+" "+fields[1])
		}
	}
	return names
}
