package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// maxHeld bounds the manifests that are held until they are written.
const maxHeld = 256 << 20

// Publish makes a plan whose images were pushed by digest a release: it appends
// a record to the log, and then gives the images their version tags,
// dependencies first and the root image last, and moves the ring's tag. Wherever
// it is stopped, the ring names a release whose images all have their tags, and
// the publish is either not in the log or completed by the next command. It never
// overwrites a version, and publishes only if the log says that the rings have
// what the plan has seen.
//
// A plan whose release the ring has already makes no request. Otherwise, with k
// built images, if nobody else writes and everything is in order, it makes
//
//	4·k  a GET by digest, two HEAD and a PUT of the version's tag
//	20   for the log and the ring, and one for every other ring that was ever used
//	7    to keep what the images were made of, if that is known
//	2    if another record than the newest says what the images are that are not built
//
// and before these one GET of /v2/ and, where the registry wants tokens, one
// request for each repository. A registry that does not identify itself in its
// answers costs a GET for each absent tag, and one that does not say what it has stored
// a HEAD for each written one. If a ring of a project without a log has something, nothing
// is published: that is for store/takeover.
//
// When ctx ends before others may carry the publish through, it stops; after
// that it goes on for a few seconds.
//
// The error is a [*PublishError]; the [Outcome] next to it is what was done.
func (p *Project) Publish(ctx context.Context, publication Publication) (Outcome, error) {
	plan := publication.Plan
	pub := &publisher{project: p, publication: publication, outcome: Outcome{
		Project: plan.Project, Ring: plan.Ring, Root: plan.Root, Version: plan.Version(), Written: []Tag{}, Existed: []Tag{},
	}}
	pub.driver = newDriver(p)
	pub.driver.first, pub.driver.rank, pub.driver.saw, pub.driver.lost = publication.First, pub.rank, pub.saw, pub.doubt
	err := pub.publish(ctx)
	pub.sort()
	if err != nil {
		return pub.outcome, &PublishError{
			Project: plan.Project, Version: plan.Version(), Ring: plan.Ring,
			Written: len(pub.outcome.Written), Unclear: pub.references(), Others: p.Wrote(), Err: err,
		}
	}
	pub.outcome.Done = true
	return pub.outcome, nil
}

// publisher carries out one publication.
type publisher struct {
	project     *Project
	publication Publication
	plan        writes
	position    map[Tag]int // of what is to be written, by its level
	driver      *driver
	kept        account.Sealed // zero: nothing is

	mu      sync.Mutex
	outcome Outcome
	unclear []Tag
}

func (p *publisher) publish(ctx context.Context) (err error) {
	if p.plan, err = p.publication.writes(p.project.name); err != nil {
		return err
	}
	p.outcome.Digest = p.plan.ring.Digest
	if p.publication.none() {
		return nil
	}
	p.positions()
	p.keep(ctx)
	return p.append(ctx)
}

// append runs the log's protocol once.
func (p *publisher) append(ctx context.Context) error {
	operation := func(newest records.Record) (records.Record, error) { return p.operation(ctx, newest) }
	options := records.Options{Operation: operation, Signature: p.signature(), Rings: p.publication.Rings}
	for _, ring := range options.Rings {
		options.Unused = append(options.Unused, records.Content{Repository: p.publication.Plan.Root, Tag: ring})
	}
	return p.judge(ctx, p.driver.append(ctx, options))
}

func (p *publisher) signature() records.Signature {
	author, plan := p.publication.Author, p.publication.Plan
	author.Source, author.Commit = cmp.Or(plan.Source, author.Source), cmp.Or(plan.Commit, author.Commit)
	author.Dirty = author.Dirty || plan.Dirty
	return signatureOf(author)
}

// positions numbers what is to be written: by level, the ring's tag last.
func (p *publisher) positions() {
	p.position = map[Tag]int{p.plan.ring: len(p.plan.levels)}
	for level, tags := range p.plan.levels {
		for _, tag := range tags {
			p.position[tag] = level
		}
	}
}

// rank lets dependencies be written first.
func (p *publisher) rank(request records.Request) int {
	if request.Action != records.Put {
		return 0
	}
	return p.position[Tag{request.Repository, request.Tag, request.Digest}]
}

// saw notes the tags that are there now.
func (p *publisher) saw(request records.Request, response records.Response) {
	tag := Tag{request.Repository, request.Tag, request.Digest}
	put := request.Action == records.Put && !response.Lost && !response.Refused
	if request.Action == records.Head && response.Found {
		tag.Digest = response.Digest
	} else if !put {
		return
	}
	if _, ours := p.position[tag]; !ours || slices.Contains(p.outcome.Written, tag) || slices.Contains(p.outcome.Existed, tag) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	doubted := slices.Contains(p.unclear, tag)
	p.unclear = slices.DeleteFunc(p.unclear, func(other Tag) bool { return other == tag })
	existed := !put && !doubted
	if existed {
		p.outcome.Existed = append(p.outcome.Existed, tag)
	} else {
		p.outcome.Written = append(p.outcome.Written, tag)
	}
	p.outcome.Moved = p.outcome.Moved || !existed && tag == p.plan.ring
	if progress := p.publication.Progress; progress != nil {
		progress(Event{Tag: tag, Existed: existed, Done: len(p.outcome.Existed) + len(p.outcome.Written), Total: p.plan.total()})
	}
}

// doubt notes that nobody knows whether a tag was written.
func (p *publisher) doubt(content records.Content) {
	tag := Tag{content.Repository, content.Tag, content.Digest}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ours := p.position[tag]; ours && !slices.Contains(p.unclear, tag) {
		p.unclear = append(p.unclear, tag)
	}
}

func (p *publisher) references() []string {
	var references []string
	for _, tag := range p.unclear {
		references = append(references, p.repository(tag.Image).Reference(tag.Tag))
	}
	slices.Sort(references)
	return references
}

// sort puts the tags of the outcome in the order of the plan.
func (p *publisher) sort() {
	position := map[Tag]int{p.plan.ring: p.plan.total()}
	for _, level := range p.plan.levels {
		for _, tag := range level {
			position[tag] = len(position)
		}
	}
	for _, tags := range [][]Tag{p.outcome.Written, p.outcome.Existed} {
		slices.SortFunc(tags, func(a, b Tag) int { return cmp.Compare(position[a], position[b]) })
	}
}

func (p *publisher) repository(image string) registry.Repository { return p.project.at.Writable(image) }

// restarts reports whether an error is one after which a new plan is needed.
func restarts(err error) bool {
	var moved *MovedError
	var taken *TakenError
	var foreign *ForeignError
	var differs *DifferenceError
	var parent *ParentError
	var unheld *UnheldError
	return errors.As(err, &unheld) || errors.As(err, &moved) || errors.As(err, &taken) || errors.As(err, &foreign) || errors.As(err, &differs) || errors.As(err, &parent)
}
