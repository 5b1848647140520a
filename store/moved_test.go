package store_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
)

func TestAMovedRingStops(t *testing.T) {
	s := newServer(t)
	first := s.Release(storetest.First, "developers")
	mine := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	other := s.Next(storetest.With(storetest.First, storetest.Shop{"web": 2, "api": 2}), "developers")
	other.Author = store.Author{Actor: "ann", Message: "more web", Commit: "unused"}
	_, err := s.Open(nil).Publish(context.Background(), other)
	must(t, err)
	before := s.Tags()
	_, err = s.Open(nil).Publish(context.Background(), mine)
	var moved *store.MovedError
	if !errors.As(err, &moved) || moved.Was.Digest != first.Digests["deploy"] || moved.Is.Version.String() != "0.1.1" || moved.Record.Sequence != 2 {
		t.Fatalf("error %v", err)
	}
	want := "publishing acme/shop 0.1.1 to developers: ring developers moved since the plan was made, from 0.1.0 to 0.1.1 by ann at 2026-01-02T03:04:05Z (record 2, commit c0ffee, \"more web\"): run the build again, and it continues from there (nothing was written)"
	if got := moment.ReplaceAllString(err.Error(), "2026-01-02T03:04:05Z"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if diff := cmp.Diff(before, s.Tags()); diff != "" {
		t.Error(diff)
	}
}

var moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

func TestALaterRingThatMovedStops(t *testing.T) {
	for _, ring := range []string{"testers", "users", "post"} {
		t.Run(ring, func(t *testing.T) {
			s := newServer(t)
			s.Release(storetest.First, "developers")
			mine := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
			s.Set(ring, s.Ring("developers"))
			_, err := s.Open(nil).Publish(context.Background(), mine)
			var moved *store.MovedError
			if !errors.As(err, &moved) || moved.Ring != ring || moved.Was != nil || moved.Record.Operation != "set" {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAForeignPushBetweenTheLookAndTheWriteIsVoid(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	before := s.Tags()
	mine := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	foreign := s.Push("mail", map[string]string{"whose": "another's"})
	s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/records/manifests/record-00000002") {
			_, index := s.Do("GET", "/v2/"+storetest.Project+"/mail/manifests/"+foreign, "", nil)
			s.Put("mail", "0.1.1", registry.IndexType, index)
		}
		return false
	})
	_, err := s.Open(nil).Publish(context.Background(), mine)
	var void *store.VoidError
	if !errors.As(err, &void) || void.Record != 2 || void.Taken.Digest != foreign {
		t.Fatalf("error %v", err)
	}
	if got := s.Tags()["deploy"]["developers"]; got != before["deploy"]["developers"] || s.Tags()["mail"]["0.1.1"] != foreign {
		t.Errorf("the ring has %s", got)
	}
	mine = s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	outcome, err := s.Open(nil).Publish(context.Background(), mine)
	must(t, err)
	if !outcome.Moved || s.Tags()["mail"]["0.2.0"] == "" {
		t.Errorf("outcome %+v", outcome)
	}
	s.Whole()
}

func TestATakenVersionIsNeverOverwritten(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	mine := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	foreign := s.Put("mail", "0.1.1", registry.ManifestType, []byte(`{"schemaVersion":2}`))
	_, err := s.Open(nil).Publish(context.Background(), mine)
	var taken *store.TakenError
	if !errors.As(err, &taken) {
		t.Fatalf("error %v", err)
	}
	want := &store.TakenError{Image: "mail", Version: "0.1.1", Digest: foreign, Wanted: mine.Digests["mail"]}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Error(diff)
	}
	if s.Tags()["mail"]["0.1.1"] != foreign {
		t.Error("the version was overwritten")
	}
	s.Whole()
}

func TestAnImageThatWasNotPushed(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	publication.Digests["web"] = registry.DigestOf([]byte("lost"))
	_, err := s.Open(nil).Publish(context.Background(), publication)
	want := "publishing acme/shop 0.1.0 to developers: HOST/acme/shop/web@" + publication.Digests["web"] +
		" is not in the registry: run the build again, and it is pushed (nothing was written)"
	if got := s.Text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
