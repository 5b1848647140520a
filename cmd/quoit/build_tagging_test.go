package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoitbuild/quoit/store"
)

func TestALongPublishTellsHowFarItIs(t *testing.T) {
	for progress, want := range map[string]string{"auto": "tagged 3 of 9\ntagged 6 of 9\ntagged 9 of 9\n", "plain": "tagged 3 of 9\ntagged 6 of 9\ntagged 9 of 9\n", "quiet": "", "rawjson": ""} {
		t.Run(progress, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				f := buildkitFlags{progress: progress}
				tell := f.tagging(&out)
				for done := 1; done <= 9; done++ {
					time.Sleep(700 * time.Millisecond)
					tell(store.Event{Done: done, Total: 9})
				}
				if out.String() != want {
					t.Errorf("got %q, want %q", out.String(), want)
				}
			})
		})
	}
}
