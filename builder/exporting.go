package builder

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// exporting shows the exports of many images as one step, which names those that are done, and
// the last ones if they take long. BuildKit calls all of them "exporting to image", and tells a dozen
// lines of each.
type exporting struct {
	// name is the image that a step exports, "" of any other step.
	name    func(step digest.Digest) string
	exports map[string]*export
	order   []string
	step    client.Vertex // the one that is shown
}

// export is that of one image. BuildKit makes the image in a first step and pushes it in a
// second one, if it is not old.
type export struct {
	started time.Time // of the first
	ended   []time.Time
	begun   map[time.Time]bool // when each step did
	bytes   map[string]client.VertexStatus
	shown   bool // that it takes long
	told    bool // that it is done
}

func newExporting(name func(digest.Digest) string) *exporting {
	return &exporting{name: name, exports: map[string]*export{}, step: client.Vertex{
		Digest: digest.FromString("exporting images"), Name: "exporting images",
	}}
}

// fold changes news of exports into those of the one step.
func (e *exporting) fold(s *client.SolveStatus) {
	if e.name == nil {
		return
	}
	var steps []*client.Vertex
	for _, v := range s.Vertexes {
		image := e.name(v.Digest)
		if image == "" {
			steps = append(steps, v)
			continue
		}
		if v.Error != "" {
			v.Name = "exporting " + image
			steps = append(steps, v)
			continue
		}
		steps = append(steps, e.see(image, v)...)
	}
	var statuses []*client.VertexStatus
	for _, v := range s.Statuses {
		if image := e.name(v.Vertex); image == "" {
			statuses = append(statuses, v)
		} else if x := e.exports[image]; x != nil && v.Total > 0 {
			x.bytes[v.ID] = *v
		}
	}
	for _, w := range s.Warnings {
		if e.name(w.Vertex) != "" {
			w.Vertex = e.step.Digest
		}
	}
	s.Vertexes, s.Statuses = steps, append(statuses, e.news(time.Now())...)
}

// see notes what is known of an image's export; it returns the one step when that begins.
func (e *exporting) see(image string, v *client.Vertex) (begun []*client.Vertex) {
	x := e.exports[image]
	if v.Started == nil {
		return nil
	}
	if x == nil {
		x = &export{started: *v.Started, begun: map[time.Time]bool{}, bytes: map[string]client.VertexStatus{}}
		e.exports[image] = x
		e.order = append(e.order, image)
	}
	if v.Completed != nil && !x.begun[*v.Started] {
		x.begun[*v.Started] = true
		x.ended = append(x.ended, *v.Completed)
	}
	if e.step.Started == nil {
		e.step.Started = v.Started
		shown := e.step
		begun = append(begun, &shown)
	}
	return begun
}

const (
	pushed = 2 // how many steps an export has
	batch  = 8 // how many images a line names
	few    = 5 // exports that a build waits for
)

// news are those of images whose export is done, and of the last ones, if they take long.
func (e *exporting) news(now time.Time) (all []*client.VertexStatus) {
	var done, open []string
	for _, image := range e.order {
		x := e.exports[image]
		switch {
		case x.told:
		case len(x.ended) < pushed:
			open = append(open, image)
		case x.shown:
			all = append(all, e.done(image))
		default:
			done = append(done, image)
		}
	}
	for len(done) >= batch || len(done) > 0 && len(open) == 0 {
		n := min(batch, len(done))
		all, done = append(all, e.done(done[:n]...)), done[n:]
	}
	if len(open) > few {
		return all
	}
	for _, image := range open {
		if x := e.exports[image]; now.Sub(x.started) > often {
			x.shown = true
			status := e.status(image)
			status.Timestamp = now
			all = append(all, status)
		}
	}
	return all
}

// done says that images are exported, in one line.
func (e *exporting) done(images ...string) *client.VertexStatus {
	status := e.status(images...)
	for _, image := range images {
		x := e.exports[image]
		x.told = true
		if ended := x.ended[len(x.ended)-1]; status.Completed == nil || ended.After(*status.Completed) {
			status.Completed, status.Timestamp = &ended, ended
		}
	}
	return status
}

func (e *exporting) status(images ...string) *client.VertexStatus {
	status := &client.VertexStatus{Vertex: e.step.Digest, ID: strings.Join(images, ", ")}
	for _, image := range images {
		x := e.exports[image]
		if status.Started == nil || x.started.Before(*status.Started) {
			status.Started = &x.started
		}
		for _, part := range x.bytes {
			status.Current += part.Current
			status.Total += part.Total
		}
	}
	return status
}

// end is what is left to tell when nothing more comes, nil for nothing.
func (e *exporting) end() *client.SolveStatus {
	if e.step.Started == nil {
		return nil
	}
	s := &client.SolveStatus{}
	var left []string
	for _, image := range e.order {
		if x := e.exports[image]; !x.told && len(x.ended) > 0 {
			left = append(left, image)
		}
	}
	for ended := range slices.Chunk(left, batch) {
		s.Statuses = append(s.Statuses, e.done(ended...))
	}
	ended := *e.step.Started
	for _, x := range e.exports {
		for _, at := range x.ended {
			if at.After(ended) {
				ended = at
			}
		}
	}
	e.step.Completed = &ended
	s.Vertexes = append(s.Vertexes, &e.step)
	return s
}
