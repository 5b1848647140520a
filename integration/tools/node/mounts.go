package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// privateFolders have fixed names in the programs, so that those of two
// clusters, or of a real node on this machine, would meet there.
var privateFolders = []string{
	"/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers",
}

// settings of the kernel that a node changes. Each is covered by a file that
// has the value already, so that the machine keeps its own.
var settings = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"net/ipv4/ip_forward":       "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

func prepareMounts(dir string) error {
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	for _, folder := range privateFolders {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mounting %s: %w", folder, err)
		}
	}
	for name, value := range settings {
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); err != nil {
			continue
		}
		file := filepath.Join(dir, "sysctl-"+strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(file, target, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("covering %s: %w", target, err)
		}
	}
	return nil
}
