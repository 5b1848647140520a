package records

import (
	"sync"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// Prune is the operation that gives releases up for ever: their numbers are in
// [Record.Pruned] of all later records. Then the tags of their versions, as far as
// no other release has these, may name [Tombstone]. They are never deleted: a
// version that looked free could be assigned again.
const Prune = "prune"

// Tombstone is what the tag of a pruned version names; its Record is zero.
func Tombstone() Sealed { return tombstone() }

var tombstone = sync.OnceValue(func() Sealed {
	sealed, _ := seal("application/vnd.quoit.pruned.v1+json", map[string]string{labels.Pruned: "true"}, nil) // of constants
	return sealed
})

// newest is the newest decided record; zero if there is none, or it cannot be read.
func (l Log) newest() Record {
	var newest Record
	for tag, digest := range l.Tags {
		name, ok := ParseName(tag)
		if record, found := l.Records[digest]; ok && name.Mark == Decided && found && record.Sequence > newest.Sequence {
			newest = record
		}
	}
	return newest
}

// Kept are the versions, without digest, of all releases that were published and
// whose numbers are not among the pruned ones.
func (l Log) Kept(pruned versioning.Lineage) map[Content]bool {
	kept := map[Content]bool{}
	for _, record := range l.Records {
		if pruned.Has(record.Releases) {
			continue
		}
		for name, image := range record.Images {
			kept[Content{Repository: name, Tag: image.Version.String()}] = true
		}
	}
	return kept
}
