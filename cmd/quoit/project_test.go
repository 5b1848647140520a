//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
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
	files := noManifests(t, dir)
	for _, cmd := range manifestCommands(t) {
		for name, want := range files {
			t.Run(cmd[0]+" "+name, func(t *testing.T) {
				var out, errs bytes.Buffer
				begun := time.Now()
				code := run(t.Context(), append(cmd, "-C", dir, "-f", filepath.Join(dir, name)), nil, &out, &errs)
				if said := errs.String(); code != exitFailed || !strings.Contains(said, want) || !strings.Contains(said, name) || time.Since(begun) > 10*time.Second {
					t.Errorf("exit code %d after %v: %s", code, time.Since(begun), said)
				}
			})
		}
	}
}

// manifestCommands are all commands that read a manifest, with the arguments that they need.
func manifestCommands(t *testing.T) [][]string {
	arguments := map[string][]string{
		"set": {"users", "1.0.0"}, "hold": {"users", "--reason", "r"}, "unhold": {"users"}, "copy": {"users", "oci:" + t.TempDir() + "/copy"},
		"deploy": {"eu"}, "diff": {"eu"}, "delete": {"eu"}, "bootstrap": {"eu"}, "watch": {"eu"}, "take-over": {"users"}, "explain": {"api"},
	}
	var all [][]string
	for _, cmd := range newRootCmd().Commands() {
		if cmd.Flags().Lookup("file") != nil {
			all = append(all, slices.Clip(append([]string{cmd.Name()}, arguments[cmd.Name()]...)))
		}
	}
	if len(all) < 10 {
		t.Errorf("only %d commands read a manifest", len(all))
	}
	return all
}

// TestEveryCommandRefusesAManifestOfAnotherProject: what is fixed from outside, by flag or
// by environment, is not for a pull request to choose.
func TestEveryCommandRefusesAManifestOfAnotherProject(t *testing.T) {
	s := newShop(t, shopSites)
	for _, cmd := range manifestCommands(t) {
		t.Run(cmd[0], func(t *testing.T) {
			for name, args := range map[string][]string{
				"flag":         {"--project", "acme/ours", "-C", s.dir},
				"its registry": {"--project", s.host + "/acme/ours", "-C", s.dir},
				"environment":  {"-C", s.dir},
			} {
				t.Setenv("QUOIT_PROJECT", "")
				if name == "environment" {
					t.Setenv("QUOIT_PROJECT", "acme/ours")
				} else if cmd[0] == "copy" {
					continue // reads no manifest then
				}
				var out, errs bytes.Buffer
				code := run(t.Context(), append(cmd, args...), nil, &out, &errs)
				if said := errs.String(); code != exitFailed || !strings.Contains(said, "this is the manifest of acme/shop, and acme/ours is meant") || !strings.Contains(said, "quoit.yaml:1") {
					t.Errorf("%s: exit code %d: %s", name, code, said)
				}
			}
		})
	}
}

// TestARegistryIsFixedFromOutside: and the manifest's is not even asked.
func TestARegistryIsFixedFromOutside(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	s.write("quoit.yaml", "project: acme/shop\nregistry: evil.invalid\nroot: deploy\nimages: {api: api, deploy: deploy}\n")
	for _, args := range [][]string{{"--registry", s.host}, {"--project", s.host + "/acme/shop"}} {
		s.says(append([]string{"status", "-C", s.dir}, args...), "0.1.0")
	}
	t.Setenv("QUOIT_PROJECT", s.host+"/acme/shop")
	s.says([]string{"status"}, "0.1.0")
	s.fails(1, []string{"status", "--registry", "other.invalid"}, "the registry is said twice")
}
