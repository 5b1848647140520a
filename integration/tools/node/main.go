// Command node is process 1 of the test kit's cluster, in a process and mount
// namespace of its own: with it everything ends. It starts the daemons that it
// reads from its stdin, one JSON object each, and ends when one of them does.
// It also passes on what pods send to the addresses of servers on the host.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// daemon is a program to start, in the folder that -dir names.
type daemon struct {
	Name string // its args[0], and the name of its log
	Path string
	Args []string
	Env  []string
}

func main() {
	dir := flag.String("dir", "", "folder of the cluster; logs go to its folder log")
	var forwards []forward
	for name, secure := range map[string]bool{"forward": false, "secure": true} {
		flag.Func(name, "`FROM=TO`: an address where pods reach a server, by TLS if it is -secure, and the server's own", func(value string) error {
			from, to, both := strings.Cut(value, "=")
			if !both {
				return errors.New("it has no =")
			}
			forwards = append(forwards, forward{from, to, secure})
			return nil
		})
	}
	flag.Parse()
	if err := run(*dir, forwards); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(dir string, forwards []forward) error {
	if err := prepareMounts(dir); err != nil {
		return err
	}
	ended := make(chan error)
	for _, f := range forwards {
		if err := f.start(dir, ended); err != nil {
			return err
		}
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	n := node{dir: dir, names: map[int]string{}}
	go func() { ended <- n.reap() }()
	go func() {
		if err := n.startAll(os.Stdin); err != nil {
			ended <- err
		}
	}()
	select {
	case <-terminated:
		return nil
	case err := <-ended:
		return err
	}
}

type node struct {
	dir   string
	mu    sync.Mutex // held while a process is started: it may end at once
	names map[int]string
}

// startAll returns nil at the end of its input: the daemons go on.
func (n *node) startAll(in io.Reader) error {
	input := json.NewDecoder(in)
	for {
		var d daemon
		err := input.Decode(&d)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what to start: %w", err)
		}
		if err := n.start(d); err != nil {
			return fmt.Errorf("starting %s: %w", d.Name, err)
		}
	}
}

func (n *node) start(d daemon) error {
	log, err := os.OpenFile(n.log(d.Name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	process, err := os.StartProcess(d.Path, append([]string{d.Name}, d.Args...), &os.ProcAttr{
		Dir: n.dir, Env: d.Env, Files: []*os.File{null, log, log},
	})
	if err != nil {
		return err
	}
	n.names[process.Pid] = d.Name
	return nil
}

func (n *node) log(name string) string { return filepath.Join(n.dir, "log", name+".log") }

// reap takes in every process that ends, the shims of containers too, until
// one of the daemons is among them.
func (n *node) reap() error {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for range children {
		if err := n.reapAll(); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) reapAll() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid <= 0 {
			return nil
		}
		if name, ok := n.names[pid]; ok {
			return fmt.Errorf("%s ended %s; its log ends with\n%s", name, how(status), lastLines(n.log(name), 10))
		}
	}
}

func how(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "by the signal " + status.Signal().String()
	}
	return fmt.Sprintf("with status %d", status.ExitStatus())
}

func lastLines(file string, count int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
