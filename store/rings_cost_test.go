//go:build stack

package store_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// TestShiftOfManyImages fills seven rings with releases of made up images, and
// counts what the next shift asks of a real registry.
func TestShiftOfManyImages(t *testing.T) {
	t.Parallel()
	counts := []int{6, 100}
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		counts = append(counts, 1000)
	}
	var few []string
	for _, images := range counts {
		t.Run(fmt.Sprint(images), func(t *testing.T) {
			s := realServer(t)
			requests := s.staircase(images)
			if most := 3*len(s.Rings) + 15; len(requests) > most {
				t.Errorf("%d requests, at most %d wanted: %q", len(requests), most, requests)
			}
			if few == nil {
				few = requests
			}
			if diff := cmp.Diff(brief(few), brief(requests)); diff != "" {
				t.Errorf("(-%d images +%d):\n%s", counts[0], images, diff)
			}
			for _, request := range requests {
				if strings.Contains(request, "blob") && !strings.Contains(request, " records ") {
					t.Errorf("a shift asks %s", request)
				}
			}
			t.Logf("%d requests: %v", len(requests), brief(requests))
		})
	}
}

// staircase puts another release into every ring, and returns the requests of a
// shift of them all.
func (s *server) staircase(images int) []string {
	s.T.Helper()
	s.Shape = storetest.Shape{Rings: versioning.Rings([]string{"developers", "testers", "pilots", "partners", "users"})}
	sources := storetest.Shop{"deploy": 1}
	for i := range images - 1 {
		s.Images = append(s.Images, fmt.Sprintf("s%03d", i))
		sources[s.Images[i]] = 1
	}
	s.Images = append(s.Images, "deploy")
	options := store.RingOptions{Root: "deploy", Rings: s.Rings, Author: store.Author{Actor: "ann"}}
	for i := range s.Rings {
		s.Release(storetest.With(sources, storetest.Shop{"s000": i + 1}), "ante")
		_, err := s.Open(nil).Shift(context.Background(), options, versioning.ShiftRequest{From: "ante"})
		must(s.T, err)
		if i == len(s.Rings)-1 {
			break
		}
		s.Requests()
	}
	return s.Requests()
}
