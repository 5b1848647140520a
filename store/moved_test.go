package store

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

func TestAMovedRingStops(t *testing.T) {
	s := newServer(t)
	first := s.release(firstShop, "developers")
	mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
	other := s.next(with(firstShop, shop{"web": 2, "api": 2}), "developers")
	other.Author = Author{Actor: "ann", Message: "more web", Commit: "unused"}
	_, err := s.open(nil).Publish(context.Background(), other)
	must(t, err)
	before := s.tags()
	_, err = s.open(nil).Publish(context.Background(), mine)
	var moved *MovedError
	if !errors.As(err, &moved) || moved.Was.Digest != first.Digests["deploy"] || moved.Is.Version.String() != "0.1.1" || moved.Record.Sequence != 2 {
		t.Fatalf("error %v", err)
	}
	want := "publishing acme/shop 0.1.1 to developers: ring developers moved since the plan was made, from 0.1.0 to 0.1.1 by ann at 2026-01-02T03:04:05Z (record 2, commit c0ffee, \"more web\"): run the build again, it continues from there (nothing was written)"
	if got := moment.ReplaceAllString(err.Error(), "2026-01-02T03:04:05Z"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if diff := cmp.Diff(before, s.tags()); diff != "" {
		t.Error(diff)
	}
}

var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func TestALaterRingThatMovedStops(t *testing.T) {
	for _, ring := range []string{"testers", "users", "post"} {
		t.Run(ring, func(t *testing.T) {
			s := newServer(t)
			s.release(firstShop, "developers")
			mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
			s.set(ring, s.ring("developers"))
			_, err := s.open(nil).Publish(context.Background(), mine)
			var moved *MovedError
			if !errors.As(err, &moved) || moved.Ring != ring || moved.Was != nil || moved.Record.Operation != "set" {
				t.Errorf("error %v", err)
			}
		})
	}
}

// set moves a ring through the log, as another command would.
func (s *server) set(ring string, placed *versioning.Placed) {
	s.t.Helper()
	machine, err := records.New(records.Options{
		Operation: func(newest records.Record) (records.Record, error) {
			record := newest.Following(records.OpSet)
			record.After[ring] = records.Place{Root: "deploy", Version: placed.Release.Version(), Digest: placed.Digest}
			return record, nil
		},
		Signature: records.Signature{ID: newID(), Actor: "bob", Time: time.Now().UTC().Truncate(time.Second)},
		Rings:     fiveRings,
	})
	must(s.t, err)
	if result := newDriver(s.open(nil)).run(context.Background(), machine); result.Outcome != records.Success {
		s.t.Fatalf("%s: %v", result.Outcome, result.Err)
	}
}

func TestAForeignPushBetweenTheLookAndTheWriteIsVoid(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	before := s.tags()
	mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
	foreign := s.push("mail", map[string]string{"whose": "another's"})
	s.setFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/records/manifests/record-00000002") {
			_, index := s.do("GET", "/v2/"+acmeShop+"/mail/manifests/"+foreign, "", nil)
			s.put("mail", "0.1.1", ociIndex, index)
		}
		return false
	})
	_, err := s.open(nil).Publish(context.Background(), mine)
	var void *VoidError
	if !errors.As(err, &void) || void.Record != 2 || void.Taken.Digest != foreign {
		t.Fatalf("error %v", err)
	}
	if got := s.tags()["deploy"]["developers"]; got != before["deploy"]["developers"] || s.tags()["mail"]["0.1.1"] != foreign {
		t.Errorf("the ring has %s", got)
	}
	mine = s.next(with(firstShop, shop{"mail": 2}), "developers")
	outcome, err := s.open(nil).Publish(context.Background(), mine)
	must(t, err)
	if !outcome.Moved || s.tags()["mail"]["0.2.0"] == "" {
		t.Errorf("outcome %+v", outcome)
	}
	s.whole()
}

func TestATakenVersionIsNeverOverwritten(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
	foreign := s.put("mail", "0.1.1", ociManifest, []byte(`{"schemaVersion":2}`))
	_, err := s.open(nil).Publish(context.Background(), mine)
	var taken *TakenError
	if !errors.As(err, &taken) {
		t.Fatalf("error %v", err)
	}
	want := &TakenError{Image: "mail", Version: "0.1.1", Digest: foreign, Wanted: mine.Digests["mail"]}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Error(diff)
	}
	if s.tags()["mail"]["0.1.1"] != foreign {
		t.Error("the version was overwritten")
	}
	s.whole()
}

func TestAnImageThatWasNotPushed(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	publication.Digests["web"] = digestOf([]byte("lost"))
	_, err := s.open(nil).Publish(context.Background(), publication)
	want := "publishing acme/shop 0.1.0 to developers: HOST/acme/shop/web@" + publication.Digests["web"] +
		" is not in the registry: run the build again, it pushes it (nothing was written)"
	if got := s.text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
