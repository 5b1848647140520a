package records

// The operations, as [Record.Operation] has them. To the protocol only a publish,
// a void and a keep are special; of all others it knows what the record's tables
// and new images say. A reader passes over those that it does not know.
const (
	OpPublish  = "publish" // a build's images are a release, and a ring has it
	OpTakeOver = "adopt"   // rings have releases that are older than the log, or were put there past it
	OpShift    = "shift"   // rings get the releases of the rings before them
	OpUnshift  = "unshift" // a shift is undone
	OpSet      = "set"     // a ring gets a release that the log knows
	OpHold     = "hold"    // shifts leave a ring alone
	OpUnhold   = "unhold"  // they no longer do
	OpPrune    = "prune"   // releases are given up for ever, see [Record.Pruned]
	OpVoid     = "void"    // a publish is taken back, as others took a version of it
	OpKeep     = "keep"    // nothing changes: a publish stays, see [Machine]
	OpUpgrade  = "upgrade" // nothing changes: fields are filled in that records before did not have
	OpBurn     = "burn"    // no release gets the versions that others were found to have taken
)

// Operation makes a record that says what to do on top of the newest one (zero
// if there is none), or refuses: its error ends the [Machine] as Refused. It
// fills in all but Schema, Sequence, Parent and Before, best on top of
// [Record.Following]. It may set a Signature, and Digests of what it has read itself, of
// which those are kept that the record names; what the newest record knows is filled in.
// It is called again whenever the log has moved, has to be deterministic, and must not
// change what it is given.
type Operation func(newest Record) (Record, error)
