//go:build stack

package integration

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// relay carries connections to the API server until it is cut.
type relay struct {
	t       *testing.T
	address string // of the relay
	server  string
	mu      sync.Mutex
	listens net.Listener // nil: it is cut
	open    []net.Conn
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	r := &relay{t: t, address: "127.0.0.1:0", server: server}
	r.restore()
	t.Cleanup(r.cut)
	return r
}

// restore listens, always at the same address.
func (r *relay) restore() {
	r.t.Helper()
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.address, r.listens = listener.Addr().String(), listener
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.carry(listener, client)
		}
	}()
}

func (r *relay) carry(listener net.Listener, client net.Conn) {
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		client.Close()
		return
	}
	r.mu.Lock()
	if r.listens != listener {
		client.Close()
		server.Close()
	}
	r.open = append(r.open, client, server)
	r.mu.Unlock()
	go func() {
		_, _ = io.Copy(server, client) // it ends with the connection
		server.Close()
	}()
	_, _ = io.Copy(client, server)
	client.Close()
}

// cut ends all connections and takes no new ones.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listens != nil {
		r.listens.Close()
		r.listens = nil
	}
	for _, connection := range r.open {
		connection.Close()
	}
	r.open = nil
}

// through makes quoit reach the cluster by a relay.
func (s *standIn) through() *relay {
	s.t.Helper()
	server := kubectl(s.t, "", "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
	at, err := url.Parse(server)
	if err != nil {
		s.t.Fatal(err)
	}
	r := newRelay(s.t, at.Host)
	config := kubectl(s.t, "", "config", "view", "--raw", "--minify")
	write(s.t, s.dir, "relayed.kubeconfig", strings.ReplaceAll(config, server, "https://"+r.address))
	return r
}

// TestAnAPIServerThatGoesAway: a deploy bears it for a while. If it takes too
// long, the deploy says that the Job runs on, and the next one goes on with it.
func TestAnAPIServerThatGoesAway(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, waits)
	r := s.through()
	begin := func() func() (string, int) {
		process, wait := s.start("KUBECONFIG=" + filepath.Join(s.dir, "relayed.kubeconfig"))
		t.Cleanup(func() { _ = process.Process.Kill() })
		return wait
	}
	wait := begin()
	pod := s.running()
	r.cut()
	s.kubectl("exec", pod, "--", "touch", "/tmp/go") // it ends while nobody can see it
	s.waitFor("True", "get", "jobs", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Complete")].status}`)
	r.restore()
	if stderr, code := wait(); code != 0 || len(s.jobs()) != 1 {
		t.Errorf("exit code %d, Jobs %q\n%s", code, s.jobs(), stderr)
	}
	if got := s.story(); got != "0.1.0; install 0.1.0 ok" {
		t.Errorf("the record says %s", got)
	}

	s.release(waits + " # again")
	wait = begin()
	pod = s.running()
	r.cut()
	stderr, code := wait()
	if code != 1 && code != 3 || !strings.Contains(stderr, "which keeps running") && !strings.Contains(stderr, "lease of site eu") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	s.expire()
	r.restore()
	wait = begin()
	s.kubectl("exec", pod, "--", "touch", "/tmp/go")
	if stderr, code := wait(); code != 0 || len(s.jobs()) != 2 {
		t.Errorf("exit code %d, Jobs %q\n%s", code, s.jobs(), stderr)
	}
	if got := s.story(); got != "0.2.0; install 0.1.0 ok; upgrade 0.1.0 to 0.2.0 ok" {
		t.Errorf("the record says %s", got)
	}
}
