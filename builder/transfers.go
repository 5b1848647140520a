package builder

import (
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// transfers shows the transfers of all images' files as one step. Each context is a local
// source of its own, and BuildKit tells four lines of each.
type transfers struct {
	parts  map[digest.Digest]*client.Vertex
	bytes  map[digest.Digest]client.VertexStatus
	step   client.Vertex // the one that is shown
	newsAt time.Time     // when the last news of any part came
	toldAt time.Time     // when something was said of all
	told   bool          // that they are done
}

// loading is what the frontend calls such a transfer.
const loading = "[internal] load what is read of the project's files"

func newTransfers() *transfers {
	return &transfers{parts: map[digest.Digest]*client.Vertex{}, bytes: map[digest.Digest]client.VertexStatus{}, step: client.Vertex{
		Digest: digest.FromString(loading), Name: loading,
	}}
}

// fold changes news of transfers into those of the one step.
func (t *transfers) fold(s *client.SolveStatus) {
	var steps []*client.Vertex
	for _, v := range s.Vertexes {
		if v.Name != loading || v.Error != "" {
			steps = append(steps, v)
			continue
		}
		if known := t.parts[v.Digest]; known == nil || known.Completed == nil {
			t.parts[v.Digest] = v // a solve within the build says again that it began
		}
		t.newsAt = time.Now()
	}
	var statuses []*client.VertexStatus
	for _, v := range s.Statuses {
		if t.parts[v.Vertex] == nil {
			statuses = append(statuses, v)
			continue
		}
		t.bytes[v.Vertex], t.newsAt = *v, time.Now()
	}
	all := t.tell(time.Now())
	steps, statuses = append(steps, all.Vertexes...), append(statuses, all.Statuses...)
	s.Vertexes, s.Statuses = steps, statuses
}

// tell is what there is to tell of the step.
func (t *transfers) tell(now time.Time) (s client.SolveStatus) {
	if t.sum(now) {
		shown := t.step
		s.Vertexes = append(s.Vertexes, &shown)
	}
	if status := t.status(now); status != nil {
		s.Statuses = append(s.Statuses, status)
	}
	return s
}

// end is what is left to tell when nothing more comes.
func (t *transfers) end() *client.SolveStatus {
	for _, v := range t.parts {
		if v.Completed == nil {
			v.Completed = v.Started
		}
	}
	s := t.tell(time.Now().Add(2 * settled))
	return &s
}

// sum is the step as its parts are; it tells whether that is news. More parts may begin when
// all have ended, so it ends a while after the last news.
func (t *transfers) sum(now time.Time) (news bool) {
	var last time.Time
	open, cached := false, true
	for _, v := range t.parts {
		if v.Started != nil && t.step.Started == nil {
			t.step.Started, news = v.Started, true
		}
		if v.Completed == nil {
			open = true
		} else if v.Completed.After(last) {
			last = *v.Completed
		}
		cached = cached && v.Cached
	}
	if open && t.step.Completed != nil {
		t.step.Completed, t.step.Cached, t.told, news = nil, false, false, true
	}
	if !open && t.step.Started != nil && t.step.Completed == nil && now.Sub(t.newsAt) > settled {
		t.step.Completed, t.step.Cached, news = &last, cached, true
	}
	return news
}

// settled is how long there are no news between two transfers at most.
const settled = time.Second

// status is how much was sent, when that is all or takes long; nil if there is nothing to tell.
func (t *transfers) status(now time.Time) *client.VertexStatus {
	done := t.step.Completed != nil
	if t.step.Started == nil || t.told || len(t.bytes) == 0 || !done && (now.Sub(*t.step.Started) < often || now.Sub(t.toldAt) < often) {
		return nil
	}
	t.toldAt, t.told = now, done
	status := &client.VertexStatus{Vertex: t.step.Digest, ID: "transferring", Timestamp: now, Started: t.step.Started, Completed: t.step.Completed}
	for _, part := range t.bytes {
		status.Current += part.Current
	}
	return status
}
