package records

import (
	"errors"
	"fmt"
)

// Options are what a [Machine] is to do.
type Options struct {
	// Operation is what to append; nil to complete the newest record only.
	Operation Operation
	// Signature goes into every record that is made. Its ID has to be random:
	// two machines with the same one would both take one record for their own.
	Signature Signature
	// Upgrade says that the operation is an [OpUpgrade]. No other one is asked while the
	// newest record is of schema 1: the outcome is Refused then, with [ErrOlder].
	Upgrade bool
	// Unused are ring tags, without digests, that must be absent if there is no record
	// yet: what they name was there before the log.
	Unused []Content
	// Rings is the order in which ring tags are written, from the last one.
	Rings []string
	// Mend lets ring tags follow the log whatever they name, also what somebody else has
	// put there. Without it such a tag is left alone, and ends the operation.
	Mend bool
	// Strict ends it as Foreign if ring tags differ from another writer's record that is
	// done, whatever they name: somebody has moved them. Else they are put right, if the
	// log has ever said what they name.
	Strict bool
}

// Machine is one writer's run of the steps that docs/log.md describes: Read,
// Complete, Check, Agree, Follow, Close. Ask [Machine.Next] for requests, carry
// them out, hand the answers to [Machine.Took], until Next says that it is over.
// It is not safe for concurrent use.
//
// What it adds to docs/log.md, because the checkers wanted it:
//
//   - Done and doubt. A writer that has moved its tags puts a done tag, looks
//     whether there is a doubt, and only then succeeds. A writer that wants to
//     take back another one's publish puts a doubt tag, looks whether it is done,
//     and only then proposes to. If both tags are there, the writer of the
//     publish appends a keep, which comes before any void or is beaten by it.
//   - A publish is only taken back when all its other versions have their tags.
//   - Versions that an operation assigns are looked up before it is proposed.
//   - A listing of several pages is done again after the first that shows one's
//     own tag.
//   - Whoever wrote a ring tag looks again for a newer record, however it ends.
type Machine struct {
	options Options
	seal    func(Record) (Sealed, error)
	variant func(*Machine, []Response) bool // planted bugs, by tests only

	phase    phase
	asked    []Request
	batch    []Request  // what was asked before looking at tags that were refused
	answered []Response // and its answers
	ended    bool
	result   Result

	// What is known, each beside the steps that find it out.
	readState
	followState
	checkState
	agreeState
	closeState
}

// New returns a machine at its start. The error says what is wrong with options.
func New(options Options) (*Machine, error) {
	if err := options.Signature.check(); err != nil {
		return nil, fmt.Errorf("signing a record: %w", err)
	}
	m := &Machine{options: options, seal: Seal}
	m.readHint()
	return m, nil
}

// Next returns what to do now; false when there is nothing more, and [Machine.Result]
// tells how it ended. Several requests may be carried out in any order, or at
// once. It returns the same until [Machine.Took] is called.
func (m *Machine) Next() ([]Request, bool) { return m.asked, !m.ended }

// Result is how it ended; the zero Result before.
func (m *Machine) Result() Result { return m.result }

// Exposed reports whether the operation is in the log or may get there by others,
// as a try tag of it may be out. If not, the driver can stop; if so, it should go
// on, which is a matter of seconds.
func (m *Machine) Exposed() bool { return m.exposed }

// Stop ends the machine where it is, because the driver cannot or does not want
// to go on. The outcome is Stopped, or Unknown if [Machine.Exposed], and what it
// was to be anyway if only the hint was missing.
func (m *Machine) Stop(err error) {
	switch {
	case m.ended:
	case m.phase == hinting:
		m.succeed()
	case m.exposed:
		m.end(Result{Outcome: Unknown, Err: err})
	default:
		m.end(Result{Outcome: Stopped, Err: err})
	}
}

// Decline is Stop after a request that was certainly not carried out: if that was to
// put the first try of the operation, the operation is not in the log, and will not be.
func (m *Machine) Decline(err error) {
	if m.phase == trying && m.round == 1 && !m.side {
		m.exposed = false
	}
	m.Stop(err)
}

// errAnswers is a bug of the driver.
var errAnswers = errors.New("the driver gave more or fewer answers than there were requests")

// Took hands over the answers, in the order of the requests.
func (m *Machine) Took(responses []Response) {
	switch {
	case m.ended:
	case len(responses) != len(m.asked):
		m.Stop(fmt.Errorf("%w (%s: %s)", errAnswers, m.step(), m.phase))
	case m.answered != nil:
		m.recheck(responses)
	default:
		m.sort(responses)
	}
}

// sort sorts out lost and refused requests, and leaves the rest to the phase.
func (m *Machine) sort(responses []Response) {
	var looks []Request
	for i, response := range responses {
		request := m.asked[i]
		switch {
		case request.Register:
		case response.Lost:
			return // any other request does no harm, so again
		case response.Refused:
			looks = append(looks, head(Content{Repository: request.Repository, Tag: request.Tag}))
		}
	}
	if len(looks) == 0 {
		m.handle(responses)
		return
	}
	m.batch, m.answered, m.asked = m.asked, responses, looks
}

// recheck takes what the tags name that could not be written: if that is what
// they should name, nothing is wrong.
func (m *Machine) recheck(looks []Response) {
	batch, responses := m.batch, append([]Response{}, m.answered...)
	for i, request := range batch {
		if request.Register || !responses[i].Refused {
			continue
		}
		look := looks[0]
		looks = looks[1:]
		switch {
		case look.Lost:
			return
		case !look.Found:
			m.Stop(fmt.Errorf("the registry refuses the tag %s:%s", request.Repository, request.Tag))
			return
		case look.Digest == request.Digest:
			responses[i].Refused = false
		case request.Repository == Repository:
			m.forked("the tag %s is %s, and should be %s", request.Tag, look.Digest, request.Digest)
			return
		}
	}
	m.asked, m.batch, m.answered = batch, nil, nil
	m.handle(responses)
}

func (m *Machine) handle(responses []Response) {
	if m.variant != nil && m.variant(m, responses) {
		return
	}
	handlers[m.phase](m, responses)
}

// step is the step that the machine is at. Tags that follow another writer's
// record complete that.
func (m *Machine) step() step {
	if at := phaseNames[m.phase].step; at != stepComplete || m.latest != m.number {
		return at
	}
	return stepFollow
}

// ask goes to a phase, which takes the answers.
func (m *Machine) ask(p phase, requests ...Request) { m.phase, m.asked = p, requests }

// end finishes with a result; what is the same for all is filled in here.
func (m *Machine) end(result Result) {
	result.Newest, result.Record, result.Voided = m.newest, m.own, m.voided
	if m.undone != nil {
		result.Voided = append(result.Voided[:len(result.Voided):len(result.Voided)], m.undone.Of)
	}
	m.result, m.ended, m.asked, m.batch, m.answered = result, true, nil, nil, nil
}

func (m *Machine) forked(format string, values ...any) {
	m.end(Result{Outcome: Forked, Err: &ForkError{fmt.Sprintf(format, values...)}})
}

// foreign ends with tags that somebody else wrote.
func (m *Machine) foreign(next string, tags ...Found) {
	m.end(Result{Outcome: Foreign, Tags: tags, Err: &TagError{tags, next}})
}

// write is a Put of a tag of the log.
func (m *Machine) write(name Name, digest string) Request {
	r := put(Content{Repository, name.String(), digest})
	r.Register = name.Mark == Hint
	if m.mine != nil && m.mine.Digest == digest {
		r.Sealed = m.mine
	}
	return r
}
