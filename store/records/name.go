package records

import (
	"fmt"
	"strconv"
	"strings"
)

// Repository is the name of the repository, in the project, that has the log's tags.
const Repository = "records"

// Mark says what a tag of the log is.
type Mark string

// The marks of tags. All but the hint and those of rings have one content for ever.
const (
	Decided Mark = ""        // record-00000042: the record
	Hint    Mark = "records" // some decided record, maybe an old one
	Try     Mark = "try"     // proposed in a round
	Yes     Mark = "yes"     // the only one proposed in the round, when somebody looked
	No      Mark = "no"      // not the only one
	Done    Mark = "done"    // its writer, or who completed it, has moved every tag
	Doubt   Mark = "doubt"   // somebody found a version of it taken by others
	Ring    Mark = "ring"    // ring-users, of a mirror: the record by which that ring was copied
)

// Name is a tag of the log, taken apart.
type Name struct {
	Mark     Mark
	Sequence uint64 // 0 for the hint and rings
	Round    int    // of Try, Yes and No; from 1
	// Value is the digest of the record: of Try, Yes, No, Done and Doubt, which
	// name it by their content too; of Ring, the ring.
	Value string
}

// String returns the tag, as docs/log.md spells it.
func (n Name) String() string {
	hex := strings.TrimPrefix(n.Value, "sha256:")
	switch n.Mark {
	case Hint:
		return string(Hint)
	case Ring:
		return string(Ring) + "-" + n.Value
	case Decided:
		return fmt.Sprintf("record-%08d", n.Sequence)
	case Done, Doubt:
		return fmt.Sprintf("record-%08d-%s-%s", n.Sequence, n.Mark, hex)
	}
	return fmt.Sprintf("record-%08d-r%02d-%s-%s", n.Sequence, n.Round, n.Mark, hex)
}

// RingName is the tag of a mirror's log that names the record by which a ring was
// copied there: the ring has what that record says.
func RingName(ring string) string { return Name{Mark: Ring, Value: ring}.String() }

// ParseName takes a tag apart; false for one that is not of the log.
func ParseName(tag string) (Name, bool) {
	if tag == string(Hint) {
		return Name{Mark: Hint}, true
	}
	if ring, found := strings.CutPrefix(tag, string(Ring)+"-"); found {
		n := Name{Mark: Ring, Value: ring}
		return n, n.valid()
	}
	parts := strings.Split(tag, "-")
	if len(parts) < 2 || parts[0] != "record" {
		return Name{}, false
	}
	var n Name
	n.Sequence, _ = strconv.ParseUint(parts[1], 10, 64) // checked by writing it again
	parts = parts[2:]
	if len(parts) == 3 {
		n.Round, _ = strconv.Atoi(strings.TrimPrefix(parts[0], "r")) // so too
		parts = parts[1:]
	}
	if len(parts) == 2 {
		n.Mark, n.Value = Mark(parts[0]), "sha256:"+parts[1]
	}
	return n, n.valid() && n.String() == tag
}

func (n Name) valid() bool {
	switch n.Mark {
	case Ring:
		return checkName("ring", n.Value) == nil && !strings.Contains(n.Value, "/")
	case Decided:
		return n.Sequence > 0 && n.Sequence <= maxSequence
	case Done, Doubt:
		return n.Sequence > 0 && n.Sequence <= maxSequence && isDigest(n.Value)
	case Try, Yes, No:
		return n.Sequence > 0 && n.Sequence <= maxSequence && n.Round > 0 && isDigest(n.Value)
	}
	return false
}

// from is where a listing begins that shows the tags of a round and later ones, on
// a registry that lists in lexical order.
func from(sequence uint64, round int) string {
	return fmt.Sprintf("record-%08d-r%02d-", sequence, round)
}
