package records

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Repository is the name of the repository, in the project, that has the log's tags.
const Repository = "records"

// Mark says what a tag of the log is.
type Mark string

// The marks of tags. All but the hint have one content for ever.
const (
	Decided Mark = ""        // record-00000042: the record
	Hint    Mark = "records" // some decided record, maybe an old one
	Try     Mark = "try"     // proposed in a round
	Yes     Mark = "yes"     // the only one proposed in the round, when somebody looked
	No      Mark = "no"      // not the only one
	Done    Mark = "done"    // its writer has moved every tag
	Doubt   Mark = "doubt"   // somebody found a version of it taken by others
)

// Name is a tag of the log, taken apart.
type Name struct {
	Mark     Mark
	Sequence uint64 // 0 for the hint
	Round    int    // of Try, Yes and No; from 1
	// Value is the digest of the record: of Try, Yes, No, Done and Doubt, which
	// name it by their content too.
	Value string
}

// String returns the tag, as PROTOCOL spells it.
func (n Name) String() string {
	hex := strings.TrimPrefix(n.Value, "sha256:")
	switch n.Mark {
	case Hint:
		return string(Hint)
	case Decided:
		return fmt.Sprintf("record-%08d", n.Sequence)
	case Done, Doubt:
		return fmt.Sprintf("record-%08d-%s-%s", n.Sequence, n.Mark, hex)
	}
	return fmt.Sprintf("record-%08d-r%02d-%s-%s", n.Sequence, n.Round, n.Mark, hex)
}

var tagForm = regexp.MustCompile(`^record-([0-9]{8})(?:-(?:r([0-9]{2,3})-(try|yes|no)|(done|doubt))-([0-9a-f]{64}))?$`)

// ParseName takes a tag apart; false for one that is not of the log.
func ParseName(tag string) (Name, bool) {
	if tag == string(Hint) {
		return Name{Mark: Hint}, true
	}
	parts := tagForm.FindStringSubmatch(tag)
	if parts == nil {
		return Name{}, false
	}
	var n Name
	n.Sequence, _ = strconv.ParseUint(parts[1], 10, 64) // digits, by the form
	n.Round, _ = strconv.Atoi(parts[2])                 // so too, or 0
	n.Mark = Mark(parts[3] + parts[4])
	if parts[5] != "" {
		n.Value = "sha256:" + parts[5]
	}
	return n, n.String() == tag && n.Sequence > 0 && (parts[2] == "" || n.Round > 0)
}

// before is where a listing begins that shows the tags of a record and later
// ones, on a registry that lists in lexical order.
func before(sequence uint64) string { return fmt.Sprintf("record-%08d-z", sequence-1) }
