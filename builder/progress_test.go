package builder

import (
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
		go newFilter().relay(status, shown)
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
		go newFilter().relay(status, shown)
		now := time.Now()
		status <- hashing(&now, nil)
		status <- hashing(&now, &now)
		time.AfterFunc(10*patience, func() { close(status) })
		for s := range shown {
			t.Errorf("it shows %v", s)
		}
	})
}
