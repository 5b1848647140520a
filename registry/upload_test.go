package registry

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry/registrytest"
)

func TestUploadMountsWhatAnotherRepositoryHas(t *testing.T) {
	source, target := registrytest.New(t), registrytest.New(t)
	contents := []byte(strings.Repeat("layer ", 10_000))
	source.PushBlob("api", contents)
	target.Tokens()
	var mounts, scopes []string
	target.WrapFault(func(fault registrytest.Fault) registrytest.Fault {
		return func(n int, w http.ResponseWriter, r *http.Request) bool {
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
	})
	ctx, blob := context.Background(), BlobOf(contents)
	from, to := open(source, nil).Repository("api"), open(target, func(o *Options) { o.Keychain = registrytest.User{} })
	opener := func(ctx context.Context) (io.ReadCloser, error) { return from.Open(ctx, blob) }
	if mounted, err := to.Repository("api").Upload(ctx, blob, "", opener); err != nil || mounted {
		t.Fatalf("mounted %v, error %v", mounted, err)
	}
	if mounted, err := to.Repository("web").Upload(ctx, blob, "api", opener); err != nil || !mounted {
		t.Fatalf("mounted %v, error %v", mounted, err)
	}
	if diff := cmp.Diff([]string{registrytest.Path + "/api"}, mounts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"repository:acme/shop/web:push,pull", "repository:acme/shop/api:pull"}, scopes); diff != "" {
		t.Errorf("the token of the mount: %s", diff)
	}
}
