package builder

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/console"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/show"
)

// Progress says where and how a build's steps are shown.
type Progress struct {
	// Out is where they are written; nil: nowhere.
	Out io.Writer
	// Mode is one of auto, plain, tty, rawjson, quiet; "": auto, which shows what a
	// frontend does for itself only if it takes long, so that a build with nothing
	// to do says nothing.
	Mode string
}

// ForPeople reports whether the mode shows what people read, as the last lines of
// a step that failed.
func (p Progress) ForPeople() bool { return p.Mode != "quiet" && p.Mode != "rawjson" }

func (p Progress) out() io.Writer {
	if p.Out == nil {
		return io.Discard
	}
	return p.Out
}

func (p Progress) mode() string { return cmp.Or(p.Mode, "auto") }

func (p Progress) display() (progressui.Display, error) {
	out := p.out()
	if !isTerminal(out) && p.mode() != "rawjson" {
		out = &compact{out: out, empty: true}
	}
	display, err := progressui.NewDisplay(out, progressui.DisplayMode(p.mode()))
	if err != nil {
		return display, &OptionError{"progress", err}
	}
	return display, nil
}

// isTerminal tells whether BuildKit's display can move about in what it prints.
func isTerminal(out io.Writer) bool {
	file, ok := out.(console.File)
	if !ok {
		return false
	}
	_, err := console.ConsoleFromFile(file)
	return err == nil
}

// compact leaves out empty lines: of a hundred images that is one line of four. Those of
// steps have a number.
type compact struct {
	out   io.Writer
	empty bool // the line that is written
}

func (c *compact) Write(data []byte) (int, error) {
	kept := make([]byte, 0, len(data))
	for _, b := range data {
		if b != '\n' || !c.empty {
			kept = append(kept, b)
		}
		c.empty = b == '\n'
	}
	_, err := c.out.Write(kept)
	return len(data), err
}

// show shows a build's steps until its progress ends. Exports tells which image a step
// exports; nil: none does.
func (p Progress) show(ctx context.Context, status chan *client.SolveStatus, exports func(step digest.Digest) string) error {
	display, err := p.display()
	if err != nil {
		go drain(status)
		return err
	}
	shown := make(chan *client.SolveStatus)
	switch p.mode() {
	case "auto":
		go newFilter(exports).relay(status, shown)
	case "rawjson":
		go relay(status, shown, nil, calm)
	default:
		e, t := newExporting(exports), newTransfers()
		go relay(status, shown, []func() *client.SolveStatus{t.end, e.end}, calm, t.fold, e.fold, readable)
	}
	warnings, err := display.UpdateFrom(ctx, shown)
	printWarnings(p.out(), warnings)
	go drain(shown)
	return err
}

// relay passes all news on after some changes, and closes shown after the last, which ends may
// add to.
func relay(status <-chan *client.SolveStatus, shown chan<- *client.SolveStatus, ends []func() *client.SolveStatus, changes ...func(*client.SolveStatus)) {
	defer close(shown)
	for s := range status {
		for _, change := range changes {
			change(s)
		}
		shown <- s
	}
	finish(shown, ends...)
}

// finish tells what is left to tell.
func finish(shown chan<- *client.SolveStatus, ends ...func() *client.SolveStatus) {
	for _, end := range ends {
		if s := end(); s != nil {
			shown <- s
		}
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

// readable escapes what names and errors of steps may have of files and servers:
// BuildKit's display prints them as they are. What a step itself prints stays as it
// is, with its colours, as in every client of BuildKit.
func readable(s *client.SolveStatus) {
	line := func(text string) string { return show.Line(strings.ReplaceAll(text, "\t", " ")) }
	for _, v := range s.Vertexes {
		v.Name, v.Error = line(v.Name), show.Block(v.Error)
		if v.ProgressGroup != nil {
			v.ProgressGroup.Name = line(v.ProgressGroup.Name)
		}
	}
	for _, v := range s.Statuses {
		v.ID, v.Name = line(v.ID), line(v.Name)
	}
	for _, w := range s.Warnings {
		w.Short = []byte(line(string(w.Short)))
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
			fmt.Fprintln(out, "warning:", show.Line(text))
		}
	}
}

// often is how long long work may be silent.
const often = 2 * time.Second

// reading tells people how far files are read, if that takes long.
func (p Progress) reading() func(read, of int64) {
	last := time.Now()
	return func(read, of int64) {
		if p.ForPeople() && time.Since(last) > often {
			last = time.Now()
			fmt.Fprintf(p.out(), "reading the project's files: %d of %d MB\n", read/1e6, of/1e6)
		}
	}
}

func drain(status chan *client.SolveStatus) {
	for range status {
	}
}
