package testkit

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// aptPackage is a Debian package and the file that shows it is there.
type aptPackage struct{ name, file string }

// aptPackages are what the stack needs.
var aptPackages = []aptPackage{
	{"runc", "runc"},
	{"busybox-static", "busybox"},
	{"mmdebstrap", "mmdebstrap"},
	{"debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"},
	{"git", "git"},
	{"sqlite3", "sqlite3"}, // for the tests of the shop's migrations
	{"ca-certificates", "/etc/ssl/certs/ca-certificates.crt"},
}

// installPackages installs the missing ones of the packages as root; for another user the
// error names them and the command.
func installPackages(ctx context.Context, progress io.Writer, packages []aptPackage) error {
	var missing []string
	for _, p := range packages {
		if _, err := findFile(p.file); err != nil {
			missing = append(missing, p.name)
		}
	}
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

func aptLock() (*os.File, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(cache, "apt.lock"))
}

// findFile is the path of an absolute file, or of a program in PATH and in
// the sbin folders that a user's PATH often lacks.
func findFile(name string) (string, error) {
	if filepath.IsAbs(name) {
		_, err := os.Stat(name)
		return name, err
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %s is not installed", name)
}
