package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// year is a project on which people work, by chance, and what is known of it.
type year struct {
	*server
	project   *store.Project
	chance    *rand.Rand
	revision  int            // the last one that was written
	trunk     storetest.Shop // what the next release is made of
	sources   map[string]storetest.Shop
	releases  map[string]versioning.Release
	digests   map[string]map[string]bool // of releases, which descends from which, by the labels
	contents  map[records.Content]bool   // versions that were published
	placed    []records.Place            // all releases, oldest first
	held      map[string]bool
	story     []string
	happened  map[string]int
	submitted records.Record // the newest one before a step
}

// TestAYear lets people work for a year on twenty images in seven rings:
//
//	QUOIT_SEED=7 go test ./store -run TestAYear
//
// does so in another way.
func TestAYear(t *testing.T) {
	first, count := uint64(1), uint64(1)
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		count = 20
	}
	if text := os.Getenv("QUOIT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		first, count = seed, 1
	}
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint("QUOIT_SEED=", seed), func(t *testing.T) {
			t.Parallel()
			y := newYear(t, seed)
			defer func() {
				if t.Failed() {
					t.Logf("what happened:\n%s", strings.Join(y.story, "\n"))
				}
			}()
			y.live()
			t.Logf("%d releases: %v", len(y.placed), y.happened)
		})
	}
}

func newYear(t *testing.T, seed uint64) *year {
	y := &year{
		server: newServer(t), chance: rand.New(rand.NewPCG(seed, 7)), trunk: storetest.Shop{"deploy": 1},
		sources: map[string]storetest.Shop{}, releases: map[string]versioning.Release{}, digests: map[string]map[string]bool{},
		contents: map[records.Content]bool{}, held: map[string]bool{}, happened: map[string]int{},
	}
	y.Shape = storetest.Shape{Rings: versioning.Rings([]string{"developers", "testers", "pilots", "partners", "users"}), Needs: map[string][]string{}}
	for i := range 19 {
		name := fmt.Sprintf("s%02d", i)
		for _, need := range y.Images {
			if y.chance.IntN(i+1) == 0 && len(y.Needs[name]) < 2 {
				y.Needs[name] = append(y.Needs[name], need)
			}
		}
		y.Images = append(y.Images, name)
		y.trunk[name] = 1
	}
	y.Images = append(y.Images, "deploy")
	y.project = y.Open(nil)
	return y
}

// live lets 52 weeks pass.
func (y *year) live() {
	y.build(y.trunk, "developers")
	for week := range 52 {
		for range 1 + y.chance.IntN(3) {
			y.trunk = y.edited(y.trunk, 1+y.chance.IntN(3))
			y.build(y.trunk, "developers")
		}
		y.week()
		if week%13 == 12 {
			y.verified()
		}
		if y.T.Failed() {
			return
		}
	}
	y.replay()
	y.everyKind()
}

// edited changes n images; now and then one goes or comes back.
func (y *year) edited(sources storetest.Shop, n int) storetest.Shop {
	sources = maps.Clone(sources)
	for range n {
		y.revision++
		name := y.Images[y.chance.IntN(len(y.Images))]
		if y.chance.IntN(15) == 0 && name != "deploy" {
			delete(sources, name)
		} else {
			sources[name] = 1 + y.revision
		}
	}
	y.revision++
	sources["deploy"] = 1 + y.revision // no release is ever made twice
	return sources
}

// build publishes a release, and checks it.
func (y *year) build(sources storetest.Shop, ring string, merge ...string) {
	y.T.Helper()
	y.begin()
	before := y.submitted.After[ring]
	publication := y.Next(sources, ring, merge...)
	y.tell("build", "%s to %s, merging %v", publication.Plan.Version(), ring, merge)
	_, err := y.project.Publish(context.Background(), publication)
	must(y.T, err)
	placed, err := storetest.Ring(context.Background(), y.project, ring)
	must(y.T, err)
	y.sources[placed.Digest] = sources
	y.published(publication, *placed)
	y.forward(ring, y.releases[before.Digest], placed.Release)
	after := y.end()
	y.placed = append(y.placed, after.After[ring])
	y.lost(after, nil)
}

// hotfix changes what another ring than the first one holds, and takes the
// change into the next release, or not.
func (y *year) hotfix() {
	y.begin()
	ring := y.Rings[2+y.chance.IntN(len(y.Rings)-3)]
	sources, found := y.sources[y.submitted.After[ring].Digest]
	if !found {
		return // an empty ring
	}
	y.happened["hotfix"]++
	y.build(y.edited(sources, 1), ring)
	if y.chance.IntN(3) == 0 {
		y.merge(ring)
	}
}

// merge makes a release in the first ring that contains those of other rings.
func (y *year) merge(rings ...string) {
	y.happened["merge"]++
	y.trunk = y.edited(y.trunk, 1)
	y.build(y.trunk, "developers", rings...)
}

