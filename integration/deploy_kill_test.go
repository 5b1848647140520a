//go:build stack

package integration

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// oneRelease is a release of a busybox, which does nothing and ends well.
type oneRelease struct{ root string }

func (oneRelease) Lineage(context.Context, []deploy.Release) (deploy.Descends, error) {
	return deploy.FromLog(func(string) (versioning.Place, bool) { return versioning.Place{}, false }), nil
}

func (r oneRelease) Images(context.Context, deploy.Release) (site.Images, error) {
	return site.Images{Root: r.root, All: map[string]string{"deploy": r.root}}, nil
}

// disturbedDeploy deploys and loses a write, none if c has none left.
func disturbedDeploy(t *testing.T, s site.Site, c *cutter) (lost bool, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.cut = cancel
	var options site.ClusterOptions
	if c.left > 0 {
		options.Wrap = func(transport http.RoundTripper) http.RoundTripper { return c.wrap(transport) }
	}
	cluster, err := site.Connect(options)
	if err != nil {
		t.Fatal(err)
	}
	busybox := stack.Ref("library/busybox")
	digest := descriptor(t, busybox+":latest").Digest.String()
	target := deploy.Release{Version: versioning.Version{Minor: 1}, Digest: digest}
	d, err := cluster.Prepare(ctx, s, site.Goal{Target: &target, Releases: oneRelease{busybox + "@" + digest}})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Run(ctx, site.Run{Actor: "somebody", Runner: site.Jobs{Cluster: cluster}, Timeout: time.Minute, Start: time.Minute})
	return options.Wrap != nil && c.left <= 0, err
}

// TestDeployersThatDieAtEveryWrite: whatever they left, the next one ends with
// one Job that was run once, and the same record.
func TestDeployersThatDieAtEveryWrite(t *testing.T) {
	t.Parallel()
	namespace := namespace(t)
	for writes := 1; writes <= 9; writes++ { // eight, and renewals of the lease on a slow machine
		t.Run(fmt.Sprint("after write ", writes), func(t *testing.T) {
			t.Parallel()
			s := site.Site{Project: "acme/shop", Site: manifest.Site{Name: fmt.Sprint("s", writes), Environment: "prod", Ring: "users", Namespace: namespace}}
			kubectl(t, "", "-n", namespace, "create", "serviceaccount", s.Object())
			if cut, err := disturbedDeploy(t, s, &cutter{left: writes}); !cut && writes <= 8 {
				t.Fatalf("it was not killed: %v", err)
			}
			kubectl(t, "", "-n", namespace, "patch", "lease", s.Object(), "--type=merge", "-p", `{"spec":{"renewTime":"2020-01-01T00:00:00.000000Z"}}`)
			if _, err := disturbedDeploy(t, s, &cutter{}); err != nil {
				t.Fatal(err)
			}
			deployedOnce(t, s)
		})
	}
}

// TestDeployersThatLoseAWrite: a deployer that lives on repeats a write that
// nobody answered, whether the API server had it or not.
func TestDeployersThatLoseAWrite(t *testing.T) {
	t.Parallel()
	namespace := namespace(t)
	for write := 2; write <= 8; write++ { // without the lease, nothing has begun
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("write %d, not sent %v", write, before), func(t *testing.T) {
				t.Parallel()
				s := site.Site{Project: "acme/shop", Site: manifest.Site{Name: fmt.Sprintf("s%d-%v", write, before), Environment: "prod", Ring: "users", Namespace: namespace}}
				kubectl(t, "", "-n", namespace, "create", "serviceaccount", s.Object())
				if lost, err := disturbedDeploy(t, s, &cutter{left: write, before: before, once: true}); !lost || err != nil {
					t.Fatalf("lost %v, error %v", lost, err)
				}
				deployedOnce(t, s)
			})
		}
	}
}

// deployedOnce checks that a site has a record as if nothing had been, and one
// Job that ended well.
func deployedOnce(t *testing.T, s site.Site) {
	t.Helper()
	record, err := deploy.Parse([]byte(kubectl(t, "", "-n", s.Namespace, "get", "configmap", s.Object(), "-o", `jsonpath={.data.record\.json}`)))
	if err != nil {
		t.Fatal(err)
	}
	if record.Installed == nil || !record.Resting() || len(record.Results) != 1 || record.Results[0].Error != "" {
		t.Errorf("the record says %+v", record)
	}
	if jobs := kubectl(t, "", "-n", s.Namespace, "get", "jobs", "-l", "quoit.build/site="+s.Name, "-o", "jsonpath={range .items[*]}{.status.succeeded} {end}"); jobs != "1" {
		t.Errorf("there are Jobs: %s", jobs)
	}
}
