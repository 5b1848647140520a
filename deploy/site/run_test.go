package site

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	k8stesting "k8s.io/client-go/testing"

	"github.com/quoitbuild/quoit/deploy"
)

// fakeCluster has an API server that only keeps what it is told.
func fakeCluster(objects ...runtime.Object) (*Cluster, *fake.Clientset) {
	api := fake.NewClientset(objects...)
	return &Cluster{api: api, times: usual, Config: &rest.Config{}}, api
}

// oneRelease is a project with a single release.
type oneRelease struct{}

func (oneRelease) Lineage(context.Context, []deploy.Release) (deploy.Descends, error) {
	return deploy.Release.Same, nil
}

func (oneRelease) Images(context.Context, deploy.Release) (Images, error) {
	return someTask().Images, nil
}

// jobNames are those of the Jobs that there are.
func jobNames(t *testing.T, c *Cluster) (names []string) {
	t.Helper()
	jobs, err := c.api.BatchV1().Jobs("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range jobs.Items {
		names = append(names, job.Name)
	}
	return names
}

// runnerThat does something where a step would run.
type runnerThat struct {
	Runner
	runs func(Task) error
}

func (r runnerThat) Run(_ context.Context, task Task) error { return r.runs(task) }

// TestAStepRunsInOnePlace: a deploy that was stopped left a Job behind. A runner
// of Jobs finds it, one that works in this process finds it ended.
func TestAStepRunsInOnePlace(t *testing.T) {
	c, api := fakeCluster()
	run := func(ctx context.Context, runner Runner) error {
		t.Helper()
		task := someTask()
		d, err := c.Prepare(ctx, task.Site, Goal{Target: &task.Step.Run, Releases: oneRelease{}})
		if err != nil {
			t.Fatal(err)
		}
		return d.Run(ctx, Run{Actor: "ann", Runner: runner, Timeout: time.Minute, Start: time.Minute})
	}
	stopped, stop := context.WithCancel(t.Context())
	api.PrependReactor("create", "jobs", func(k8stesting.Action) (bool, runtime.Object, error) { stop(); return false, nil, nil })
	if err := run(stopped, Jobs{Cluster: c, Log: io.Discard}); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ends with %v", err)
	}
	left := jobNames(t, c)
	if len(left) != 1 {
		t.Fatalf("Jobs %q", left)
	}
	interrupted := errors.New("interrupted")
	for _, test := range []struct {
		name   string
		runner Runner
		want   []string
	}{
		{"as Jobs", Jobs{Cluster: c}, left},
		{"in this process", Local{Cluster: c}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			_ = run(ctx, runnerThat{test.runner, func(task Task) error {
				if diff := cmp.Diff(test.want, jobNames(t, c)); diff != "" {
					t.Errorf("Jobs beside the step (-want +got):\n%s", diff)
				}
				if task.name() != left[0] {
					t.Errorf("the step is another one: %s, not %s", task.name(), left[0])
				}
				stop() // so the record stays
				return interrupted
			}})
		})
	}
}
