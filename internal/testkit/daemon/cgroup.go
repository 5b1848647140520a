package daemon

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const cgroupRoot = "/sys/fs/cgroup"

// CgroupOf is the control group for the containers of the buildkitd with its
// files in dir: a group of the stack, so that it goes with the stack.
func CgroupOf(dir string) string {
	return filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
}

// MakeCgroups makes a group in every hierarchy, with what its parent may give:
// a kubelet fills in only what is below its root.
func MakeCgroups(name string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("making control groups: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup" && fields[2] != "cgroup2" {
			continue
		}
		dir := fields[1]
		for part := range strings.SplitSeq(name, "/") {
			delegate(dir)
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("making control groups: %w", err)
			}
			inherit(parent, dir)
		}
	}
	return nil
}

// delegate lets groups below dir have dir's controllers, in version 2. What
// the machine refuses is missing later, in an error of the kubelet.
func delegate(dir string) {
	controllers, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, controller := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
}

// inherit gives a new group its parent's processors, in version 1.
func inherit(parent, dir string) {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(parent, name))
		if err == nil && exists(filepath.Join(dir, "cgroup.clone_children")) {
			_ = os.WriteFile(filepath.Join(dir, name), content, 0o644)
		}
	}
}

// RemoveCgroups removes the groups that containers left when they were killed.
// The kernel lets go of a group a moment after its last process.
func RemoveCgroups(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), graceTimeout)
	defer cancel()
	_ = Poll(ctx, func() (bool, error) {
		for _, top := range Cgroups(name) {
			removeTree(top)
		}
		return len(Cgroups(name)) == 0, nil
	})
}

// Cgroups are the folders of a group: one in version 2 of the hierarchy, one
// for each controller in version 1.
func Cgroups(name string) []string {
	found, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", name))
	if top := filepath.Join(cgroupRoot, name); exists(top) {
		found = append(found, top)
	}
	return found
}

// removeTree removes folders from the bottom up; their files are the kernel's.
func removeTree(top string) {
	var groups []string
	_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	for _, group := range slices.Backward(groups) {
		_ = os.Remove(group)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
