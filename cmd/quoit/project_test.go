//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// noManifests puts into dir what may stand in a manifest's place, and returns what is
// said of each.
func noManifests(t *testing.T, dir string) map[string]string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "far"), 0o755))
	must(syscall.Mkfifo(filepath.Join(dir, "far", "pipe"), 0o644))
	must(os.WriteFile(filepath.Join(dir, "far", "holes"), nil, 0o644))
	must(os.Truncate(filepath.Join(dir, "far", "holes"), 1<<40))
	must(os.Symlink("far", filepath.Join(dir, "near")))
	for name, target := range map[string]string{"device": "/dev/zero", "pipe": "near/pipe", "folder": "near", "holes": "near/holes"} {
		must(os.Symlink(target, filepath.Join(dir, name)))
	}
	return map[string]string{"device": "a device", "pipe": "a pipe", "far/pipe": "a pipe", "near/pipe": "a pipe", "folder": "a folder", "holes": "more than 1 MiB"}
}

// TestEveryCommandOnlyReadsAManifestThatIsAFile: and says so at once.
func TestEveryCommandOnlyReadsAManifestThatIsAFile(t *testing.T) {
	dir := t.TempDir()
	arguments := map[string][]string{
		"set": {"users", "1.0.0"}, "hold": {"users", "--reason", "r"}, "unhold": {"users"}, "copy": {"users", "oci:" + dir + "/copy"},
		"deploy": {"eu"}, "diff": {"eu"}, "delete": {"eu"}, "bootstrap": {"eu"}, "watch": {"eu"},
	}
	asked := 0
	files := noManifests(t, dir)
	for _, cmd := range newRootCmd().Commands() {
		if cmd.Flags().Lookup("file") == nil {
			continue
		}
		asked++
		for name, want := range files {
			t.Run(cmd.Name()+" "+name, func(t *testing.T) {
				var out, errs bytes.Buffer
				begun := time.Now()
				code := run(t.Context(), append([]string{cmd.Name(), "-C", dir, "-f", filepath.Join(dir, name)}, arguments[cmd.Name()]...), nil, &out, &errs)
				if said := errs.String(); code != exitFailed || !strings.Contains(said, want) || !strings.Contains(said, name) || time.Since(begun) > 10*time.Second {
					t.Errorf("exit code %d after %v: %s", code, time.Since(begun), said)
				}
			})
		}
	}
	if asked < 10 {
		t.Errorf("only %d commands read a manifest", asked)
	}
}
