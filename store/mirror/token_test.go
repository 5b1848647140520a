package mirror_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/storetest"
)

// TestCopyWithTokensThatEnd refuses the first attempt of each upload.
func TestCopyWithTokensThatEnd(t *testing.T) {
	source, target := newServer(t), newServer(t)
	source.Release(storetest.First, "developers")
	target.Tokens()
	var mu sync.Mutex
	ended := map[string]bool{}
	target.WrapFault(func(fault registrytest.Fault) registrytest.Fault {
		return func(n int, w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			again := ended[r.Method+r.URL.Path]
			ended[r.Method+r.URL.Path] = true
			mu.Unlock()
			if !again && r.Method == http.MethodPut {
				r.Header.Del("Authorization")
			}
			return fault(n, w, r)
		}
	})
	_, err := mirror.Copy(context.Background(), source.At(nil), target.At(func(o *registry.Options) { o.Keychain = registrytest.User{} }), mirror.Request{Releases: []string{"developers"}})
	must(t, err)
	target.SetFault(nil)
	target.verified()
}

// TestACopyThatStalls has a source that sends half of a blob and then nothing, once
// or always.
func TestACopyThatStalls(t *testing.T) {
	for _, once := range []bool{true, false} {
		source, target := newServer(t), newServer(t)
		source.Release(storetest.First, "developers")
		var stalled atomic.Bool
		blob := registry.DigestOf([]byte("{}"))
		source.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, blob) || once && stalled.Swap(true) {
				return false
			}
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		})
		options := func(o *registry.Options) { o.Timeout = 300 * time.Millisecond }
		_, err := mirror.Copy(context.Background(), source.At(options), target.At(options), mirror.Request{Releases: []string{"developers"}})
		if once && err != nil || !once && (err == nil || !strings.Contains(err.Error(), "no answer within 300ms")) {
			t.Errorf("once %v: error %v", once, err)
		}
	}
}
