package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// networks is how many clusters may run on one machine.
const networks = 16

// lockFolder is the machine's, as the addresses are.
const lockFolder = "/run/lock"

// network is the part of the host's network that one cluster has: a
// bridge with its pods' addresses, and the API server's address for pods on
// the loopback interface.
type network struct {
	Number int
	lock   *os.File
}

func (n network) bridge() string { return fmt.Sprintf("quoit%d", n.Number) }

// pods is the pods' subnet.
func (n network) pods() string { return fmt.Sprintf("10.244.%d.0/24", n.Number) }

// services is the range of service addresses.
func (n network) services() string { return fmt.Sprintf("10.%d.0.0/16", 96+n.Number) }

// service is one of these addresses; the first is the API server's.
func (n network) service(host int) string {
	return fmt.Sprintf("10.%d.0.%d", 96+n.Number, host)
}

// freePorts are ports that nobody listens on now. They lie below those that the
// kernel gives to connections, so that they are still free when they are used.
func (n network) freePorts(count int) ([]string, error) {
	var ports []string
	first := 20000 + 100*n.Number
	for port := first; port < first+100 && len(ports) < count; port++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			ports = append(ports, strconv.Itoa(port))
			listener.Close()
		}
	}
	if len(ports) < count {
		return nil, fmt.Errorf("fewer than %d of the ports from %d to %d are free", count, first, first+99)
	}
	return ports, nil
}

// takeNetwork takes the first network that no living cluster has, and removes
// what killed ones have left.
func takeNetwork() (network, error) {
	taken := network{Number: -1}
	for number := range networks {
		n := network{Number: number}
		var err error
		if n.lock, err = tools.TryLock(n.lockFile()); err != nil {
			return taken, err
		}
		if n.lock == nil {
			continue
		}
		if err := n.removeLinks(); err != nil {
			return taken, daemon.Closing(err, n.lock.Close)
		}
		if taken.lock == nil {
			taken = n
			continue
		}
		n.unlock()
	}
	if taken.lock == nil {
		return taken, fmt.Errorf("%d clusters run on this machine already", networks)
	}
	if err := ip("addr", "add", taken.service(1)+"/32", "dev", "lo"); err != nil {
		return taken, daemon.Closing(err, taken.lock.Close)
	}
	return taken, nil
}

func (n network) lockFile() string {
	return filepath.Join(lockFolder, fmt.Sprintf("quoit-cluster-%d.lock", n.Number))
}

// unlock leaves the lock to the node, which has inherited it.
func (n network) unlock() { _ = n.lock.Close() }

// remove removes the bridge and the address of a cluster that has ended,
// unless another one has them by now.
func (n network) remove() error {
	if n.lock != nil {
		n.unlock()
	}
	lock, err := tools.TryLock(n.lockFile())
	if lock == nil || err != nil {
		return err
	}
	defer lock.Close()
	return n.removeLinks()
}

func (n network) removeLinks() error {
	var errs []error
	if tools.Exists(filepath.Join("/sys/class/net", n.bridge())) {
		errs = append(errs, ip("link", "delete", n.bridge()))
	}
	out, err := exec.Command(ipProgram(), "-o", "address", "show", "dev", "lo").Output()
	if err != nil {
		return fmt.Errorf("looking for addresses of clusters: %w", err)
	}
	if address := n.service(1) + "/32"; strings.Contains(string(out), " "+address+" ") {
		errs = append(errs, ip("addr", "del", address, "dev", "lo"))
	}
	return errors.Join(errs...)
}

func ip(args ...string) error {
	if output, err := exec.Command(ipProgram(), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("running ip %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

func ipProgram() string {
	if program, err := tools.Find("ip"); err == nil {
		return program
	}
	return "ip"
}
