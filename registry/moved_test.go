package registry

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAMovedRingStops(t *testing.T) {
	s := newServer(t)
	first := s.release(firstShop, "developers")
	mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
	s.release(with(firstShop, shop{"web": 2, "api": 2}), "developers")
	before := s.tags()
	_, err := s.open(nil).Publish(context.Background(), mine)
	var moved *MovedError
	if !errors.As(err, &moved) || moved.Was.Digest != first.Digests["deploy"] || moved.Is.Version.String() != "0.1.1" {
		t.Fatalf("error %v", err)
	}
	want := "publishing acme/shop 0.1.1 to developers: ring developers moved since the plan was made, from 0.1.0 to 0.1.1 (built from commit c0ffee): run the build again, it continues from there (nothing was written)"
	if got := err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if diff := cmp.Diff(before, s.tags()); diff != "" {
		t.Error(diff)
	}
}

func TestALaterRingThatMovedStops(t *testing.T) {
	s := newServer(t)
	first := s.release(firstShop, "developers")
	for _, ring := range []string{"testers", "users", "post"} {
		t.Run(ring, func(t *testing.T) {
			mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
			s.move(ring, first.Digests["deploy"])
			defer s.do("DELETE", "/v2/"+acmeShop+"/deploy/manifests/"+ring, "", nil)
			_, err := s.open(nil).Publish(context.Background(), mine)
			var moved *MovedError
			if !errors.As(err, &moved) || moved.Ring != ring || moved.Was != nil {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestARingThatMovesDuringThePublishIsNotOverwritten(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	mine := s.next(with(firstShop, shop{"mail": 2}), "developers")
	other := s.next(with(firstShop, shop{"web": 7}), "developers")
	mine.Progress = func(e Event) {
		if e.Tag.Tag != "developers" && e.Image == "deploy" {
			s.move("developers", other.Digests["deploy"])
		}
	}
	outcome, err := s.open(nil).Publish(context.Background(), mine)
	var moved *MovedError
	if !errors.As(err, &moved) || moved.Is.Digest != other.Digests["deploy"] || outcome.Moved {
		t.Fatalf("error %v", err)
	}
	if got, want := err.Error(), "run the build again, it continues from there (2 tags were written)"; !strings.HasSuffix(got, want) {
		t.Errorf("error %s", got)
	}
	if s.tags()["deploy"]["developers"] != other.Digests["deploy"] {
		t.Error("the other's release was overwritten")
	}
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
