package store

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCopyMountsWhatAnotherRepositoryHas(t *testing.T) {
	source, target := newServer(t), newServer(t)
	contents := []byte(strings.Repeat("layer ", 10_000))
	source.upload("api", contents)
	target.tokens()
	var mounts, scopes []string
	target.mu.Lock()
	fault := target.fault
	target.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			scopes = r.URL.Query()["scope"]
		}
		if from := r.URL.Query().Get("from"); from != "" && r.Header.Get("Authorization") != "" {
			mounts = append(mounts, from)
			w.WriteHeader(http.StatusCreated)
			return true
		}
		return fault(n, w, r)
	}
	target.mu.Unlock()
	ctx, blob := context.Background(), descriptor{Digest: digestOf(contents), Size: int64(len(contents))}
	from, to := source.open(nil).store(), target.open(func(o *Options) { o.Keychain = user{} }).store()
	open := func(ctx context.Context) (io.ReadCloser, error) { return from.open(ctx, "api", blob) }
	if mounted, err := to.write(ctx, "api", blob, "", open); err != nil || mounted {
		t.Fatalf("mounted %v, error %v", mounted, err)
	}
	if mounted, err := to.write(ctx, "web", blob, "api", open); err != nil || !mounted {
		t.Fatalf("mounted %v, error %v", mounted, err)
	}
	if diff := cmp.Diff([]string{acmeShop + "/api"}, mounts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"repository:acme/shop/web:push,pull", "repository:acme/shop/api:pull"}, scopes); diff != "" {
		t.Errorf("the token of the mount: %s", diff)
	}
}

// TestCopyWithTokensThatEnd refuses the first attempt of each upload.
func TestCopyWithTokensThatEnd(t *testing.T) {
	source, target := newServer(t), newServer(t)
	source.release(firstShop, "developers")
	target.tokens()
	target.mu.Lock()
	fault, ended := target.fault, map[string]bool{}
	target.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		target.mu.Lock()
		again := ended[r.Method+r.URL.Path]
		ended[r.Method+r.URL.Path] = true
		target.mu.Unlock()
		if !again && r.Method == http.MethodPut {
			r.Header.Del("Authorization")
		}
		return fault(n, w, r)
	}
	target.mu.Unlock()
	_, err := Copy(context.Background(), source.open(nil), target.open(func(o *Options) { o.Keychain = user{} }), CopyRequest{Releases: []string{"developers"}})
	must(t, err)
	target.setFault(nil)
	target.verified()
}

// TestACopyThatStalls has a source that sends half of a blob and then nothing, once
// or always.
func TestACopyThatStalls(t *testing.T) {
	for _, once := range []bool{true, false} {
		source, target := newServer(t), newServer(t)
		source.release(firstShop, "developers")
		var stalled atomic.Bool
		blob := digestOf([]byte("{}"))
		source.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, blob) || once && stalled.Swap(true) {
				return false
			}
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		})
		options := func(o *Options) { o.Timeout = 300 * time.Millisecond }
		_, err := Copy(context.Background(), source.open(options), target.open(options), CopyRequest{Releases: []string{"developers"}})
		if once && err != nil || !once && (err == nil || !strings.Contains(err.Error(), "no answer within 300ms")) {
			t.Errorf("once %v: error %v", once, err)
		}
	}
}
