package testkit

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroupOf is the control group for the containers of the buildkitd with its
// files in dir: a group of the stack, so that it goes with the stack.
func cgroupOf(dir string) string {
	return filepath.Join(filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
}

// removeCgroups removes the groups that containers left when they were killed.
// The kernel lets go of a group a moment after its last process.
func removeCgroups(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), graceTimeout)
	defer cancel()
	_ = poll(ctx, func() (bool, error) {
		for _, top := range cgroups(name) {
			removeTree(top)
		}
		return len(cgroups(name)) == 0, nil
	})
}

// cgroups are the folders of a group: one in version 2 of the hierarchy, one
// for each controller in version 1.
func cgroups(name string) []string {
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
