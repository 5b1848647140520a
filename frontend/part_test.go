package frontend

import (
	"fmt"
	"slices"
	"testing"

	"github.com/quoitbuild/quoit/versioning"
)

func TestParts(t *testing.T) {
	for _, count := range []int{0, 1, MaxPart - 1, MaxPart, MaxPart + 1, 3*MaxPart + 7} {
		plan := versioning.Plan{Ring: "developers", Root: "i00000"}
		for i := range count {
			plan.Images = append(plan.Images, versioning.ImagePlan{Name: fmt.Sprintf("i%05d", i), Changed: true})
		}
		var all []string
		parts := 0
		for names := Part(plan, 0); len(names) > 0; names = Part(plan, parts) {
			if len(names) > MaxPart {
				t.Errorf("%d images: part %d has %d", count, parts, len(names))
			}
			all = append(all, names...)
			parts++
		}
		if want := (count + MaxPart - 1) / MaxPart; parts != want {
			t.Errorf("%d images are %d parts, want %d", count, parts, want)
		}
		if !slices.Equal(all, plan.PublishOrder()) {
			t.Errorf("%d images: the parts are not the whole", count)
		}
		if names := Part(plan, parts+5); len(names) > 0 {
			t.Errorf("%d images: there is a part after the last", count)
		}
	}
}
