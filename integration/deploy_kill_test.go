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

// killedDeploy deploys and is cut off after a number of writes, never if that
// is negative.
func killedDeploy(t *testing.T, s site.Site, writes int) (cut bool, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &cutter{left: writes, cut: cancel}
	var options site.ClusterOptions
	if writes > 0 {
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
	return writes > 0 && c.left == 0, err
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
			if cut, err := killedDeploy(t, s, writes); !cut && writes <= 8 {
				t.Fatalf("it was not killed: %v", err)
			}
			kubectl(t, "", "-n", namespace, "patch", "lease", s.Object(), "--type=merge", "-p", `{"spec":{"renewTime":"2020-01-01T00:00:00.000000Z"}}`)
			if _, err := killedDeploy(t, s, -1); err != nil {
				t.Fatal(err)
			}
			record, err := deploy.Parse([]byte(kubectl(t, "", "-n", namespace, "get", "configmap", s.Object(), "-o", `jsonpath={.data.record\.json}`)))
			if err != nil {
				t.Fatal(err)
			}
			if record.Installed == nil || !record.Resting() || len(record.Results) != 1 || record.Results[0].Error != "" {
				t.Errorf("the record says %+v", record)
			}
			if jobs := kubectl(t, "", "-n", namespace, "get", "jobs", "-l", "quoit.build/site="+s.Name, "-o", "jsonpath={range .items[*]}{.status.succeeded} {end}"); jobs != "1" {
				t.Errorf("there are Jobs: %s", jobs)
			}
		})
	}
}
