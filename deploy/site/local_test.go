package site

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/registry"
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
			_, err := task.Site.rules(ctx, Images{Root: root}, registry.Options{}, c.times.look)
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

// TestAClusterThatDoesNotAnswerIsNamed, and ends what waits for it.
func TestAClusterThatDoesNotAnswerIsNamed(t *testing.T) {
	s := someTask().Site
	for name, test := range map[string]struct {
		ask  func(context.Context, *Cluster) error
		took time.Duration
		said string
		want string
	}{
		"one request": {
			func(ctx context.Context, c *Cluster) error {
				silent := carrier{silence{}, 30 * time.Second, c}
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://west.example.com/api", nil)
				if err != nil {
					return err
				}
				response, err := silent.RoundTrip(r)
				if err == nil {
					response.Body.Close()
				}
				return err
			},
			30 * time.Second, "waiting for the cluster at west.example.com to answer", "context deadline exceeded",
		},
		"a login that waits for somebody": {
			func(ctx context.Context, c *Cluster) error { _, err := c.Record(ctx, s); return err },
			5 * time.Minute, "waiting for the cluster of site eu, or for a login to it", "no answer within 5m0s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, api := fakeCluster()
				gone := make(chan struct{})
				defer close(gone)
				api.PrependReactor("get", "configmaps", func(k8stesting.Action) (bool, runtime.Object, error) {
					<-gone // it does not know of the context
					return false, nil, nil
				})
				c.times.look = usual.look
				said := make(chan string, 10)
				c.say = func(what string) { said <- what }
				begin := time.Now()
				err := test.ask(t.Context(), c)
				if took := time.Since(begin); err == nil || !strings.Contains(err.Error(), test.want) || took != test.took {
					t.Errorf("after %s: %v", took, err)
				}
				if len(said) != 1 || <-said != test.said {
					t.Error("it does not say so once")
				}
			})
		})
	}
}

// silence is an API server that takes requests and answers none.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
