package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// patience is how long an internal step may take before it is shown.
const patience = time.Second

// showProgress shows a build's steps. What the frontend does for itself is
// shown only if it takes long, so a build with nothing to do says nothing.
func showProgress(ctx context.Context, out io.Writer, mode string, status chan *client.SolveStatus) error {
	display, err := newDisplay(out, mode)
	if err != nil {
		go drain(status)
		return err
	}
	shown := make(chan *client.SolveStatus)
	if mode == "auto" {
		go newFilter().relay(status, shown)
	} else {
		go relay(status, shown)
	}
	warnings, err := display.UpdateFrom(ctx, shown)
	printWarnings(out, warnings)
	go drain(shown)
	return err
}

// relay passes all news on, and closes shown after the last.
func relay(status <-chan *client.SolveStatus, shown chan<- *client.SolveStatus) {
	defer close(shown)
	for s := range status {
		calm(s)
		shown <- s
	}
}

// calm takes away the errors that are none.
func calm(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		if expected(v.Name) && strings.HasSuffix(v.Error, ": not found") {
			v.Error = ""
		}
	}
}

// printWarnings prints each warning once, after the display has ended.
func printWarnings(out io.Writer, warnings []client.VertexWarning) {
	printed := map[string]bool{}
	for _, w := range warnings {
		text := string(w.Short)
		if w.SourceInfo != nil {
			text = w.SourceInfo.Filename + ": " + text
		}
		if !printed[text] && !expectedWarning(text) {
			printed[text] = true
			fmt.Fprintln(out, "warning:", text)
		}
	}
}

func drain(status chan *client.SolveStatus) {
	for range status {
	}
}

// endsShown tells whether a mode shows the last lines of a step that failed.
func endsShown(mode string) bool { return mode != "quiet" && mode != "rawjson" }

func newDisplay(out io.Writer, mode string) (progressui.Display, error) {
	display, err := progressui.NewDisplay(out, progressui.DisplayMode(mode))
	if err != nil {
		return display, usagef("--progress: %w", err)
	}
	return display, nil
}

// filter holds back internal steps until they fail or take long.
type filter struct {
	held    map[digest.Digest]*client.SolveStatus
	since   map[digest.Digest]time.Time
	visible map[digest.Digest]bool
}

func newFilter() *filter {
	return &filter{
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
				return
			}
			calm(s)
			news = s
		case <-tick.C:
		}
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
