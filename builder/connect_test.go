package builder

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
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
