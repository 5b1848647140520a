package records

import (
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/versioning"
)

// prunedLog is a log of two releases of one image, the first of which is
// given up.
func prunedLog(t *testing.T) Snapshot {
	t.Helper()
	log := Snapshot{Tags: map[string]string{}, Records: map[string]Record{}, Images: map[Content]string{}}
	var newest Sealed
	add := func(record Record, id string) {
		record.Sequence, record.Parent, record.Before = newest.Record.Sequence+1, newest.Digest, newest.Record.After
		record.ID, record.Time = strings.Repeat(id, 32), time.Unix(0, 0).UTC()
		sealed, err := Seal(record)
		if err != nil {
			t.Fatal(err)
		}
		newest = sealed
		log.Records[sealed.Digest] = sealed.Record
		log.Tags[Name{Sequence: record.Sequence}.String()] = sealed.Digest
	}
	for number, id := range []string{"a", "b"} {
		record := newest.Record.Following(OpPublish)
		version := versioning.Version{Minor: uint64(number + 1)}
		record.Releases = uint64(number + 1)
		record.Images = map[string]Image{"root": {Version: version, Digest: digestOf([]byte(id)), New: true}}
		record.After["dev"] = Place{Root: "root", Version: version, Digest: digestOf([]byte(id)), Record: uint64(number + 1), Release: record.Releases}
		add(record, id)
		log.Images[Content{Repository: "root", Tag: version.String()}] = digestOf([]byte(id))
	}
	log.Images[Content{Repository: "root", Tag: "dev"}] = digestOf([]byte("b"))
	prune := newest.Record.Following(OpPrune)
	prune.Pruned = "1"
	add(prune, "c")
	log.Tags[string(Hint)] = newest.Digest
	return log
}

func TestVerifyOfPrunedVersions(t *testing.T) {
	for name, test := range map[string]struct {
		version, names string
		wants          int
	}{
		"still there":               {"0.1.0", digestOf([]byte("a")), 0},
		"the tombstone":             {"0.1.0", Tombstone().Digest, 0},
		"an earlier command's":      {"0.1.0", oldTombstone, 0},
		"deleted":                   {"0.1.0", "", 0},
		"used again":                {"0.1.0", digestOf([]byte("x")), 1},
		"a kept one, the tombstone": {"0.2.0", Tombstone().Digest, 1},
		"a kept one, deleted":       {"0.2.0", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			log := prunedLog(t)
			log.Images[Content{Repository: "root", Tag: test.version}] = test.names
			if findings := Verify(log); len(findings) != test.wants {
				t.Errorf("findings %v", findings)
			}
		})
	}
}

func TestNoRingGetsAPrunedRelease(t *testing.T) {
	log := prunedLog(t)
	record := log.newest().Record.Following(OpSet)
	record.Sequence, record.Parent, record.Before = 4, digestOf(nil), record.After
	record.ID, record.Time = strings.Repeat("d", 32), time.Unix(0, 0).UTC()
	if _, err := Format(record); err != nil {
		t.Fatal(err)
	}
	record.After["users"] = Place{Root: "root", Version: versioning.Version{Minor: 1}, Digest: digestOf([]byte("a")), Record: 1, Release: 1}
	if _, err := Format(record); err == nil || !strings.Contains(err.Error(), "ring users: release 0.1.0 was pruned") {
		t.Errorf("error %v", err)
	}
	delete(record.After, "users")
	for _, pruned := range []versioning.Lineage{"3", "1-9", "2,1", "x"} {
		record.Pruned = pruned
		if _, err := Format(record); err == nil {
			t.Errorf("%q is taken", pruned)
		}
	}
}
