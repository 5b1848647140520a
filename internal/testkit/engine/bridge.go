package engine

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// bridge is what build steps are connected to, and nothing else is: without one dockerd
// runs none. All engines of a machine share it, and it stays.
const (
	bridge        = "quoit-engine"
	bridgeAddress = "10.243.255.1/24"
)

// makeBridge makes the bridge, unless it is there.
func makeBridge() error {
	lock, err := tools.Lock(filepath.Join("/run/lock", bridge+".lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if tools.Exists(filepath.Join("/sys/class/net", bridge)) {
		return nil
	}
	ip, err := tools.Find("ip")
	if err != nil {
		return err
	}
	for _, args := range []string{
		"link add " + bridge + " type bridge",
		"address add " + bridgeAddress + " dev " + bridge,
		"link set " + bridge + " up",
	} {
		if output, err := exec.Command(ip, strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("running ip %s: %w\n%s", args, err, output)
		}
	}
	return nil
}
