package builder

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
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
	display, err := progressui.NewDisplay(p.out(), progressui.DisplayMode(p.mode()))
	if err != nil {
		return display, &OptionError{"progress", err}
	}
	return display, nil
}

// show shows a build's steps until its progress ends.
func (p Progress) show(ctx context.Context, status chan *client.SolveStatus) error {
	display, err := p.display()
	if err != nil {
		go drain(status)
		return err
	}
	shown := make(chan *client.SolveStatus)
	if p.mode() == "auto" {
		go newFilter().relay(status, shown)
	} else {
		go relay(status, shown)
	}
	warnings, err := display.UpdateFrom(ctx, shown)
	printWarnings(p.out(), warnings)
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
