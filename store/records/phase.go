package records

// phase is what the requests that were asked are for.
type phase uint8

const (
	reading    phase = iota // the hint
	hinted                  // whether the hint is right, and the next record
	probing                 // without a hint: 1, 2, 4, 8 …
	halving                 // … and between
	newer                   // the next record, until there is none
	loading                 // the newest record
	succeeding              // the record after the operation's
	followed                // the done tag of the newest record
	versions                // version tags of the newest record
	filling                 // those that were absent
	doubting                // the doubt tag
	asking                  // whether it is done
	rings                   // ring tags
	older                   // a record that may have given a ring its contents
	guarding                // the next record, before a ring tag is written
	moving                  // a ring tag
	waiting                 // for politeness
	marking                 // the done tag
	closing                 // the closing check
	hinting                 // the hint
	checking                // what the operation names
	trying                  // the try tag
	polling                 // the tags of the slot, after it or the vote
	looking                 // whether the slot is decided
	voting                  // the yes or no tag
	lagging                 // for the listing
	deciding                // the record's tag
	backing                 // back-off
	peeking                 // whether the slot is decided, after it
	phases                  // how many there are
)

// steps take the answers of each phase; filled in by init, as they refer to it.
var steps [phases]func(*Machine, []Response)

func init() {
	steps = [phases]func(*Machine, []Response){
		reading: (*Machine).read, hinted: (*Machine).trust, probing: (*Machine).double, halving: (*Machine).halve,
		newer: (*Machine).climb, loading: (*Machine).load, succeeding: (*Machine).succeed,
		followed: (*Machine).follows, versions: (*Machine).versions, filling: (*Machine).filled, doubting: (*Machine).doubted, asking: (*Machine).asksDone,
		rings: (*Machine).rang, older: (*Machine).older, guarding: (*Machine).guarded, moving: (*Machine).moved,
		waiting: (*Machine).waited, marking: (*Machine).closeUp, closing: (*Machine).closed, hinting: (*Machine).succeedOrNot,
		checking: (*Machine).checks, trying: (*Machine).tried, polling: (*Machine).page, looking: (*Machine).vote,
		voting: (*Machine).voted, lagging: (*Machine).poll, deciding: (*Machine).decided,
		backing: (*Machine).backed, peeking: (*Machine).peeked,
	}
}
