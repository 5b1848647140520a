package site

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stesting "k8s.io/client-go/testing"
)

// TestADeployThatEndsSaysWhatBecameOfTheSite: interrupted at a request, or refused there.
func TestADeployThatEndsSaysWhatBecameOfTheSite(t *testing.T) {
	const begun = "site eu: upgrade 0.1.0 to 0.2.0 was begun, and how it ends is not known: deploy again, it continues"
	for _, test := range []struct {
		verb, resource     string
		stopped, forbidden string // what is said; "": a step's error says it
	}{
		{"get", "leases", "nothing was written to site eu", "nothing was written to site eu"},
		{"create", "leases", "site eu is as it was: deploy again", "nothing was written to site eu"},
		{"create", "configmaps", begun, "site eu is as it was: deploy again"},
		{"list", "jobs", begun, begun},
		{"create", "jobs", begun, ""},
		{"update", "configmaps", begun, begun}, // after the step
	} {
		for _, interrupted := range []bool{true, false} {
			want := test.forbidden
			if interrupted {
				want = test.stopped
			}
			c, api := fakeCluster()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			fails := func(k8stesting.Action) (bool, runtime.Object, error) {
				if interrupted {
					cancel()
					return true, nil, ctx.Err()
				}
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: test.resource}, "quoit-eu", errors.New("no"))
			}
			task := someTask()
			d, err := c.Prepare(t.Context(), task.Site, Goal{Target: &task.Step.Run, Releases: oneRelease{}})
			if err != nil {
				t.Fatal(err)
			}
			d.Plan.Steps[0] = task.Step
			var runner Runner = Jobs{Cluster: c}
			if test.verb == "update" {
				runner = runnerThat{runner, func(Task) error { return nil }}
			}
			api.PrependReactor(test.verb, test.resource, fails)
			err = d.Run(ctx, Run{Actor: "ann", Runner: runner, Timeout: time.Minute, Start: time.Minute})
			unfinished := new(UnfinishedError)
			switch {
			case want == "" && errors.As(err, new(*StepError)) && !errors.As(err, &unfinished):
			case want == "" || !errors.As(err, &unfinished) || unfinished.Becomes() != want || !strings.HasSuffix(err.Error(), " ("+want+")"):
				t.Errorf("interrupted (%t) at %s %s it ends with\n%v\nwant\n%s", interrupted, test.verb, test.resource, err, want)
			}
		}
	}
}

// TestWhatIsNotFinishedNamesTheNextCommand: what removes a site is run again itself.
func TestWhatIsNotFinishedNamesTheNextCommand(t *testing.T) {
	e := &UnfinishedError{Site: "eu", Removes: true, Written: true, State: "uninstall 1.0.0 has ended"}
	if want := "site eu: uninstall 1.0.0 has ended: delete again, it continues"; e.Becomes() != want {
		t.Errorf("got  %s\nwant %s", e.Becomes(), want)
	}
}
