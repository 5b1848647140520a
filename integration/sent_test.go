//go:build stack

package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is a way to a BuildKit that counts what is sent there.
type wire struct {
	Address string
	to      string // a socket
	sent    atomic.Int64
	// first is called before the first connection is passed on.
	first func()
	once  sync.Once
}

// newWire leads to the stack's BuildKit.
func newWire(t *testing.T, first func()) *wire {
	t.Helper()
	return newWireTo(t, stack.BuildkitHost, first)
}

func newWireTo(t *testing.T, host string, first func()) *wire {
	t.Helper()
	dir, err := os.MkdirTemp("", "wire-") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	w := &wire{Address: "unix://" + path, to: strings.TrimPrefix(host, "unix://"), first: first}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(from)
		}
	}()
	return w
}

func (w *wire) carry(from net.Conn) {
	defer from.Close()
	w.once.Do(func() {
		if w.first != nil {
			w.first()
		}
	})
	to, err := net.Dial("unix", w.to)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(from, to)
		from.Close()
	}()
	_, _ = io.Copy(metered{to, &w.sent}, from)
}

type metered struct {
	io.Writer
	n *atomic.Int64
}

func (c metered) Write(data []byte) (int, error) {
	n, err := c.Writer.Write(data)
	c.n.Add(int64(n))
	return n, err
}

// lump is a text that nobody should send twice, or at all.
var lump = strings.Repeat("0123456789abcdef", 4<<20/16)

// little is what a build may send besides, in bytes: definitions, configs, its own files.
const little = 1 << 20

// TestOnlyWhatIsReadIsSent: not what lies beside it, what no image reads, what is ignored, or
// what an unchanged image reads; and where nothing is built, nothing.
func TestOnlyWhatIsReadIsSent(t *testing.T) {
	dir, prefix := generated(t, 4)
	write(t, dir, ".git/objects/pack/pack-1.pack", lump)
	write(t, dir, "services/s000/target/debug", lump)
	write(t, dir, "services/s001/Dockerfile", "FROM scratch\nCOPY . /\n")
	write(t, dir, "services/s001/.dockerignore", "secret*\n")
	write(t, dir, "services/s001/secret.key", lump)
	write(t, dir, "services/s001/data", lump)
	w := newWire(t, nil)
	sends := func(what string, most int64, dir string, args ...string) {
		t.Helper()
		before := w.sent.Load()
		mustQuoit(t, dir, append(args, "--addr", w.Address)...)
		if sent := w.sent.Load() - before; sent > most {
			t.Errorf("%s: %d bytes are sent to BuildKit, want at most %d", what, sent, most)
		}
	}
	sends("a plan", 0, dir, "plan")
	mustQuoit(t, dir, "build", "--push", "--addr", w.Address) // all that is read, and the program that hashes it
	sends("a build that changes nothing", 0, dir, "build", "--push")
	for i, edited := range []string{"s000", "s001", "s000"} {
		write(t, dir, "services/"+edited+"/main.txt", fmt.Sprint("edit ", i, "\n"))
		sends("an edit of "+edited, little, dir, "build", "--push")
	}
	clone := t.TempDir()
	if err := os.CopyFS(clone, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	write(t, clone, "services/s000/main.txt", "in the clone\n")
	sends("an edit in another folder", little, clone, "build", "--push")
	// A frontend image reads what all images read, and gets it once.
	manifest := read(t, filepath.Join(clone, "quoit.yaml"))
	write(t, clone, "quoit.yaml", "# syntax="+frontendImage(t)+"\n"+manifest)
	sends("a plan where a frontend image plans", 0, clone, "plan")
	for i, most := range []int{len(lump) + little, little} {
		write(t, clone, "services/s000/main.txt", fmt.Sprint("for the frontend image ", i, "\n"))
		sends("an edit where a frontend image plans", int64(most), clone, "build", "--push")
	}
	now := release(t, prefix+"/deploy:developers").Images
	for name, want := range map[string]string{"s000": "for the frontend image 1\n", "s001": "edit 1\n"} {
		if got := extract(t, prefix+"/"+name+":"+now[name].Version.String(), "main.txt"); string(got) != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	if got := extract(t, prefix+"/s001:"+now["s001"].Version.String(), "data"); string(got) != lump {
		t.Errorf("the file that is read has %d bytes, want %d", len(got), len(lump))
	}
}

// TestAnEditDuringTheBuild ends it: what is published is what was planned.
func TestAnEditDuringTheBuild(t *testing.T) {
	dir, prefix := generated(t, 3)
	w := newWire(t, func() { write(t, dir, "services/s000/main.txt", "changed since the plan was printed\n") })
	nothingWritten(t, prefix, func() {
		stdout, stderr, code := quoit(t, dir, "build", "--push", "--addr", w.Address)
		if code != 3 || !strings.Contains(stderr, "changed during the build") || !strings.Contains(stdout, "s000") {
			t.Errorf("exit code %d, want 3\n%s%s", code, stdout, stderr)
		}
	})
	mustQuoit(t, dir, "build", "--push", "--addr", w.Address)
	if got := extract(t, prefix+"/s000:0.1.0", "main.txt"); string(got) != "changed since the plan was printed\n" {
		t.Errorf("s000 has %q", got)
	}
}

// TestAFileThatBuildKitTakesForTheOldOne: of the same size and time.
func TestAFileThatBuildKitTakesForTheOldOne(t *testing.T) {
	dir, prefix := generated(t, 3)
	file := filepath.Join(dir, "services/s000/main.txt")
	when := time.Now().Add(-time.Hour)
	for i, content := range []string{"old\n", "new\n"} {
		write(t, dir, "services/s000/main.txt", content)
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
		mustQuoit(t, dir, "build", "--push")
		version := release(t, prefix+"/deploy:developers").Images["s000"].Version.String()
		if got := extract(t, prefix+"/s000:"+version, "main.txt"); string(got) != content {
			t.Errorf("build %d: s000 %s has %q, want %q", i, version, got, content)
		}
	}
}

// TestNamesThatAreNoText reach the image where they are read, and harm nobody where not.
func TestNamesThatAreNoText(t *testing.T) {
	dir, prefix := generated(t, 3)
	write(t, dir, "services/s000/Dockerfile", "FROM scratch\nCOPY read /\n")
	write(t, dir, "services/s000/read/caf\xe9", "read\n")
	write(t, dir, "services/s000/unread/caf\xe9", "not read\n")
	write(t, dir, "caf\xe9", "not read\n")
	mustQuoit(t, dir, "plan")
	mustQuoit(t, dir, "build", "--push")
	if got := extract(t, prefix+"/s000:0.1.0", "caf\xe9"); string(got) != "read\n" {
		t.Errorf("s000 has %q", got)
	}
}
