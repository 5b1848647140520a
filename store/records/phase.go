package records

// step is one of the steps that docs/log.md describes, by its name there.
type step string

const (
	stepRead     step = "Read"     // find the newest record
	stepComplete step = "Complete" // move the tags that another writer's record moves
	stepCheck    step = "Check"    // whether the operation fits, and all that it names is there
	stepAgree    step = "Agree"    // with other writers on the next record
	stepFollow   step = "Follow"   // one's own record with the tags
	stepClose    step = "Close"    // make sure that nobody came in between
)

// phase is what the requests that were asked are for. The method of [Machine]
// with the phase's name takes the answers.
type phase uint8

const (
	readingHint       phase = iota // the hint
	finding                        // without a hint: all tags
	trustingHint                   // whether the hint is right, and the next record
	climbing                       // the next record
	leaping                        // if it is there, those 2, 4, 8 … after
	halving                        // … and between
	loading                        // the newest record
	judging                        // the record after the operation's
	skipping                       // the done tag of the newest record
	lookingAtVersions              // version tags of the newest record
	filling                        // those that were absent
	doubting                       // the doubt tag
	askingDone                     // whether it is done
	lookingAtRings                 // ring tags
	askingStrictly                 // whether the newest record is done, if ring tags differ
	searching                      // records that may have given a ring its contents
	guarding                       // the next record, before a ring tag is written
	moving                         // a ring tag
	waiting                        // for politeness
	checking                       // what the operation names
	trying                         // the try tag
	polling                        // the tags of the slot, after it or the vote
	looking                        // whether the slot is decided
	voting                         // the yes or no tag
	lagging                        // for the listing
	deciding                       // the record's tag
	backingOff                     // for another writer
	peeking                        // whether the slot is decided, after it
	marking                        // the done tag
	settling                       // that of another writer's record
	lookingAgain                   // for a newer record, or a doubt
	hinting                        // the hint
	phases                         // how many there are
)

// phaseNames are the steps of the phases, and what they do there.
var phaseNames = [phases]struct {
	step step
	name string
}{
	readingHint: {stepRead, "the hint"}, finding: {stepRead, "all tags"}, trustingHint: {stepRead, "is the hint right"}, climbing: {stepRead, "the next record"}, leaping: {stepRead, "doubling"}, halving: {stepRead, "halving"},
	loading: {stepRead, "the newest record"}, judging: {stepRead, "the record after the own one"},
	skipping: {stepComplete, "is it done"}, lookingAtVersions: {stepComplete, "versions"}, filling: {stepComplete, "missing versions"},
	doubting: {stepComplete, "doubt"}, askingDone: {stepComplete, "is it done after all"}, lookingAtRings: {stepComplete, "rings"},
	askingStrictly: {stepComplete, "is it done already"},
	searching:      {stepComplete, "whose ring tag"}, guarding: {stepComplete, "is it the newest"}, moving: {stepComplete, "a ring"}, waiting: {stepComplete, "politeness"},
	checking: {stepCheck, "what it names"},
	trying:   {stepAgree, "try"}, polling: {stepAgree, "listing"}, looking: {stepAgree, "is it decided"}, voting: {stepAgree, "vote"}, lagging: {stepAgree, "waiting for the listing"},
	deciding: {stepAgree, "the record"}, backingOff: {stepAgree, "backing off"}, peeking: {stepAgree, "is it decided meanwhile"},
	marking: {stepClose, "done"}, settling: {stepClose, "done, by another"}, lookingAgain: {stepClose, "is it the newest"}, hinting: {stepClose, "the hint"},
}

// String says what the phase asks for, within its step.
func (p phase) String() string { return phaseNames[p].name }

// handlers take the answers of each phase; filled in by init, as they refer to it.
var handlers [phases]func(*Machine, []Response)

func init() {
	handlers = [phases]func(*Machine, []Response){
		readingHint: (*Machine).readingHint, finding: (*Machine).finding, trustingHint: (*Machine).trustingHint, climbing: (*Machine).climbing,
		leaping: (*Machine).leaping, halving: (*Machine).halving, loading: (*Machine).loading, judging: (*Machine).judging,
		skipping: (*Machine).skipping, lookingAtVersions: (*Machine).lookingAtVersions, filling: (*Machine).filling,
		doubting: (*Machine).doubting, askingDone: (*Machine).askingDone, lookingAtRings: (*Machine).lookingAtRings,
		askingStrictly: (*Machine).askingStrictly,
		searching:      (*Machine).searching, guarding: (*Machine).guarding, moving: (*Machine).moving, waiting: (*Machine).waiting,
		checking: (*Machine).checking,
		trying:   (*Machine).trying, polling: (*Machine).polling, looking: (*Machine).looking, voting: (*Machine).voting, lagging: (*Machine).lagging,
		deciding: (*Machine).deciding, backingOff: (*Machine).backingOff, peeking: (*Machine).peeking,
		marking: (*Machine).marking, settling: (*Machine).settling, lookingAgain: (*Machine).lookingAgain, hinting: (*Machine).hinting,
	}
}
