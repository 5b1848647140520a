package adversary

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/quoitbuild/quoit/internal/dose"
)

// TestAnAdversaryDecidesNothing lets an adversary do whatever he likes in every repository
// but the log's, before and in the middle of what honest people do, of whom some die: no
// release has a digest that no record has assigned, and he blocks no publish for more than
// one retry, as [history.publish] says.
//
//	QUOIT_SEED=7 go test ./store/adversary -run TestAnAdversaryDecidesNothing
//
// does what the seed says.
func TestAnAdversaryDecidesNothing(t *testing.T) {
	first, count := uint64(1), dose.Of[uint64](16, 1000, 20_000)
	if text := os.Getenv("QUOIT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		mustNot(err)
		first, count = seed, 1
	}
	var mu sync.Mutex
	happened := map[string]int{}
	t.Cleanup(func() { t.Log(happened) })
	for part := range min(count, 8) {
		t.Run(fmt.Sprint("part ", part+1), func(t *testing.T) {
			t.Parallel()
			for seed := first + part; seed < first+count; seed += 8 {
				h, err := lives(t, seed, beliefs{})
				if err != nil {
					t.Fatalf("%v\nQUOIT_SEED=%d:\n%s", err, seed, ending(h.story))
				}
				mu.Lock()
				for what, n := range h.happened {
					happened[what] += n
				}
				mu.Unlock()
			}
		})
	}
}

// lives lets a history come to its end, whose clock does not wait.
func lives(t *testing.T, seed uint64, wrong beliefs) (h *history, err error) {
	synctest.Test(t, func(*testing.T) {
		h = newHistory(seed)
		h.beliefs = wrong
		err = h.run()
	})
	return h, err
}

// ending is the end of a story.
func ending(story []string) string {
	if left := len(story) - 60; left > 0 {
		story = append([]string{fmt.Sprintf("(%d lines before)", left)}, story[left:]...)
	}
	return strings.Join(story, "\n")
}
