package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

func TestImagesOfARelease(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	var place records.Place
	options := storetest.RingOptions()
	options.Before = func(_ context.Context, outcome store.RingOutcome) ([]records.Gate, error) {
		place = outcome.Changes[0].Place
		return []records.Gate{{Ring: "testers", Image: "mail", Digest: place.Digest, Passed: true}}, nil
	}
	_, err := s.Open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
	must(t, err)
	history, err := s.Open(nil).History(context.Background(), 1)
	must(t, err)
	if gates := history[0].Record.Gates; len(gates) != 1 || gates[0].Digest != place.Digest || place.Digest == "" {
		t.Errorf("the record has %v", gates)
	}

	want := map[string]string{}
	for image, tags := range s.Tags() {
		if image != records.Repository {
			want[image] = tags["0.1.0"]
		}
	}
	check := func(most int) {
		t.Helper()
		s.Requests()
		images, err := s.Open(nil).Images(context.Background(), place)
		must(t, err)
		got := map[string]string{}
		for name, image := range images {
			got[name] = image.Digest
			if image.Version.String() != "0.1.0" {
				t.Errorf("%s is %s", name, image.Version)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
		if requests := s.Requests(); len(requests) > most {
			t.Errorf("%d requests, at most %d wanted: %q", len(requests), most, requests)
		}
	}
	check(3)
	older := place
	older.Record = 0 // than the log
	if _, err := s.Open(nil).Images(context.Background(), older); !errors.As(err, new(*store.UnlistedError)) || len(s.Requests()) > 0 {
		t.Errorf("what tags say of a release that no record lists: %v", err)
	}

	place.Digest = "sha256:" + strings.Repeat("0", 64)
	if _, err := s.Open(nil).Images(context.Background(), place); err == nil || !strings.Contains(err.Error(), "quoit verify") {
		t.Errorf("a place that its record does not have: %v", err)
	}
}
