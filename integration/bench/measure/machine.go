package measure

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/quoitbuild/quoit/integration/bench/report"
)

// MachineOf describes the machine and the programs.
func MachineOf(ctx context.Context, b *Bench) (report.Machine, error) {
	m := report.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(kernel)), "-") // what follows is the distributor's
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	m.CPU = modelName(cpus)
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	kib, _ := strconv.ParseInt(field(append([]byte("\n"), memory...), "MemTotal:"), 10, 64)
	const gigabyte = 1_000_000_000
	m.Memory = (kib << 10) / gigabyte * gigabyte // of the rest the kernel takes more or less at each start
	c, err := b.buildkit.Client(ctx)
	if err != nil {
		return m, err
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return m, fmt.Errorf("asking BuildKit for its version: %w", err)
	}
	m.BuildKit = info.BuildkitVersion.Version
	version, err := b.Stack.Command(ctx, "buildx", "version").Output()
	if err != nil {
		return m, fmt.Errorf("asking buildx for its version: %w", err)
	}
	if fields := strings.Fields(string(version)); len(fields) > 1 {
		m.Buildx = fields[1]
	}
	return m, nil
}

// modelName is the first processor's, "" if the kernel does not say.
func modelName(cpuinfo []byte) string {
	for line := range bytes.Lines(cpuinfo) {
		key, value, ok := strings.Cut(string(line), ":")
		if ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Commit is that of the sources, "" if git does not know.
func Commit(ctx context.Context) string {
	revision, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return ""
	}
	// Results lie in the tree too; they are no change.
	changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ":(top,exclude)docs").Output()
	if err != nil || len(changes) > 0 {
		return strings.TrimSpace(string(revision)) + " and changes"
	}
	return strings.TrimSpace(string(revision))
}
