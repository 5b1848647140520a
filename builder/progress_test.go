package builder

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// hashing is the news of an internal step.
func hashing(started, completed *time.Time) *client.SolveStatus {
	const name = "[internal] hash what the images read"
	return &client.SolveStatus{Vertexes: []*client.Vertex{{Digest: digest.FromString(name), Name: name, Started: started, Completed: completed}}}
}

func TestAnInternalStepThatTakesLongIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, shown := make(chan *client.SolveStatus), make(chan *client.SolveStatus)
		go newFilter(nil).relay(status, shown)
		start := time.Now()
		status <- hashing(&start, nil)
		select {
		case s := <-shown:
			if took := time.Since(start); took < patience || len(s.Vertexes) != 1 {
				t.Errorf("after %s it shows %v", took, s)
			}
		case <-time.After(2 * patience):
			t.Error("a silent step is not shown")
		}
		close(status)
		for range shown {
			t.Error("it is shown again")
		}
	})
}

func TestAnInternalStepThatEndsAtOnceIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, shown := make(chan *client.SolveStatus), make(chan *client.SolveStatus)
		go newFilter(nil).relay(status, shown)
		now := time.Now()
		status <- hashing(&now, nil)
		status <- hashing(&now, &now)
		time.AfterFunc(10*patience, func() { close(status) })
		for s := range shown {
			t.Errorf("it shows %v", s)
		}
	})
}

func TestNamesOfStepsDoNotTurnTextAround(t *testing.T) {
	const evil = "RUN echo \u202e\x1b[2J"
	now := time.Now()
	for _, mode := range []string{"auto", "plain"} {
		t.Run(mode, func(t *testing.T) {
			var out strings.Builder
			status := make(chan *client.SolveStatus, 1)
			status <- &client.SolveStatus{
				Vertexes: []*client.Vertex{{Digest: "sha256:1", Name: evil, Started: &now, Completed: &now, Error: evil}},
				Statuses: []*client.VertexStatus{{Vertex: "sha256:1", ID: evil, Name: evil, Timestamp: now, Started: &now}},
				Warnings: []*client.VertexWarning{{Vertex: "sha256:1", Short: []byte(evil)}},
			}
			close(status)
			if err := (Progress{Out: &out, Mode: mode}).show(t.Context(), status, nil); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "\u202e") || strings.Contains(out.String(), "\x1b[2J") {
				t.Errorf("it prints %q", out.String())
			}
			if !strings.Contains(out.String(), `RUN echo \u202e\x1b[2J`) {
				t.Errorf("the name is lost: %q", out.String())
			}
		})
	}
}
