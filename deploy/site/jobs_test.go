package site

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
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

// stuckPod is that of a node that has died: it never ends.
func stuckPod() *corev1.Pod {
	pod := podWith(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})
	pod.Name, pod.Namespace, pod.Spec.NodeName = "quoit-eu-1-abcde", "shop", "node-7"
	pod.Labels = map[string]string{batchv1.ControllerUidLabel: ""} // the one that a fake Job has
	return pod
}

// TestAPodThatNeverEnds: Kubernetes calls a Job failed when its pods have ended,
// which those of a dead node never do. It is not waited for without end, and the
// next deploy does not run beside it.
func TestAPodThatNeverEnds(t *testing.T) {
	failing := batchv1.JobCondition{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonDeadlineExceeded}
	for _, test := range []struct {
		name       string
		conditions []batchv1.JobCondition
		within     time.Duration
	}{
		{"its Job has given up", []batchv1.JobCondition{failing}, removal + 15*time.Second},
		{"its Job says nothing", nil, 2*time.Minute + removal + 15*time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, api := fakeCluster(stuckPod())
				api.PrependReactor("create", "jobs", func(a k8stesting.Action) (bool, runtime.Object, error) {
					a.(k8stesting.CreateAction).GetObject().(*batchv1.Job).Status.Conditions = test.conditions
					return false, nil, nil
				})
				begun := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := Jobs{Cluster: c, Log: io.Discard}.Run(ctx, someTask())
				failed := new(StepError)
				if !errors.As(err, &failed) || failed.Cause != TooLong || !strings.Contains(err.Error(), "pod shop/quoit-eu-1-abcde has not ended on node node-7") {
					t.Errorf("error %v", err)
				}
				if took := time.Since(begun); took > test.within || took < removal {
					t.Errorf("after %s", took)
				}
				api.PrependReactor("delete", "jobs", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
				if err := c.sweep(ctx, someTask().Site, "another", func(string) {}); err == nil || !strings.Contains(err.Error(), "still exists") {
					t.Errorf("the next deploy goes on: %v", err)
				}
			})
		})
	}
}
