package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// bridge is what build steps are connected to, and nothing else is: without one dockerd
// runs none. All engines of a machine share it; the last one that ends takes it away.
const (
	bridge        = "quoit-engine"
	bridgeAddress = "10.243.255.1/24"
)

func lockFile(what string) string { return filepath.Join("/run/lock", bridge+what+".lock") }

// useBridge makes the bridge, unless it is there. It stays for as long as somebody has the
// file open.
func useBridge() (used *os.File, err error) {
	if used, err = tools.LockShared(lockFile("-used")); err != nil {
		return nil, err
	}
	if err := makeBridge(); err != nil {
		used.Close()
		return nil, err
	}
	return used, nil
}

func makeBridge() error {
	lock, err := tools.Lock(lockFile(""))
	if err != nil {
		return err
	}
	defer lock.Close()
	if tools.Exists(filepath.Join("/sys/class/net", bridge)) {
		return nil
	}
	return ip("link add "+bridge+" type bridge", "address add "+bridgeAddress+" dev "+bridge, "link set "+bridge+" up")
}

// removeBridge removes the bridge, unless it is used.
func removeBridge() error {
	unused, err := tools.TryLock(lockFile("-used"))
	if err != nil || unused == nil {
		return err
	}
	defer unused.Close()
	if !tools.Exists(filepath.Join("/sys/class/net", bridge)) {
		return nil
	}
	return ip("link delete " + bridge)
}

// ip runs the program.
func ip(commands ...string) error {
	program, err := tools.Find("ip")
	if err != nil {
		return err
	}
	for _, args := range commands {
		if output, err := exec.Command(program, strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("running ip %s: %w\n%s", args, err, output)
		}
	}
	return nil
}
