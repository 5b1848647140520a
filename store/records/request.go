package records

// Action is what a [Request] asks a driver to do.
type Action string

// The actions. A driver may try a Get, Head, HeadDigest or List again as it
// likes, and a Put too, unless [Request.Register] says otherwise.
const (
	Get        Action = "get"         // the record that a tag names
	Head       Action = "head"        // the digest that a tag names
	HeadDigest Action = "head digest" // whether a digest is there
	Put        Action = "put"         // let a tag name a manifest
	List       Action = "list"        // one page of the log's tags
	Wait       Action = "wait"
)

// Reason is why to wait.
type Reason string

// The reasons. None of them matters to safety.
const (
	// Polite: another writer may be about to do it. Wait a moment; the answer is
	// Over when 5 seconds have passed since the record was first waited for, or
	// at once if it is older than that.
	Polite Reason = "polite"
	// Backoff: another writer goes first. A random time, longer with each round;
	// the answer is Over to go on whatever the other one does.
	Backoff Reason = "back-off"
	// Listing: the listing lags behind, and does not show Tag, which this writer has
	// written. A moment, longer with each Round; whoever has enough of it ends the
	// machine.
	Listing Reason = "listing"
)

// Request is one thing to do. Repository is an image's name, or [Repository].
type Request struct {
	Action     Action
	Repository string
	Tag        string // of Get, Head and Put, and what a Wait for a listing is for
	// Digest is what to look for, and what a Put lets the tag name: a manifest
	// of the same repository, or [Sealed], whose config has to be pushed first.
	Digest string
	Sealed *Sealed
	// Register says that the tag may get other contents later. Such a Put must
	// not be sent again without looking: answer Lost instead.
	Register bool
	// From is where a List begins: a tag after which, in lexical order, all is
	// wanted (it need not exist), "" for the beginning. Page, if not "", is the
	// Next of the page before, and From does not count then.
	From, Page string
	// Reason is why to Wait, Record the record that is waited for, Round the
	// number of the round.
	Reason Reason
	Record Record
	Round  int
}

// Response is what came of a [Request]. Anything that is neither a clear answer
// nor Lost, like 401, is for the driver: see [Machine.Stop].
type Response struct {
	// Found is for Get, Head and HeadDigest: false is a clear "not found".
	Found bool
	// Digest is what the tag names; of a Get, of the manifest's very bytes.
	Digest string
	// Record is what [Open] made of a Get; nil, with Found, if that is no record,
	// and Err says why.
	Record *Record
	Err    error
	// Tags are those of a page, any order; Next is what to ask the next with,
	// "" after the last one.
	Tags []string
	Next string
	// Refused: the registry declined to overwrite the tag.
	Refused bool
	// Lost: no answer came; the request may have been carried out, and a Put may
	// still be.
	Lost bool
	// Over: stop waiting.
	Over bool
}

func head(tag Content) Request {
	return Request{Action: Head, Repository: tag.Repository, Tag: tag.Tag}
}

func headRecord(sequence uint64) Request {
	return Request{Action: Head, Repository: Repository, Tag: Name{Sequence: sequence}.String()}
}

func getRecord(sequence uint64) Request {
	return Request{Action: Get, Repository: Repository, Tag: Name{Sequence: sequence}.String()}
}

func put(tag Content) Request {
	return Request{Action: Put, Repository: tag.Repository, Tag: tag.Tag, Digest: tag.Digest}
}