func (y *year) shift() {
	from := 1 + y.chance.IntN(2)
	request := versioning.ShiftRequest{From: y.Rings[from], To: y.Rings[from+1+y.chance.IntN(len(y.Rings)-1-from)]}
	if y.chance.IntN(2) == 0 {
		request = versioning.ShiftRequest{}
	}
	if asked := y.shifts(request); asked == nil {
		return
	} else if y.chance.IntN(2) == 0 {
		y.merge(asked...) // and it gets there in time
	} else {
		y.happened["discard"]++
		request.Discard = asked
		y.shifts(request)
	}
}

// shifts returns the rings whose release would be lost, if that stops it.
func (y *year) shifts(request versioning.ShiftRequest) (asked []string) {
	y.T.Helper()
	y.begin()
	y.tell("shift", "%v", request)
	outcome, err := y.project.Shift(context.Background(), y.options(), request)
	discard, held := new(versioning.DiscardError), new(versioning.HeldError)
	switch {
	case errors.As(err, &discard):
		return y.asked(discard)
	case errors.As(err, &held):
		y.happened["held"]++
		for _, ring := range held.Rings {
			if !y.held[ring] {
				y.T.Errorf("%s is not held: %v", ring, err)
			}
		}
		y.end()
		return nil
	}
	must(y.T, err)
	after := y.end()
	y.shifted(request, after)
	y.kept(outcome, request.Discard)
	y.lost(after, outcome.Dropped)
	return nil
}

func (y *year) unshift() {
	y.begin()
	tops := y.submitted.Tops
	if len(tops) == 0 {
		return
	}
	var rings []string
	for _, ring := range slices.Sorted(maps.Keys(tops)) {
		if y.chance.IntN(2) == 0 {
			rings = append(rings, ring)
		}
	}
	if len(rings) > 0 {
		y.happened["partial unshift"]++
	}
	y.tell("unshift", "%v", rings)
	outcome, err := y.project.Unshift(context.Background(), y.options(), rings)
	if refused := new(versioning.UnshiftError); errors.As(err, &refused) {
		y.happened["refused unshift"]++
		for _, stuck := range refused.Stuck {
			if stuck.Moved == "" || !strings.Contains(err.Error(), "`quoit set "+stuck.Ring+" ") {
				y.T.Errorf("it does not say who moved %s, and what to do: %v", stuck.Ring, err)
			}
		}
		y.end()
		return
	}
	must(y.T, err)
	for _, undone := range append(outcome.AlsoUndone, *outcome.Undone) {
		for _, ring := range undone.Rings {
			y.held[ring] = true
		}
	}
	y.lost(y.end(), outcome.Dropped)
}

// set places one of the last releases.
func (y *year) set() {
	y.begin()
	place := y.placed[max(0, len(y.placed)-1-y.chance.IntN(20))]
	ring := y.Rings[y.chance.IntN(len(y.Rings))]
	y.tell("set", "%s %s", ring, place.Version)
	outcome, err := y.project.Set(context.Background(), y.options(), ring, place.Version, false)
	if discard := new(versioning.DiscardError); errors.As(err, &discard) {
		if asked := y.asked(discard); !slices.Equal(asked, []string{ring}) {
			y.T.Errorf("%v would be lost", asked)
		}
		if y.chance.IntN(3) > 0 {
			return
		}
		outcome, err = y.project.Set(context.Background(), y.options(), ring, place.Version, true)
	}
	must(y.T, err)
	after := y.end()
	if got := after.After[ring].Digest; got != place.Digest {
		y.T.Errorf("%s has %s, not %s", ring, got, place.Digest)
	}
	y.lost(after, outcome.Dropped)
}

func (y *year) hold() {
	y.begin()
	ring := y.Rings[y.chance.IntN(len(y.Rings))]
	y.tell("hold", "%s", ring)
	_, err := y.project.Hold(context.Background(), y.options(), ring, fmt.Sprint("reason ", len(y.story)))
	must(y.T, err)
	y.held[ring] = true
	y.end()
}

func (y *year) unhold() {
	y.begin()
	rings := slices.Sorted(maps.Keys(y.held))
	if y.chance.IntN(2) == 0 {
		rings = rings[:len(rings)/2]
	}
	if len(rings) == 0 {
		return
	}
	y.tell("unhold", "%v", rings)
	_, err := y.project.Unhold(context.Background(), y.options(), rings)
	must(y.T, err)
	for _, ring := range rings {
		delete(y.held, ring)
	}
	y.end()
}

func (y *year) options() store.RingOptions {
	return store.RingOptions{Root: "deploy", Rings: y.Rings, Author: store.Author{Actor: "ann"}}
}
