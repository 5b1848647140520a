// Package report keeps what was measured, judges it against the goals, and writes it
// as samples, as a page and as a plot.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/quoitbuild/quoit/integration/bench/project"
)

// Report is all that was measured in one run, or in several on one machine.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []*Row  `json:"rows"`
}

// Machine is what the samples depend on beside the work. It names no host, no
// user and no path.
type Machine struct {
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel"`
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	Memory   int64  `json:"memory_bytes"`
	Go       string `json:"go"`
	BuildKit string `json:"buildkit"`
	Buildx   string `json:"buildx"`
}

// Row is a piece of work that contestants did in turns.
type Row struct {
	// Work is what was done: no-op, leaf, leaf-first, base, cold, …
	Work string `json:"work"`
	// Shape is how the project's images hang together.
	Shape string `json:"shape"`
	// Images is how many the project has, Files how many files each.
	Images int `json:"images"`
	Files  int `json:"files"`
	// DelayMS is what each request to the registry waited, -1 without a proxy.
	DelayMS int `json:"delay_ms"`
	// Commit is that of quoit, "" if git does not know.
	Commit string `json:"commit"`
	// Series has the contestants in the order of their turns.
	Series []*Series `json:"series"`
}

// Series is what one contestant needed, round by round.
type Series struct {
	Contestant string   `json:"contestant"`
	Samples    []Sample `json:"samples"`
	// Error says why there are no, or no more, samples.
	Error string `json:"error,omitempty"`
}

// Sample is one measured run.
type Sample struct {
	Round int `json:"round"`
	// Seconds is wall time, CPU that of the command itself without the daemons.
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	// DaemonCPU is buildkitd's processor time until it rests, also after the
	// command's end.
	DaemonCPU float64 `json:"buildkitd_cpu_seconds"`
	// Solves is the builds in BuildKit's history.
	Solves int `json:"solves"`
	// Requests are those for the project's images, by method and kind, Others
	// how many there were for base images and frontends. Received is bytes that
	// the registry answered with, Stored bytes by which its blobs grew.
	Requests map[string]int `json:"requests"`
	Others   int            `json:"other_requests"`
	Received int64          `json:"received_bytes"`
	Stored   int64          `json:"stored_bytes"`
	// Peaks of resident memory in bytes; 0 is not seen.
	CLI      int64 `json:"cli_bytes"`
	Daemon   int64 `json:"buildkitd_bytes"`
	Frontend int64 `json:"frontend_bytes"`
	Step     int64 `json:"hash_step_bytes"`
	// Phases are seconds by phase, as BuildKit's history has them.
	Phases map[string]float64 `json:"phases,omitempty"`
}

// Title names a row for people.
func (r *Row) Title() string {
	text := fmt.Sprintf("%s, N=%d", r.Work, r.Images)
	if r.Shape != string(project.Star) {
		text += ", " + r.Shape
	}
	if r.DelayMS >= 0 {
		text += fmt.Sprintf(", %d ms", r.DelayMS)
	}
	return text
}

// key tells rows apart.
func (r *Row) key() string {
	return fmt.Sprintf("%s/%s/%d/%d/%d", r.Work, r.Shape, r.Images, r.Files, r.DelayMS)
}

// find is the row of a key, nil if it was not measured.
func (r *Report) find(work string, shape project.Shape, images, delay int) *Row {
	for _, row := range r.Rows {
		if row.Work == work && row.Shape == string(shape) && row.DelayMS == delay && (images == 0 || row.Images == images) {
			return row
		}
	}
	return nil
}

// Put adds a row in place of an earlier one of the same key.
func (r *Report) Put(row *Row) {
	same := func(other *Row) bool { return other.key() == row.key() }
	if i := slices.IndexFunc(r.Rows, same); i >= 0 {
		r.Rows[i] = row
		return
	}
	r.Rows = append(r.Rows, row)
}

// commits are those that the rows were measured at, in their order.
func (r *Report) commits() []string {
	var all []string
	for _, row := range r.Rows {
		if row.Commit != "" && !slices.Contains(all, row.Commit) {
			all = append(all, row.Commit)
		}
	}
	return all
}

// series is a contestant's, nil if it did not take part.
func (r *Row) series(contestant string) *Series {
	if r == nil {
		return nil
	}
	for _, s := range r.Series {
		if s.Contestant == contestant {
			return s
		}
	}
	return nil
}

// seconds are a contestant's wall times by round.
func (s *Series) seconds() map[int]float64 {
	return s.values(func(sample Sample) float64 { return sample.Seconds })
}

// values are one number of each sample, by round.
func (s *Series) values(of func(Sample) float64) map[int]float64 {
	values := map[int]float64{}
	if s != nil {
		for _, sample := range s.Samples {
			values[sample.Round] = of(sample)
		}
	}
	return values
}

// Load reads a report; without a file it is empty.
func Load(file string) (*Report, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &Report{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	return r, nil
}

// Save writes the report.
func (r *Report) Save(file string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}
