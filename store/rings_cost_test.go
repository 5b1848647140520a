//go:build stack

package store

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
			if most := 3*len(s.rings) + 15; len(requests) > most {
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
	s.t.Helper()
	s.shape = shape{rings: versioning.Rings([]string{"developers", "testers", "pilots", "partners", "users"})}
	sources := shop{"deploy": 1}
	for i := range images - 1 {
		s.images = append(s.images, fmt.Sprintf("s%03d", i))
		sources[s.images[i]] = 1
	}
	s.images = append(s.images, "deploy")
	options := RingOptions{Root: "deploy", Rings: s.rings, Author: Author{Actor: "ann"}}
	for i := range s.rings {
		s.release(with(sources, shop{"s000": i + 1}), "ante")
		_, err := s.open(nil).Shift(context.Background(), options, versioning.ShiftRequest{From: "ante"})
		must(s.t, err)
		if i == len(s.rings)-1 {
			break
		}
		s.requests()
	}
	return s.requests()
}
