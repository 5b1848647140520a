package main

import (
	"testing"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// A record that publishes nothing names its releases by digest, too.
func TestHistoryNamesWhatMovedByDigest(t *testing.T) {
	place := func(digest string, patch uint64) records.Place {
		return records.Place{Root: "deploy", Version: versioning.Version{Minor: 1, Patch: patch}, Digest: digest}
	}
	sealed := records.Sealed{Record: records.Record{
		Sequence: 7, Operation: records.OpShift,
		Before: records.Table{"users": place("sha256:a", 0)},
		After:  records.Table{"users": place("sha256:b", 1), "post": place("sha256:a", 0)},
	}}
	for want, got := range map[historyMove]historyMove{
		{Ring: "users", From: "0.1.0", To: "0.1.1", FromDigest: "sha256:a", ToDigest: "sha256:b"}: move(t, sealed, "users"),
		{Ring: "post", To: "0.1.0", ToDigest: "sha256:a"}:                                         move(t, sealed, "post"),
	} {
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// move is what becomes of a ring by a record, as history says.
func move(t *testing.T, sealed records.Sealed, ring string) historyMove {
	t.Helper()
	for _, move := range newHistoryResult("acme/shop", []records.Sealed{sealed}, 1).Records[0].Moves {
		if move.Ring == ring {
			return move
		}
	}
	t.Fatalf("ring %s does not move", ring)
	return historyMove{}
}
