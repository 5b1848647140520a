// Package verify holds a project's log, its tags and its images against each other, and
// says what is wrong: [Verify] is all of it. verify.go reads the log, release.go looks
// at the images, mirror.go knows what a mirror may lack.
package verify

import (
	"context"
	"errors"
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

// once verifies once, and returns the number of the newest record that it saw.
func once(ctx context.Context, project *store.Project, rings []string) (Report, uint64, error) {
	v := &verifier{at: project.Namespace(), pace: project.Namespace().Pace(), source: project.Source(), report: Report{Rings: []string{}, Findings: []Finding{}}}
	if err := v.read(ctx); err != nil {
		return v.report, 0, err
	}
	v.report.Records = len(v.log.Records)
	for _, finding := range records.Verify(v.log) {
		problem := finding.What
		if got := finding.Tag.Digest; got != "" {
			problem = "it is " + got + ": " + problem
		} else if finding.Fault == records.Disagrees || finding.Fault == records.Unfinished {
			problem = "it is not there: " + problem
		}
		v.find(v.repository(finding.Tag.Repository).Reference(finding.Tag.Tag), problem, finding.Next)
	}
	all := len(rings) == 0
	if all {
		rings = v.rings()
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

type verifier struct {
	at      registry.Namespace
	pace    registry.Pace
	source  records.Source
	mu      sync.Mutex // of what follows, while several run
	log     records.Snapshot
	newest  records.Record
	digests map[records.Content]string // of versions, as the log says
	report  Report
}

func (v *verifier) repository(image string) registry.Repository {
	return v.at.Repository(image)
}

func (v *verifier) find(reference, problem, next string) {
	v.report.Findings = append(v.report.Findings, Finding{reference, problem, next})
}

func (v *verifier) rings() []string {
	var rings []string
	for ring := range v.newest.After {
		rings = append(rings, ring)
	}
	slices.Sort(rings)
	return rings
}

// read reads the whole log, and what the tags name that follow it.
func (v *verifier) read(ctx context.Context) error {
	log := v.repository(records.Repository)
	tags, err := registry.AllTags(ctx, log)
	if err != nil {
		return err
	}
	v.log = records.Snapshot{
		Tags: map[string]string{}, Records: map[string]records.Record{}, Errors: map[string]error{}, Images: map[records.Content]string{},
	}
	v.digests = map[records.Content]string{}
	err = v.all(len(tags), func(i int) (func(), error) {
		digest, found, err := log.Head(ctx, tags[i])
		return func() {
			if found {
				v.log.Tags[tags[i]] = digest
			}
		}, err
	})
	if err != nil {
		return err
	}
	if err := v.open(ctx); err != nil {
		return err
	}
	if err := v.mirror(ctx); err != nil {
		return err
	}
	if err := v.follow(ctx); err != nil || v.report.Mirror == "" {
		return err
	}
	v.asCopied()
	return nil
}

// all calls a function for 0 … n-1, several at a time, and what it returns one
// at a time.
func (v *verifier) all(n int, f func(i int) (note func(), err error)) error {
	return v.pace.Each(n, func(i int) error {
		note, err := f(i)
		if err == nil && note != nil {
			v.mu.Lock()
			defer v.mu.Unlock()
			note()
		}
		return err
	})
}

// open reads the decided records.
func (v *verifier) open(ctx context.Context) error {
	var decided []string
	for tag := range v.log.Tags {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Decided {
			decided = append(decided, tag)
		}
	}
	return v.all(len(decided), func(i int) (func(), error) {
		got, err := v.source.Get(ctx, decided[i])
		err, broken := contents(err)
		return func() {
			digest := v.log.Tags[decided[i]]
			if !got.Found || got.Broken != nil {
				v.log.Errors[digest] = errors.Join(got.Broken, broken)
				return
			}
			v.log.Records[digest] = got.Record
			if got.Record.Sequence > v.newest.Sequence {
				v.newest = got.Record
			}
		}, err
	})
}

// contents tells errors of the registry from what is wrong with its contents.
func contents(err error) (failure, broken error) {
	if registry.Broken(err) {
		return nil, err
	}
	return err, nil
}

// follow looks what version and ring tags name. Contents that a record took
// back and a later one assigned differ, and the later one counts.
func (v *verifier) follow(ctx context.Context) error {
	var tags []records.Content
	add := func(tag records.Content) {
		key := records.Content{Repository: tag.Repository, Tag: tag.Tag}
		if !slices.Contains(tags, key) {
			tags = append(tags, key)
		}
	}
	for _, record := range v.log.Records {
		for _, tag := range record.Versions() {
			add(tag)
		}
		for name, image := range record.Images {
			v.digests[records.Content{Repository: name, Tag: image.Version.String()}] = image.Digest
		}
	}
	for ring := range v.newest.After {
		add(records.TagOf(v.newest.After, ring))
	}
	return v.all(len(tags), func(i int) (func(), error) {
		digest, _, err := v.repository(tags[i].Repository).Head(ctx, tags[i].Tag)
		return func() { v.log.Images[tags[i]] = digest }, err
	})
}
