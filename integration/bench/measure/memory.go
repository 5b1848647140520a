package measure

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// samplePeriod is how often processes are looked at. The kernel keeps each
// process's peak, so a process is only seen too small by what it grew after
// the last look.
const samplePeriod = 20 * time.Millisecond

// watcher follows the peaks of resident memory of a command, of buildkitd, and
// of the frontends and hash steps that buildkitd runs.
type watcher struct {
	daemon int
	before map[string]bool // processes that were there

	mu    sync.Mutex
	peaks map[string]int64
	kinds map[string]string // by process
	stop  chan struct{}
	done  chan struct{}
}

const (
	kindCLI      = "cli"
	kindDaemon   = "daemon"
	kindFrontend = "frontend"
	kindStep     = "step"
)

// watch begins with fresh peaks for this process and for buildkitd.
func watch(daemon int) *watcher {
	w := &watcher{
		daemon: daemon, before: map[string]bool{}, peaks: map[string]int64{}, kinds: map[string]string{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for _, pid := range processes() {
		w.before[pid] = true
	}
	resetPeak("self")
	resetPeak(strconv.Itoa(daemon))
	w.kinds[strconv.Itoa(daemon)] = kindDaemon
	go w.run()
	return w
}

// follow adds the command that is measured.
func (w *watcher) follow(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kinds[strconv.Itoa(pid)] = kindCLI
}

// end returns the peaks in bytes, by kind.
func (w *watcher) end() map[string]int64 {
	close(w.stop)
	<-w.done
	w.look()
	return w.peaks
}

func (w *watcher) run() {
	defer close(w.done)
	ticker := time.NewTicker(samplePeriod)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
			w.look()
		}
	}
}

func (w *watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pid := range processes() {
		if kind := w.kinds[pid]; kind != "" || w.before[pid] {
			continue
		}
		// Another stack of this machine may run frontends too.
		if kind := kindOf(pid); kind != "" && descends(pid, strconv.Itoa(w.daemon)) {
			w.kinds[pid] = kind
		}
	}
	for pid, kind := range w.kinds {
		w.peaks[kind] = max(w.peaks[kind], peak(pid))
	}
}

// kindOf tells what a process is from its command line, "" for what is of no
// interest, or not yet: a container's process is runc at first.
func kindOf(pid string) string {
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err != nil {
		return ""
	}
	return kindOfCommand(strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00"))
}

func kindOfCommand(args []string) string {
	switch {
	case len(args) > 2 && args[1] == "hash" && args[2] == "/project":
		return kindStep
	case len(args) > 0 && strings.HasSuffix(args[0], "-frontend"):
		return kindFrontend
	}
	return ""
}

// descends tells whether a process is below another.
func descends(pid, ancestor string) bool {
	for range 10 {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			return false
		}
		if pid = field(status, "PPid:"); pid == ancestor {
			return true
		}
	}
	return false
}

// field is the word behind a name in a file of /proc.
func field(status []byte, name string) string {
	_, rest, ok := bytes.Cut(status, []byte("\n"+name))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return ""
	}
	return string(fields[0])
}

// processes are the numbers in /proc.
func processes() []string {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var pids []string
	for _, name := range names {
		if name[0] >= '0' && name[0] <= '9' {
			pids = append(pids, name)
		}
	}
	return pids
}

// peak is a process's largest resident size so far in bytes, 0 if it has ended.
func peak(pid string) int64 {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	return peakIn(status)
}

func peakIn(status []byte) int64 {
	kib, _ := strconv.ParseInt(field(status, "VmHWM:"), 10, 64) // none for a zombie
	return kib << 10
}

// resetPeak makes a process's peak its present size. Where the kernel does not
// let us, the peak is the one since the process began.
func resetPeak(pid string) { _ = os.WriteFile("/proc/"+pid+"/clear_refs", []byte("5"), 0) }
