package records

import (
	"errors"
	"fmt"
	"slices"
)

// checkState is what the step Check finds out.
type checkState struct {
	checked []Content // manifests that the operation names, which are there
}

// ErrOlder says that the log's newest record is of schema 1, on which only an
// [OpUpgrade] follows: see [Upgrader].
var ErrOlder = errors.New("the log is of an older quoit and has to be upgraded first")

// check begins the step Check: it makes the operation's record on top of the
// newest one and looks for what that names.
func (m *Machine) check() {
	if m.newest.Record.Schema == 1 && !m.options.Upgrade {
		m.finish(Result{Outcome: Refused, Err: ErrOlder}, false)
		return
	}
	record, err := m.operate()
	if err != nil {
		m.finish(Result{Outcome: Refused, Err: err}, true)
		return
	}
	if looks := m.looks(record); len(looks) > 0 {
		m.ask(checking, looks...)
		return
	}
	m.propose(record, false)
}

// operate calls the operation. Its tables are checked when the record is
// sealed.
func (m *Machine) operate() (Record, error) {
	record, err := m.options.Operation(m.newest.Record)
	switch {
	case err != nil:
		return Record{}, err
	case record.Operation == OpVoid || record.Operation == OpKeep:
		return Record{}, fmt.Errorf("an operation cannot be a %s", record.Operation)
	}
	record.Before = m.newest.Record.After // so that it says what it moves
	return record, nil
}

// looks are the requests for what a record names: images and releases by digest,
// once; its version tags; and tags of rings that were never used.
func (m *Machine) looks(record Record) []Request {
	var looks []Request
	if images := named(record); !slices.Equal(images, m.checked) {
		for _, image := range images {
			looks = append(looks, Request{Action: HeadDigest, Repository: image.Repository, Digest: image.Digest})
		}
	}
	for _, tag := range record.Versions() {
		looks = append(looks, head(tag))
	}
	unused := map[Content]bool{}
	for _, ring := range record.Moved() {
		if _, used := m.newest.Record.After[ring]; !used {
			tag := TagOf(record.After, ring)
			looks, unused[Content{Repository: tag.Repository, Tag: ring}] = append(looks, head(tag)), true
		}
	}
	for _, tag := range m.options.Unused {
		if m.number == 0 && !unused[tag] {
			looks = append(looks, head(tag))
		}
	}
	return looks
}

// named are the manifests that a record needs, each once.
func named(record Record) []Content {
	var images []Content
	for _, tag := range record.Versions() {
		images = append(images, Content{Repository: tag.Repository, Digest: tag.Digest})
	}
	for _, ring := range record.Moved() {
		place := record.After[ring]
		image := Content{Repository: place.Root, Digest: place.Digest}
		if place.Digest != "" && !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	return images
}

// checking takes what became of the looks.
func (m *Machine) checking(r []Response) {
	record, err := m.operate()
	if err != nil {
		m.finish(Result{Outcome: Refused, Err: err}, true)
		return
	}
	wants := map[Content]string{} // versions
	for _, tag := range record.Versions() {
		wants[Content{Repository: tag.Repository, Tag: tag.Tag}] = tag.Digest
	}
	gives := func(tag Found) bool { return TagOf(record.After, tag.Tag) == tag.Content }
	var missing []Content
	var taken, foreign []Found
	for i, request := range m.asked {
		wanted, version := wants[Content{Repository: request.Repository, Tag: request.Tag}]
		found := Found{Content{request.Repository, request.Tag, r[i].Digest}, wanted}
		switch {
		case request.Action == HeadDigest && !r[i].Found:
			missing = append(missing, Content{Repository: request.Repository, Digest: request.Digest})
		case request.Action == HeadDigest || !r[i].Found || r[i].Digest == wanted:
		case version:
			taken = append(taken, found)
		case !IsNothing(r[i].Digest) && !gives(found):
			foreign = append(foreign, found)
		}
	}
	m.checked = named(record)
	m.judgeChecks(record, missing, taken, foreign)
}

func (m *Machine) judgeChecks(record Record, missing []Content, taken, foreign []Found) {
	assigned := m.assigned(record)
	switch {
	case len(missing) > 0:
		m.finish(Result{Outcome: Refused, Err: &MissingError{missing}}, true)
	case len(foreign) > 0: // first, as it may be why versions are taken
		m.finish(Result{Outcome: Foreign, Tags: foreign, Err: &TagError{foreign, "the ring was never used, and somebody wrote its tag: delete that, or use another ring"}}, true)
	case len(taken) > 0:
		m.finish(Result{Outcome: Refused, Err: &TakenError{taken}}, true)
	case len(assigned) > 0:
		m.finish(Result{Outcome: Refused, Err: &TakenError{assigned}}, true)
	default:
		m.propose(record, false)
	}
}

// assigned are the versions of a record that the log has assigned already, though nothing
// has their tags: somebody has deleted these.
func (m *Machine) assigned(record Record) []Found {
	var taken []Found
	for _, tag := range record.Versions() {
		if version := record.Images[tag.Repository].Version; m.newest.Record.Assigned.Taken(tag.Repository, version) {
			taken = append(taken, Found{Content{Repository: tag.Repository, Tag: tag.Tag}, tag.Digest})
		}
	}
	return taken
}

var errForgotten = errors.New("the operation made a record that cannot be written")

// propose seals a record for the slot after the newest one, and tries it.
func (m *Machine) propose(record Record, side bool) {
	record.Sequence, record.Parent, record.Before = m.number+1, m.digest, m.newest.Record.After
	if side {
		record.Schema = m.newest.Record.Schema // what takes it back can be read by whoever wrote it
	}
	if record.Schema != 1 {
		record.know(m.newest)
	}
	if record.Signature == (Signature{}) {
		record.Signature = m.options.Signature
	}
	sealed, err := m.seal(record)
	if err != nil {
		m.finish(Result{Outcome: Refused, Err: fmt.Errorf("%w: %w", errForgotten, err)}, false)
		return
	}
	m.mine, m.side = &sealed, side
	m.exposed = m.exposed || !side
	m.value, m.round = sealed.Digest, 1
	m.try()
}
