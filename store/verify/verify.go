// Package verify holds a project's log, its tags and its images against each other, and
// says what is wrong: [Verify] is all of it. log.go reads the log, release.go looks
// at the images, mirror.go knows what a mirror may lack.
package verify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// Finding is one thing that is wrong, and what to do about it.
type Finding struct {
	Reference string `json:"reference"`
	Problem   string `json:"problem"`
	Next      string `json:"next"`
}

// String is the finding in one line.
func (f Finding) String() string { return f.Reference + ": " + f.Problem + ": " + f.Next }

// Report is what [Verify] has found, and what it looked at.
type Report struct {
	// Mirror is the project that this is a mirror of, see store/mirror; "" if it is none.
	Mirror   string    `json:"mirror,omitempty"`
	Records  int       `json:"records"`
	Rings    []string  `json:"rings"` // those with a release
	Images   int       `json:"images"`
	Findings []Finding `json:"findings"` // never null
}

// Name adds tags of rings that differ from the log, in the words that all commands have
// for it, in place of what was found out about these tags otherwise.
func (r *Report) Name(differences []store.Difference) {
	for _, d := range differences {
		r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.Reference == d.Reference })
		r.Findings = append(r.Findings, Finding{d.Reference, d.Problem(), d.Next})
	}
}

// Verify holds the log against itself, all version and ring tags against the log,
// and the releases of rings (none: all that the log knows) against the registry:
// their images exist, have the digests that the log says, and labels that agree
// with the release. Of a mirror it checks all releases that are there, and misses
// none that was not copied. It writes nothing, and looks again if others wrote
// meanwhile. The error is a [*registry.RequestError] if the registry does not answer, or says
// that the log grows too fast; what is wrong with its contents is a finding.
func Verify(ctx context.Context, project *store.Project, rings []string) (Report, error) {
	for range looksAgain {
		report, newest, err := once(ctx, project, rings)
		if errors.Is(err, errGrown) {
			continue
		}
		if err != nil || len(report.Findings) == 0 {
			return report, err
		}
		// A log that cannot be read is what the findings are about.
		if now, err := records.NewLog(project.Source()).Newest(ctx); err != nil || now.Record.Sequence <= newest {
			return report, nil
		}
		if err := registry.Rest(ctx, project.Namespace().Pace().Filled().Backoff); err != nil {
			return Report{}, err
		}
	}
	return Report{}, errors.New("the log grew while it was read, again and again: run `quoit verify` when less is published")
}

// looksAgain is how often a log is verified that grows, or that the registry
// lists late.
const looksAgain = 20

// errGrown says that the log has grown while it was read.
var errGrown = errors.New("the log has grown")

// once verifies once, and returns the number of the newest record that it saw.
func once(ctx context.Context, project *store.Project, rings []string) (Report, uint64, error) {
	v := &verifier{
		project: project, at: project.Namespace(), pace: project.Namespace().Pace(), source: project.Source(),
		seen: map[string]bool{}, ringTags: map[records.Content]bool{}, report: Report{Rings: []string{}, Findings: []Finding{}},
	}
	if err := v.read(ctx); err != nil {
		return v.report, 0, err
	}
	for _, record := range v.log.Records {
		if record.Sequence > 0 {
			v.report.Records++
		}
	}
	all := len(rings) == 0
	differ, err := v.differences(ctx, rings)
	if err != nil {
		return v.report, 0, err
	}
	for _, finding := range records.Verify(v.log) {
		if tag := finding.Tag; v.ringTags[records.Content{Repository: tag.Repository, Tag: tag.Tag}] && (differ[tag.Tag] || finding.Fault == records.Disagrees) {
			continue
		}
		problem := finding.What
		if got := finding.Tag.Digest; got != "" {
			problem = "it is " + got + ": " + problem
		} else if finding.Fault == records.Disagrees || finding.Fault == records.Unfinished {
			problem = "it is not there: " + problem
		}
		v.find(v.repository(finding.Tag.Repository).Reference(finding.Tag.Tag), problem, finding.Next)
	}
	if all {
		rings = slices.Sorted(maps.Keys(v.rings))
	}
	for _, ring := range rings {
		if err := v.ring(ctx, ring); err != nil {
			return v.report, 0, err
		}
	}
	if all && v.report.Mirror != "" {
		for _, place := range v.others() {
			if err := v.release(ctx, place, "its tag"); err != nil {
				return v.report, 0, err
			}
		}
	}
	return v.report, v.newest.Sequence, nil
}

// differences compares the rings' tags with the log, and returns those that differ.
func (v *verifier) differences(ctx context.Context, rings []string) (differ map[string]bool, err error) {
	if len(rings) == 0 {
		rings = v.known()
	}
	if v.report.Mirror != "" {
		return v.copied(ctx, rings)
	}
	if v.newest.Sequence == 0 {
		return nil, nil
	}
	state, err := v.project.State(ctx)
	if broken := new(records.ForkError); errors.As(err, &broken) || registry.Broken(err) {
		return nil, nil // as was said
	}
	if err != nil {
		return nil, err
	}
	if state.Newest.Record.Sequence > v.newest.Sequence {
		if state.Newest.Digest == v.log.Tags[string(records.Hint)] {
			return nil, nil // a hint that names no record of the log, as was said
		}
		return nil, errGrown
	}
	v.rings = state.Rings()
	return v.compare(ctx, state, rings)
}

// known are all rings of which the log says something.
func (v *verifier) known() []string {
	rings := records.Table{}
	maps.Copy(rings, v.newest.After)
	for tag := range v.log.Tags {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Ring && v.report.Mirror != "" {
			rings[name.Value] = records.Place{}
		}
	}
	return slices.Sorted(maps.Keys(rings))
}

// compare finds the tags of rings that differ from what a state says.
func (v *verifier) compare(ctx context.Context, state store.State, rings []string) (differ map[string]bool, err error) {
	known, root := []string{}, "" // rings of no release have one root image
	for _, ring := range rings {
		if place, found := v.newest.After[ring]; found {
			known, root = append(known, ring), place.Root
		}
	}
	differences, err := store.Differences(ctx, v.project, state, root, known)
	differ = map[string]bool{}
	for _, difference := range differences {
		differ[difference.Ring] = true
		v.find(difference.Reference, difference.Problem(), difference.Next)
	}
	return differ, err
}

type verifier struct {
	project *store.Project
	at      registry.Namespace
	pace    registry.Pace
	source  records.Source
	mu      sync.Mutex // of what follows, while several run
	log     records.Snapshot
	newest  records.Record
	rings   records.Table // what they have
	// ringTags are the tags of rings, without digest, that have to follow the newest record.
	ringTags map[records.Content]bool
	digests  map[records.Content]string // of versions, as the log says
	seen     map[string]bool            // images whose parts were looked at
	report   Report
}

func (v *verifier) repository(image string) registry.Repository {
	return v.at.Repository(image)
}

func (v *verifier) find(reference, problem, next string) {
	v.report.Findings = append(v.report.Findings, Finding{reference, problem, next})
}
