//go:build stack

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
)

// disturbable is what a root image does to a site, undisturbed or not.
type disturbable struct {
	name          string
	before, files map[string]string // overlays; no before: an empty site
	action        deploy.Action
	writes        int // of an undisturbed run
}

var disturbables = []disturbable{
	{"install", nil, map[string]string{"a.yaml": configMap("a", "x: new"), "b.yaml": configMap("b", "x: new"),
		"d.yaml": configMap("d", "x: new", `quoit.build/hook: "pre-install"`)},
		deploy.Install, 5}, // inventory, d, a, b, inventory
	{"upgrade", map[string]string{"a.yaml": configMap("a", "x: old"), "b.yaml": configMap("b", "x: old")},
		map[string]string{"a.yaml": configMap("a", "x: new"), "c.yaml": configMap("c", "x: new"),
			"d.yaml": configMap("d", "x: new", `quoit.build/hook: "pre-upgrade"`)},
		deploy.Upgrade, 6}, // inventory, d, a, c, without b, inventory
	{"hook", nil, map[string]string{"migrate.yaml": hookJob("migrate", "post-upgrade", "true")},
		deploy.Upgrade, 3}, // inventory, migrate, inventory
	{"recreation", map[string]string{"a.yaml": frozen("old")}, map[string]string{"a.yaml": frozen("new")},
		deploy.Upgrade, 4}, // inventory, without a, a, inventory
	{"uninstall", map[string]string{"a.yaml": configMap("a", "x: old"), "b.yaml": configMap("b", "x: old")},
		map[string]string{"d.yaml": configMap("d", "x: new", `quoit.build/hook: "pre-uninstall"`)},
		deploy.Uninstall, 6}, // inventory, d, without b, a, d, inventory
}

// frozen is an object that can only be replaced, and may be.
func frozen(x string) string {
	return configMap("a", "x: "+x, "quoit.build/force: enabled") + "immutable: true\n"
}

// TestApplyConvergesAfterADeathAtEveryWrite: whatever a run has left that died
// at one of its writes, before the server had it or with its answer lost, the
// same run ends where an undisturbed one does.
func TestApplyConvergesAfterADeathAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, c := range disturbables {
		for _, before := range []bool{true, false} {
			if before && c.name == "hook" {
				continue // pods take seconds, and what is left is the same as one write earlier
			}
			t.Run(fmt.Sprintf("%s, not sent %v", c.name, before), func(t *testing.T) {
				a := newApplied(t, nil)
				a.reset(c)
				if left, err := a.dies(c, c.writes+1, before); err != nil || left != 1 {
					t.Fatalf("an undisturbed run makes %d writes and not %d: %v", c.writes+1-left, c.writes, err)
				}
				want := a.state()
				for write := 1; write <= c.writes; write++ {
					a.reset(c)
					if left, err := a.dies(c, write, before); err == nil || left > 0 {
						t.Fatalf("it does not die at write %d: %v", write, err)
					}
					a.mustRun(c.action)
					if diff := cmp.Diff(want, a.state()); diff != "" {
						t.Errorf("after a death at write %d (-undisturbed +got):\n%s", write, diff)
					}
				}
			})
		}
	}
}

// TestAHookOfADeadRunIsGoneBeforeTheNextOne: a migration runs on behind a run that
// was killed, and the way back begins with it gone to its last pod.
func TestAHookOfADeadRunIsGoneBeforeTheNextOne(t *testing.T) {
	stubborn := strings.Replace(hookJob("migrate", "pre-upgrade", "trap : TERM; while :; do sleep 1; done"), "PeriodSeconds: 0", "PeriodSeconds: 3", 1)
	a := newApplied(t, map[string]string{"up.yaml": stubborn, "down.yaml": hookJob("migrate-down", "pre-downgrade", "true")})
	pods := func() string {
		return a.kubectl("", "get", "pods", "-l", "job-name=migrate", "-o", "jsonpath={.items[*].status.phase}")
	}
	ctx, kill := context.WithCancel(t.Context())
	died := make(chan error)
	go func() {
		request := a.request
		request.Action = deploy.Upgrade
		_, err := apply.Run(ctx, a.config, request, io.Discard)
		died <- err
	}()
	for pods() != "Running" {
		if !again(t) {
			t.Fatalf("the migration does not run: %v", <-died)
		}
	}
	kill()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatalf("the run ends with %v", err)
	}
	beside := "nothing was created"
	config := rest.CopyConfig(a.config)
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				beside = pods()
			}
			return inner.RoundTrip(r)
		})
	})
	a.config = config
	a.mustRun(deploy.Downgrade)
	if beside != "" {
		t.Errorf("when the way back begins, the migration's pods are: %s", beside)
	}
}

// reset brings the site to where a change begins.
func (a *applied) reset(c disturbable) {
	a.t.Helper()
	a.files(map[string]string{"none.yaml": configMap("none", "x: y")}) // nothing that an uninstall looks at
	a.mustRun(deploy.Uninstall)
	if got := a.state(); len(got) > 0 {
		a.t.Fatalf("there still is %v", got)
	}
	if c.before != nil {
		a.files(c.before)
		a.mustRun(deploy.Install)
	}
	a.files(c.files)
}

// dies runs a change that loses the cluster at a write, and returns how many
// writes were left.
func (a *applied) dies(c disturbable, write int, before bool) (left int, err error) {
	config := rest.CopyConfig(a.config)
	ctx, cancel := context.WithCancel(a.t.Context())
	defer cancel()
	cut := &cutter{left: write, before: before, cut: cancel}
	config.Wrap(cut.wrap)
	request := a.request
	request.Action = c.action
	_, err = apply.Run(ctx, config, request, io.Discard)
	return cut.left, err
}

// state is all that the site has, the inventory too.
func (a *applied) state() map[string]any {
	a.t.Helper()
	api, err := kubernetes.NewForConfig(a.config)
	if err != nil {
		a.t.Fatal(err)
	}
	options := metav1.ListOptions{LabelSelector: "quoit.build/site=eu"}
	configMaps, err := api.CoreV1().ConfigMaps(a.request.Namespace).List(a.t.Context(), options)
	if err != nil {
		a.t.Fatal(err)
	}
	jobs, err := api.BatchV1().Jobs(a.request.Namespace).List(a.t.Context(), options)
	if err != nil {
		a.t.Fatal(err)
	}
	all := map[string]any{}
	for _, object := range configMaps.Items {
		all["ConfigMap/"+object.Name] = []any{object.Labels, object.Annotations, object.Data}
	}
	for _, object := range jobs.Items {
		all["Job/"+object.Name] = []any{object.Labels, object.Annotations, object.Spec.Template.Spec.Containers, object.Status.Succeeded, object.DeletionTimestamp}
	}
	return all
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
