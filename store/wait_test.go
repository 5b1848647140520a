package store

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store/records"
)

// What a slow list of tags takes is not laid at the door of others that write.
func TestASlowListIsNotOthersThatWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, begin := newDriver(New(memory.New("registry.example.com/acme/shop"), "acme/shop")), time.Now()
		for i := 0; time.Since(begin) < 2*crowded*time.Second; i++ {
			lag := records.Request{Action: records.Wait, Reason: records.Listing, Tag: fmt.Sprintf("record-%08d", 1+i/10)}
			if _, err := d.wait(t.Context(), lag); err != nil {
				t.Fatalf("after %s: %v", time.Since(begin), err)
			}
		}
		begin = time.Now()
		for round := 1; ; round++ {
			if _, err := d.wait(t.Context(), records.Request{Action: records.Wait, Reason: records.Backoff, Round: round / 4}); err != nil {
				if waited := time.Since(begin); !errors.Is(err, errCrowded) || waited < crowded*time.Second/2 || waited > 2*crowded*time.Second {
					t.Errorf("after %s: %v", waited, err)
				}
				return
			}
		}
	})
}
