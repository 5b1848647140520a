package tools

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Package is a Debian package and the file that shows it is there: an absolute
// path, or a program.
type Package struct{ Name, File string }

// StackPackages are what a stack needs.
var StackPackages = []Package{
	{"runc", "runc"},
	{"busybox-static", "busybox"},
	{"mmdebstrap", "mmdebstrap"},
	{"debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"},
	{"git", "git"},
	{"sqlite3", "sqlite3"}, // for the tests of the shop's migrations
	{"ca-certificates", "/etc/ssl/certs/ca-certificates.crt"},
}

// ClusterPackages are needed on top of those of a stack.
var ClusterPackages = []Package{{"iproute2", "ip"}, {"runc", "runc"}}

// EnginePackages are needed on top of those of a stack.
var EnginePackages = []Package{{"iproute2", "ip"}, {"runc", "runc"}}

// Install installs the missing ones of the packages as root; for another user the
// error names them and the command.
func Install(ctx context.Context, progress io.Writer, packages []Package) error {
	missing := Missing(packages)
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	command := "apt-get install -y --no-install-recommends " + names
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s; as root run: %s", names, command)
	}
	lock, err := aptLock()
	if err != nil {
		return err
	}
	defer lock.Close()
	fmt.Fprintf(progress, "installing %s (once)\n", names)
	cmd := exec.CommandContext(ctx, "sh", "-c", "apt-get update -q && "+command)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", command, err, output)
	}
	return nil
}

// Missing are the names of packages that are not installed.
func Missing(packages []Package) []string {
	var missing []string
	for _, p := range packages {
		if _, err := Find(p.File); err != nil && !slices.Contains(missing, p.Name) {
			missing = append(missing, p.Name)
		}
	}
	return missing
}

func aptLock() (*os.File, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return Lock(filepath.Join(cache, "apt.lock"))
}

// Find is the path of an absolute file, or of a program in PATH and in
// the sbin folders that a user's PATH often lacks.
func Find(name string) (string, error) {
	if filepath.IsAbs(name) {
		_, err := os.Stat(name)
		return name, err
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, name); Exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %s is not installed", name)
}
