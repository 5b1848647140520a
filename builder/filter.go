package builder

import (
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// patience is how long an internal step may take before it is shown.
const patience = time.Second

// filter holds back internal steps until they fail or take long.
type filter struct {
	held    map[digest.Digest]*client.SolveStatus
	since   map[digest.Digest]time.Time
	visible map[digest.Digest]bool
	exports *exporting
	sent    *transfers
}

func newFilter(exports func(step digest.Digest) string) *filter {
	return &filter{
		exports: newExporting(exports),
		sent:    newTransfers(),
		held:    map[digest.Digest]*client.SolveStatus{},
		since:   map[digest.Digest]time.Time{},
		visible: map[digest.Digest]bool{},
	}
}

// relay passes on what may be shown, and closes shown after the last. A step that
// takes long may be silent, so time passes without news too.
func (f *filter) relay(status <-chan *client.SolveStatus, shown chan<- *client.SolveStatus) {
	defer close(shown)
	tick := time.NewTicker(patience / 4)
	defer tick.Stop()
	for {
		news := &client.SolveStatus{}
		select {
		case s, more := <-status:
			if !more {
				finish(shown, f.exports.end)
				return
			}
			calm(s)
			news = s
		case <-tick.C:
		}
		f.sent.fold(news)
		f.exports.fold(news)
		readable(news)
		if s := f.pass(news); s != nil {
			shown <- s
		}
	}
}

// pass returns what may be shown now of a status, nil for nothing.
func (f *filter) pass(s *client.SolveStatus) *client.SolveStatus {
	out := &client.SolveStatus{}
	for _, v := range s.Vertexes {
		if !internal(v.Name) {
			f.visible[v.Digest] = true
		}
		f.put(v.Digest, out).Vertexes = append(f.put(v.Digest, out).Vertexes, v)
		if v.Error != "" {
			f.release(v.Digest, out)
		}
		if v.Completed != nil && !f.visible[v.Digest] {
			delete(f.held, v.Digest)
			delete(f.since, v.Digest)
		}
	}
	for _, v := range s.Statuses {
		f.put(v.Vertex, out).Statuses = append(f.put(v.Vertex, out).Statuses, v)
	}
	for _, v := range s.Logs {
		f.put(v.Vertex, out).Logs = append(f.put(v.Vertex, out).Logs, v)
	}
	for _, w := range s.Warnings {
		if !expectedWarning(string(w.Short)) {
			out.Warnings = append(out.Warnings, w)
		}
	}
	now := time.Now()
	for dgst, since := range f.since {
		if now.Sub(since) > patience {
			f.release(dgst, out)
		}
	}
	if len(out.Vertexes)+len(out.Statuses)+len(out.Logs)+len(out.Warnings) == 0 {
		return nil
	}
	return out
}

// put returns where a vertex's news go: out, or what is held back of it.
func (f *filter) put(dgst digest.Digest, out *client.SolveStatus) *client.SolveStatus {
	if f.visible[dgst] {
		return out
	}
	if f.held[dgst] == nil {
		f.held[dgst] = &client.SolveStatus{}
		f.since[dgst] = time.Now()
	}
	return f.held[dgst]
}

func (f *filter) release(dgst digest.Digest, out *client.SolveStatus) {
	held := f.held[dgst]
	f.visible[dgst] = true
	delete(f.held, dgst)
	delete(f.since, dgst)
	if held != nil {
		out.Vertexes = append(out.Vertexes, held.Vertexes...)
		out.Statuses = append(out.Statuses, held.Statuses...)
		out.Logs = append(out.Logs, held.Logs...)
	}
}

// internal tells whether a step is the frontend's own.
func internal(name string) bool {
	return strings.HasPrefix(name, "[internal]") || strings.HasPrefix(name, "[quoit]") ||
		strings.Contains(name, " internal] ") || strings.HasPrefix(name, "resolve image config") ||
		strings.HasPrefix(name, "docker-image://")
}

// expected tells whether a step's failure is no error: an empty ring, a free version.
func expected(name string) bool { return strings.HasSuffix(name, "is no error)") }

// expectedWarning tells whether a warning is none: BuildKit compares the platforms of
// a whole result with one image's and does not know of several images.
func expectedWarning(text string) bool {
	return strings.HasPrefix(text, "Requested platforms ") && strings.Contains(text, " do not match result platforms ")
}
