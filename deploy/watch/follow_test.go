package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const interval = time.Minute

// followed runs a keeper with a clock of its own until so many intervals and
// a half are over. What happened is then to be read.
func followed(t *testing.T, f follower, intervals int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Follow(ctx) }()
	time.Sleep(time.Duration(intervals)*interval + interval/2) // the clock of the bubble
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

// near is the interval that a moment belongs to, which is within the jitter.
func near(t *testing.T, since time.Duration) int {
	t.Helper()
	slot := (since + interval/2) / interval
	if off := since - slot*interval; off.Abs() > interval/10 {
		t.Errorf("%s after the begin is %s away from interval %d", since, off, slot)
	}
	return int(slot)
}

// dealt is what a [bringing] returns.
func dealt(well bool, digest string) string {
	if well {
		return digest
	}
	return ""
}

func TestFollowerDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const intervals = 1000
		random, begin, next := rand.New(rand.NewPCG(1, 2)), time.Now(), 0
		f := follower{Interval: interval, Ask: func(context.Context) (string, error) {
			if slot := near(t, time.Since(begin)); slot != next {
				t.Errorf("poll %d is in interval %d", next, slot)
			}
			next++
			time.Sleep(time.Duration(random.Float64() * 0.8 * float64(interval))) // a registry that is slow
			return "", nil
		}}
		followed(t, f, intervals)
		if next != intervals+1 {
			t.Errorf("%d polls in %d intervals and at their begin", next, intervals)
		}
	})
}

func TestFollowerBacksOffAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, asked := time.Now(), []int{}
		f := follower{Interval: interval, Ask: func(context.Context) (string, error) {
			slot := near(t, time.Since(begin))
			asked = append(asked, slot)
			if slot >= 2 && slot < 128 || slot == 162 {
				return "", errors.New("the registry answers 503")
			}
			return "sha256:a", nil
		}}
		followed(t, f, 165)
		want := []int{0, 1, 2, 4, 8, 16, 32, 64, 96, 128, 129}
		for slot := 130; slot <= 162; slot++ {
			want = append(want, slot)
		}
		want = append(want, 164, 165)
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("asked in intervals (-want +got):\n%s", diff)
		}
	})
}

func TestFollowerTriesSitesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, digest := time.Now(), "sha256:a"
		var first, second []int
		f := follower{
			Interval: interval,
			Ask: func(context.Context) (string, error) {
				if near(t, time.Since(begin)) == 50 {
					digest = "sha256:b"
				}
				return digest, nil
			},
			Sites: []bringing{
				func(context.Context, bool) string { // fails until the ring changes, and once more
					slot := near(t, time.Since(begin))
					first = append(first, slot)
					return dealt(slot > 50, digest)
				},
				func(context.Context, bool) string {
					second = append(second, near(t, time.Since(begin)))
					return digest
				},
			},
		}
		followed(t, f, 100)
		if diff := cmp.Diff([]int{0, 2, 6, 14, 30, 50, 52}, first); diff != "" {
			t.Errorf("the site that fails (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{0, 50}, second); diff != "" {
			t.Errorf("the other site (-want +got):\n%s", diff)
		}
	})
}

// TestFollowerCompares: at the first poll after each resync, and what fails then
// is tried again without waiting for the next one.
func TestFollowerCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const resync = 10 * interval
		begin, polls := time.Now(), 0
		var compared []time.Duration
		f := follower{
			Interval: interval, Resync: resync,
			Ask: func(context.Context) (string, error) { polls++; return "sha256:a", nil },
			Sites: []bringing{func(_ context.Context, compare bool) string {
				if compare {
					compared = append(compared, time.Since(begin))
				}
				return dealt(len(compared) != 2, "sha256:a")
			}},
		}
		followed(t, f, 1000)
		if len(compared) < 99 || polls != 1001 {
			t.Fatalf("compared %d times in %d polls", len(compared), polls)
		}
		if pause := compared[2] - compared[1]; pause < interval*18/10 || pause > interval*22/10 {
			t.Errorf("what failed is tried again after %s", pause)
		}
		for i, at := range slices.Delete(compared, 2, 3) {
			if late := at - time.Duration(i+1)*resync; late < 0 || late > interval*12/10 {
				t.Errorf("comparison %d is %s late", i+1, late)
			}
		}
	})
}

// TestFollowerIsNotHeldUpBySites: one that takes 200 intervals misses what the
// ring had in between, and nobody else does.
func TestFollowerIsNotHeldUpBySites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, polls := time.Now(), 0
		holds := func() string { return fmt.Sprint("sha256:", polls/50) }
		var slow, quick []int
		f := follower{
			Interval: interval,
			Ask: func(context.Context) (string, error) {
				if slot := near(t, time.Since(begin)); slot != polls {
					t.Errorf("poll %d is in interval %d", polls, slot)
				}
				polls++
				return holds(), nil
			},
			Sites: []bringing{
				func(ctx context.Context, _ bool) string {
					slow = append(slow, int(time.Since(begin)/interval))
					digest := holds()
					return dealt(pause(ctx, 200*interval-time.Second) == nil, digest)
				},
				func(context.Context, bool) string {
					quick = append(quick, near(t, time.Since(begin)))
					return holds()
				},
			},
		}
		followed(t, f, 300)
		if diff := cmp.Diff([]int{0, 199}, slow); diff != "" {
			t.Errorf("the slow site begins in intervals (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{0, 49, 99, 149, 199, 249, 299}, quick); diff != "" {
			t.Errorf("the quick site is brought in intervals (-want +got):\n%s", diff)
		}
	})
}

// TestFollowerBringsBack: a site whose deploy failed is brought also to what it
// was at before, for it may be half-way.
func TestFollowerBringsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		holds := func() string {
			if since := time.Since(begin) + interval/2; since >= 3*interval && since < 5*interval {
				return "sha256:b"
			}
			return "sha256:a"
		}
		var brought []string
		f := follower{
			Interval: interval,
			Ask:      func(context.Context) (string, error) { return holds(), nil },
			Sites: []bringing{func(context.Context, bool) string {
				brought = append(brought, fmt.Sprintf("%s in %d", holds(), near(t, time.Since(begin))))
				return dealt(holds() == "sha256:a", holds())
			}},
		}
		followed(t, f, 10)
		if diff := cmp.Diff([]string{"sha256:a in 0", "sha256:b in 3", "sha256:a in 5"}, brought); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestFollowerKnowsWhatWasBrought: the ring may change between the poll and the
// deploy, and change back.
func TestFollowerKnowsWhatWasBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var brought []int
		f := follower{
			Interval: interval,
			Ask:      func(context.Context) (string, error) { return "sha256:a", nil },
			Sites: []bringing{func(context.Context, bool) string {
				slot := near(t, time.Since(begin))
				if brought = append(brought, slot); slot == 0 {
					return "sha256:b" // what the ring had just then
				}
				return "sha256:a"
			}},
		}
		followed(t, f, 10)
		if diff := cmp.Diff([]int{0, 1}, brought); diff != "" {
			t.Errorf("brought in intervals (-want +got):\n%s", diff)
		}
	})
}
