package site

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/deploy"
)

// stalledRegistry begins to answer whatever it is asked for, and does not go on.
func stalledRegistry(t *testing.T) (host string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// rootAt is a project whose release has its root image at a place.
type rootAt struct {
	oneRelease
	root string
}

func (r rootAt) Images(context.Context, deploy.Release) (Images, error) {
	return Images{Root: r.root}, nil
}

// TestLookingEnds: a registry that stalls does not hold up whoever compares
// objects, or asks for the rights, for ever.
func TestLookingEnds(t *testing.T) {
	root := stalledRegistry(t) + "/acme/shop/deploy@sha256:" + strings.Repeat("1", 64)
	c, _ := fakeCluster()
	c.times.look = 100 * time.Millisecond
	task := someTask()
	for name, look := range map[string]func(context.Context) error{
		"comparing the objects of site eu": func(ctx context.Context) error {
			d := &Deployment{Site: task.Site, Plan: deploy.Plan{Target: &task.Step.Run}, cluster: c, goal: Goal{Releases: rootAt{root: root}}}
			_, err := d.Diff(ctx, io.Discard)
			return err
		},
		"reading what site eu needs": func(ctx context.Context) error {
			_, err := task.Site.rules(ctx, Images{Root: root}, "test", c.times.look)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := look(ctx)
			if ctx.Err() != nil {
				t.Fatalf("it does not end: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), name+" took longer than 100ms: see whether the registry and the cluster answer: ") {
				t.Errorf("error %v", err)
			}
		})
	}
}
