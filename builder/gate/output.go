package gate

import (
	"bytes"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

const (
	tailLines = 10
	tailBytes = 64 << 10
)

// tail keeps the end of what a build step prints.
type tail struct {
	step string // its name

	mu      sync.Mutex
	digests map[digest.Digest]bool // of the step
	data    []byte
}

func newTail(step string) *tail { return &tail{step: step, digests: map[digest.Digest]bool{}} }

// take is told of a build's progress, piece by piece.
func (t *tail) take(s *client.SolveStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range s.Vertexes {
		if v.Name == t.step {
			t.digests[v.Digest] = true
		}
	}
	for _, l := range s.Logs {
		if t.digests[l.Vertex] {
			t.data = append(t.data, l.Data...)
		}
	}
	t.data = t.data[max(0, len(t.data)-tailBytes):]
}

// lines are the last ones.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(bytes.TrimRight(t.data, "\r\n"))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-tailLines):]
}
