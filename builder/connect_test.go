package builder

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// TestABuildKitThatIsSilentIsWaitedForAMinute: whoever takes connections and answers none.
func TestABuildKitThatIsSilentIsWaitedForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		c := &Client{progress: Progress{Out: &said}, name: "BuildKit at tcp://buildkit:1234"}
		silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		begin := time.Now()
		err := c.soon(t.Context(), silent)
		if took := time.Since(begin); err == nil || err.Error() != "no answer within 1m0s" || took != time.Minute {
			t.Errorf("%v after %s", err, took)
		}
		if want := "waiting for BuildKit at tcp://buildkit:1234 to answer\n"; said.String() != want {
			t.Errorf("it says %q", said.String())
		}
		interrupted, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.soon(interrupted, silent); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted, it ends with %v", err)
		}
	})
}

// TestThePlatformsOfABuildersNode: of what is built, or as long as nothing is planned of all.
func TestThePlatformsOfABuildersNode(t *testing.T) {
	amd64, arm64 := "linux/amd64", "linux/arm64"
	m := &manifest.Manifest{Images: []manifest.Image{{Name: "api", Platforms: []string{amd64, arm64}}, {Name: "base"}, {Name: "deploy", Platforms: []string{amd64}}}}
	plan := versioning.Plan{Images: []versioning.ImagePlan{
		{Name: "api", Platforms: []string{amd64, arm64}}, {Name: "base", Changed: true, Platforms: []string{"linux/arm/v7"}}, {Name: "deploy", Changed: true, Platforms: []string{amd64}}}}
	for name, test := range map[string]struct {
		found    looked
		narrowed []string
		want     []string
	}{
		"nothing is planned":   {want: []string{amd64, arm64}},
		"what is built":        {found: looked{plan: &plan}, want: []string{"linux/arm/v7", amd64}},
		"what is asked for":    {narrowed: []string{arm64}, want: []string{arm64}},
		"nothing that is here": {found: looked{plan: &plan}, narrowed: []string{arm64}},
	} {
		var got []string
		for _, p := range (Options{Manifest: m, Frontend: frontend.Options{Platforms: test.narrowed}}).platforms(test.found) {
			got = append(got, platforms.Format(p))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
