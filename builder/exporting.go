package builder

import (
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// exporting shows the exports of many images as one step, with a line for each when it is
// done, or takes long. BuildKit calls all of them "exporting to image", and tells a dozen
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

// pushed is how many steps an export has.
const pushed = 2

// news are those of images whose export is done, or takes long.
func (e *exporting) news(now time.Time) (all []*client.VertexStatus) {
	for _, image := range e.order {
		x := e.exports[image]
		switch {
		case x.told:
		case len(x.ended) >= pushed:
			all = append(all, e.done(image))
		case now.Sub(x.started) > often:
			status := e.status(image)
			status.Timestamp = now
			all = append(all, status)
		}
	}
	return all
}

func (e *exporting) done(image string) *client.VertexStatus {
	x := e.exports[image]
	x.told = true
	status, ended := e.status(image), x.ended[len(x.ended)-1]
	status.Timestamp, status.Completed = ended, &ended
	return status
}

func (e *exporting) status(image string) *client.VertexStatus {
	x := e.exports[image]
	status := &client.VertexStatus{Vertex: e.step.Digest, ID: image, Started: &x.started}
	for _, part := range x.bytes {
		status.Current += part.Current
		status.Total += part.Total
	}
	return status
}

// end is what is left to tell when nothing more comes, nil for nothing.
func (e *exporting) end() *client.SolveStatus {
	if e.step.Started == nil {
		return nil
	}
	s := &client.SolveStatus{}
	for _, image := range e.order {
		if x := e.exports[image]; !x.told && len(x.ended) > 0 {
			s.Statuses = append(s.Statuses, e.done(image))
		}
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
