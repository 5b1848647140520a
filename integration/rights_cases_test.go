//go:build stack

package integration

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
)

// TestEveryPrintedRightIsNeeded: what bootstrap prints is enough, and with any
// one verb on any one resource taken away the error names it, or something is
// done that cannot be seen.
func TestEveryPrintedRightIsNeeded(t *testing.T) {
	l := newLimited(t)
	l.mustRun(deploy.Install)
	l.mustRun(deploy.Upgrade) // leaves the hook's Job
	l.check("quoit-eu", l.config.Impersonate.UserName, l.ofAccount())
	l.files(limitedObjects)
	l.mustRun(deploy.Install)

	if err := l.deploys(&l.target, deploy.Options{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	l.check("quoit-eu-deployer", deployer, l.ofDeployer())
	if err := l.deploys(nil, deploy.Options{}, time.Minute); err != nil {
		t.Error(err)
	}
	if err := l.deploys(&l.target, deploy.Options{}, time.Minute); err != nil {
		t.Error(err)
	}
	l.mustRun(deploy.Uninstall)
}

// ofAccount are the cases of whom root images run as.
func (l *limited) ofAccount() []rightsCase {
	run := func(action deploy.Action) func(*testing.T) error {
		return func(*testing.T) error { _, err := l.run(action); return err }
	}
	install, upgrade := run(deploy.Install), run(deploy.Upgrade)
	without := func(object string) func(*testing.T) error { // the administrator's kubectl deletes it before
		return func(t *testing.T) error {
			l.kubectl("", "delete", "--ignore-not-found", object)
			return install(t)
		}
	}
	pruned := func(file string) func(*testing.T) error {
		return func(t *testing.T) error {
			left := maps.Clone(limitedObjects)
			delete(left, file)
			l.files(left)
			defer l.files(limitedObjects)
			return install(t)
		}
	}
	failing := func(want string) func(*testing.T) error {
		return func(t *testing.T) error {
			l.files(map[string]string{"migrate.yaml": hookJob("migrate", "pre-upgrade", "echo broken; exit 3"),
				"app.yaml": limitedObjects["app.yaml"], "reader.yaml": limitedObjects["reader.yaml"]})
			defer l.files(limitedObjects)
			err := upgrade(t)
			if err == nil || !strings.Contains(err.Error(), "pre-upgrade hook Job/migrate: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v\nlacks %q", err, want)
			}
			return nil
		}
	}
	const inventory = "quoit-eu-inventory"
	cases := []rightsCase{
		{right: right{"get", "", "configmaps", inventory}, do: install},
		{right: right{"patch", "", "configmaps", inventory}, do: install},
		{right: right{"create", "", "configmaps", inventory}, do: without("configmap/" + inventory)},
		{right: right{"get", "", "configmaps", "quoit-site"}, do: install},
		{right: right{"get", "", "secrets", "quoit-site"}, do: install},
		{right: right{"get", "batch", "jobs", ""}, do: upgrade},
		{right: right{"delete", "batch", "jobs", ""}, do: upgrade},
		{right: right{"create", "batch", "jobs", ""}, do: upgrade},
		{right: right{"list", "", "pods", ""}, seen: true, do: failing(`the cause cannot be seen: pods is forbidden`)},
		{right: right{"get", "", "pods/log", ""}, seen: true, do: failing(`cannot get resource "pods/log"`)},
	}
	for _, of := range [][3]string{{"apps", "deployments", "app"}, {rbacGroup, "roles", "reader"}} {
		group, resource, object := of[0], of[1], of[2]
		cases = append(cases,
			rightsCase{right: right{"get", group, resource, ""}, do: install},
			rightsCase{right: right{"patch", group, resource, ""}, do: install},
			rightsCase{right: right{"delete", group, resource, ""}, do: pruned(object + ".yaml")},
			rightsCase{right: right{"create", group, resource, ""}, do: without(resource + "/" + object)})
	}
	return append(cases,
		rightsCase{right: right{"list", "", "endpoints", ""}, do: without("roles/reader"), want: `Resources:["endpoints"], Verbs:["list"]`},
		rightsCase{right: right{"delete", "", "configmaps", inventory}, do: run(deploy.Uninstall)})
}

// ofDeployer are the cases of whoever deploys. The site runs the release.
func (l *limited) ofDeployer() []rightsCase {
	deploys := func(options deploy.Options) func(*testing.T) error {
		return func(*testing.T) error { return l.deploys(&l.target, options, time.Minute) }
	}
	looks, again := deploys(deploy.Options{}), deploys(deploy.Options{Again: true})
	unchanged := func(do func(*testing.T) error) func(*testing.T) error {
		return func(t *testing.T) error {
			err := do(t)
			var failed *site.StepError
			if !errors.As(err, &failed) || failed.Cause != site.NotStarted {
				t.Errorf("it is not said that nothing has changed: %v", err)
			}
			return err
		}
	}
	sweeps := func(t *testing.T) error {
		l.kubectl(strings.ReplaceAll(givenUp, "NAME", "stale"), "apply", "-f", "-")
		return again(t)
	}
	const record, inventory = "quoit-eu", "quoit-eu-inventory"
	return []rightsCase{
		{right: right{"get", "", "configmaps", record}, do: looks},
		{right: right{"get", "", "configmaps", inventory}, do: looks},
		{right: right{"get", "", "configmaps", "quoit-site"}, do: looks},
		{right: right{"get", "", "secrets", "quoit-site"}, do: looks},
		{right: right{"update", "", "configmaps", record}, do: again},
		{right: right{"create", "", "configmaps", ""}, do: unchanged(again)},
		{right: right{"get", leaseGroup, "leases", record}, do: again},
		{right: right{"update", leaseGroup, "leases", record}, do: again},
		{right: right{"create", leaseGroup, "leases", ""}, do: func(t *testing.T) error {
			l.kubectl("", "delete", "lease", record)
			return again(t)
		}},
		{right: right{"list", "batch", "jobs", ""}, do: again},
		{right: right{"create", "batch", "jobs", ""}, do: unchanged(again)},
		{right: right{"delete", "batch", "jobs", ""}, do: sweeps},
		{right: right{"watch", "", "pods", ""}, do: sweeps},
		{right: right{"get", "batch", "jobs", ""}, do: again},
		{right: right{"list", "", "pods", ""}, do: again},
		{right: right{"get", "", "pods/log", ""}, seen: true, do: func(t *testing.T) error {
			if err := again(t); err != nil || !strings.Contains(l.said.String(), `cannot get resource "pods/log"`) {
				t.Errorf("error %v, and it says\n%s", err, l.said.String())
			}
			return nil
		}},
		{right: right{"create", "", "events", ""}, seen: true, do: func(t *testing.T) error {
			before := l.events(t)
			if err := again(t); err != nil || l.events(t) != before {
				t.Errorf("error %v, %d events before and %d now", err, before, l.events(t))
			}
			return nil
		}},
		{right: right{"list", "", "events", ""}, seen: true, do: func(t *testing.T) error {
			l.kubectl("", "create", "quota", "none", "--hard=pods=0")
			defer l.kubectl("", "delete", "quota", "none")
			err := unchanged(func(*testing.T) error { return l.deploys(&l.target, deploy.Options{Again: true}, 4*time.Second) })(t)
			if err == nil || !strings.Contains(err.Error(), `its events cannot be seen: events is forbidden`) {
				t.Errorf("error %v", err)
			}
			return nil
		}},
		{right: right{"delete", "", "configmaps", record}, do: func(*testing.T) error {
			return l.deploys(nil, deploy.Options{}, time.Minute)
		}},
	}
}

// givenUp is a Job of a deployer that was stopped.
const givenUp = `apiVersion: batch/v1
kind: Job
metadata:
  name: NAME
  labels: {quoit.build/site: eu, quoit.build/step: upgrade}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: quoit, image: none}]}}
`

// events is how many there are about the site's record.
func (l *limited) events(t *testing.T) int {
	t.Helper()
	found, err := l.api.CoreV1().Events(l.site.Namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=quoit-eu"})
	if err != nil {
		t.Fatal(err)
	}
	return len(found.Items)
}
