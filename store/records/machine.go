package records

import (
	"errors"
	"fmt"
)

// Operation makes a record that says what to do on top of the newest one (zero
// if there is none), or refuses: its error ends the [Machine] as Refused. It
// fills in Operation, After, Holds, Images and Parents, and may give a Signature
// of its own; the rest is filled in for it. It is called anew whenever the log
// has moved, has to be deterministic, and must not change what it is given.
type Operation func(newest Record) (Record, error)

// Options are what a [Machine] is to do.
type Options struct {
	// Operation is what to append; nil to complete the newest record only.
	Operation Operation
	// Signature goes into every record that is made. Its ID has to be random:
	// two machines with the same one would both take one record for their own.
	Signature Signature
	// Rings is the order in which ring tags are written, from the last one.
	Rings []string
}

// Machine is one writer's run of PROTOCOL's READ and APPEND. Ask [Machine.Next]
// for requests, carry them out, hand the answers to [Machine.Took], until Next
// says that it is over. It is not safe for concurrent use.
//
// What it adds to PROTOCOL's text, because the checkers wanted it:
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
//   - Whoever wrote a ring tag makes the closing check, however it ends.
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

	number uint64 // of the newest record seen; 0 for none
	digest string // its digest, "" if not known yet
	above  string // digest of the record before it, if seen on the way
	newest Sealed // the newest record read, number's own after [Machine.arrived]
	upper  uint64 // a record that is not there, while probing
	latest uint64 // the last record that this machine made

	mine    *Sealed // proposed as the record after number
	side    bool    // mine is a void or a keep, not the operation
	exposed bool
	value   string // what this writer is for
	round   int
	list    listing

	own       *Sealed // the operation's record, once decided
	confirmed bool    // the record after own is there and is no void
	undone    *Record // it is one
	marked    bool    // own has its done tag
	voided    []uint64

	checked []Content // manifests that the operation names, which are there
	patient uint64    // the record for which politeness is over
	fresh   bool      // the ring tags were looked at just before number was decided
	clear   bool      // no newer record was there before the first of them was written
	missing []Content // versions without a tag
	taken   []Found   // versions with other contents
	rings   []Found   // ring tags that have to move
	walk    uint64    // the oldest record whose tables were searched
	dirty   bool      // a ring tag was written after the last closing check
	pending *Result   // to end with after a closing check
}

// New returns a machine at its start. The error says what is wrong with options.
func New(options Options) (*Machine, error) {
	if err := options.Signature.check(); err != nil {
		return nil, fmt.Errorf("signing a record: %w", err)
	}
	m := &Machine{options: options, seal: Seal}
	m.start()
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
		m.succeedOrNot(nil)
	case m.exposed:
		m.end(Result{Outcome: Unknown, Err: err})
	default:
		m.end(Result{Outcome: Stopped, Err: err})
	}
}

// errAnswers is a bug of the driver.
var errAnswers = errors.New("the driver's answers are not as many as the requests")

// Took hands over the answers, in the order of the requests.
func (m *Machine) Took(responses []Response) {
	switch {
	case m.ended:
	case len(responses) != len(m.asked):
		m.Stop(errAnswers)
	case m.answered != nil:
		m.recheck(responses)
	default:
		m.took(responses)
	}
}

// took sorts out lost and refused requests, and leaves the rest to the phase.
func (m *Machine) took(responses []Response) {
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
		m.step(responses)
		return
	}
	m.batch, m.answered, m.asked = m.asked, responses, looks
}

// recheck takes what the tags hold that could not be written: with the contents
// that they should have, nothing is wrong.
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
	m.step(responses)
}

func (m *Machine) step(responses []Response) {
	if m.variant != nil && m.variant(m, responses) {
		return
	}
	steps[m.phase](m, responses)
}

// ask goes to a phase, which takes the answers.
func (m *Machine) ask(p phase, requests ...Request) { m.phase, m.asked = p, requests }
