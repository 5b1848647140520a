package dial

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is a program whose standard streams are a connection.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	stderr bounded
	ended  func() error // waits until it has ended
	done   chan struct{}
}

// start starts a program, apart from the keys of this terminal: an interrupted build ends
// over this connection.
func start(line []string) (*process, error) {
	p := &process{cmd: exec.Command(line[0], line[1:]...), done: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = apart()
	p.cmd.WaitDelay = patience // for what it has started, and has not ended
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.ended = sync.OnceValue(func() error {
		defer close(p.done)
		return p.cmd.Wait()
	})
	return p, nil
}

// patience is how long a process may take to end once its input has.
const patience = time.Second

// Read reads what the process prints. Once that ends, the error says why.
func (p *process) Read(b []byte) (int, error) {
	n, err := p.stdout.Read(b)
	if errors.Is(err, io.EOF) {
		_ = p.stdin.Close() // nobody answers any more
		err = p.end(err)
	}
	return n, err
}

// Write writes to the process. If it has ended, the error says why.
func (p *process) Write(b []byte) (int, error) {
	n, err := p.stdin.Write(b)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		err = p.end(err)
	}
	return n, err
}

// end waits until the process has ended, and returns why it has, else err.
func (p *process) end(err error) error {
	_ = p.ended()
	if why := p.failure(); why != nil {
		return why
	}
	return err
}

// failure says why the process has ended; nil if it runs, or if that is no failure.
func (p *process) failure() error {
	select {
	case <-p.done:
		complaint, _ := p.stderr.kept()
		if err := p.ended(); err != nil || complaint != "" {
			return failed(p.cmd.Args, err, complaint)
		}
	default:
	}
	return nil
}

// Close ends the process.
func (p *process) Close() error {
	_ = p.stdin.Close()
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_ = p.ended()
	return nil
}

// SetDeadline does nothing: whoever waits has a context. So do the two others.
func (p *process) SetDeadline(time.Time) error      { return nil }
func (p *process) SetReadDeadline(time.Time) error  { return nil }
func (p *process) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr is only a name, as is RemoteAddr.
func (p *process) LocalAddr() net.Addr  { return address("quoit") }
func (p *process) RemoteAddr() net.Addr { return address(strings.Join(p.cmd.Args, " ")) }

type address string

func (a address) Network() string { return "stdio" }
func (a address) String() string  { return string(a) }

// bounded keeps the beginning of what is written to it.
type bounded struct {
	mu  sync.Mutex // what a program has started may go on writing
	buf bytes.Buffer
	cut bool // there was more
}

// most is how much of what a program prints is kept.
const most = 1 << 20

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len()+len(p) > most {
		b.cut = true
		return len(p), nil
	}
	return b.buf.Write(p)
}

// kept is what was written, and whether that is all.
func (b *bounded) kept() (text string, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String(), !b.cut
}
