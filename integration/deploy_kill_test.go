package integration

import (
	"context"
	"errors"
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
	options := site.ClusterOptions{Lease: time.Second}
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
	namespace := namespace(t)
	t.Setenv("KUBECONFIG", stack.Cluster().Kubeconfig)
	for writes, cut := 1, true; cut; writes++ {
		s := site.Site{Project: "acme/shop", Site: manifest.Site{Name: fmt.Sprint("s", writes), Environment: "prod", Ring: "users", Namespace: namespace}}
		kubectl(t, "", "-n", namespace, "create", "serviceaccount", s.Object())
		cut, _ = killedDeploy(t, s, writes)
		var err error
		for err = errors.New("not yet"); err != nil; {
			held := new(site.HeldError)
			if _, err = killedDeploy(t, s, -1); err != nil && !errors.As(err, &held) {
				t.Fatalf("after %d writes: %v", writes, err)
			}
		}
		record, err := deploy.Parse([]byte(kubectl(t, "", "-n", namespace, "get", "configmap", s.Object(), "-o", `jsonpath={.data.record\.json}`)))
		if err != nil {
			t.Fatal(err)
		}
		if record.Installed == nil || !record.Resting() || len(record.Results) != 1 || record.Results[0].Error != "" {
			t.Errorf("after %d writes the record says %+v", writes, record)
		}
		jobs := kubectl(t, "", "-n", namespace, "get", "jobs", "-l", "quoit.build/site="+s.Name, "-o", "jsonpath={range .items[*]}{.status.succeeded} {end}")
		if jobs != "1" {
			t.Errorf("after %d writes there are Jobs: %s", writes, jobs)
		}
		if !cut && writes < 7 {
			t.Errorf("only %d writes were cut", writes)
		}
	}
}
