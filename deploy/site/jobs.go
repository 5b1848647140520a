package site

import (
	"context"
	"fmt"
	"io"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Jobs runs steps as Jobs in the site's namespace.
type Jobs struct {
	Cluster *Cluster
	// Log gets what the root image prints, as it is: on a terminal it belongs
	// behind a show.Writer. Nil: nowhere.
	Log io.Writer
	// Say gets a line about what is going on; it may be nil.
	Say func(string)
}

// run is one Job that is watched.
type run struct {
	Jobs
	task Task
	job  *batchv1.Job
	logs logs

	hidden error // why its events are not seen
}

// Run starts the task's Job, or goes on with the one of a deployer that was
// stopped, and waits for its end, or until it should have ended long ago. If ctx
// ends the Job runs on.
func (j Jobs) Run(ctx context.Context, task Task) error {
	r := &run{Jobs: j, task: task, logs: logs{out: j.Log}}
	if r.Say == nil {
		r.Say = func(string) {}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	err := r.watch(ctx)
	if ctx.Err() != nil {
		r.Say(fmt.Sprintf("Job %s/%s keeps running", r.job.Namespace, r.job.Name))
	}
	return err
}

// Resumes names the task's own Job.
func (Jobs) Resumes(task Task) string { return task.name() }

func (r *run) start(ctx context.Context) error {
	job, s := r.task.job(), r.task.Site
	files, err := r.task.files(job)
	if err != nil {
		return err
	}
	err = r.Cluster.patiently(ctx, func() (err error) {
		r.job, err = r.Cluster.api.BatchV1().Jobs(s.Namespace).Create(ctx, job, metav1.CreateOptions{FieldManager: manager})
		return err
	})
	if apierrors.IsAlreadyExists(err) {
		if r.job, err = r.Cluster.api.BatchV1().Jobs(s.Namespace).Get(ctx, job.Name, metav1.GetOptions{}); err == nil {
			r.Say(fmt.Sprintf("rejoining Job %s/%s, which was started %s", s.Namespace, job.Name, r.job.CreationTimestamp.UTC().Format("2006-01-02 15:04:05Z")))
		}
	}
	if err != nil {
		return r.refused(fmt.Sprintf("starting Job %s/%s", s.Namespace, job.Name), err)
	}
	if files, err = r.task.files(r.job); err != nil {
		return err
	}
	err = r.Cluster.patiently(ctx, func() error {
		_, err := r.Cluster.api.CoreV1().ConfigMaps(s.Namespace).Create(ctx, files, metav1.CreateOptions{FieldManager: manager})
		return err
	})
	if err == nil || apierrors.IsAlreadyExists(err) {
		return nil
	}
	explained := explain(s, fmt.Sprintf("writing the files of Job %s/%s", s.Namespace, job.Name), err)
	if passing(err) {
		return explained // they may be there
	}
	return r.giveUp(ctx, explained.Error()) // it waits for them in vain
}

// refused is a Job that the API server has not taken.
func (r *run) refused(doing string, err error) error {
	explained := explain(r.task.Site, doing, err)
	if passing(err) {
		return explained // it may be there
	}
	return r.failed(NotStarted, explained.Error())
}

// watch waits for the end of the Job.
func (r *run) watch(ctx context.Context) error {
	streaming, stop := context.WithCancel(ctx)
	defer stop()
	v := &vigil{run: r, begun: time.Now()}
	v.due = patience{begun: v.begun, most: r.deadline()}
	for {
		s, err := r.look(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			if err := v.unanswered(err); err != nil {
				return err
			}
		default:
			is := v.see(streaming, s)
			if is.over {
				r.finish(ctx, v.printed, stop)
				return r.end(is)
			}
			if !v.ran && time.Since(v.begun) > r.task.Start {
				return r.giveUp(ctx, v.said)
			}
		}
		if err := pause(ctx, r.Cluster.times.poll); err != nil {
			return err
		}
	}
}

// vigil is what was seen of a Job so far.
type vigil struct {
	*run
	begun   time.Time
	due     patience
	ran     bool        // once seen, it is so whatever is left to be seen
	pod     *corev1.Pod // seen last: one whose end is counted may be gone, with the reason
	said    string
	printed chan error // has an item when the log was read
	gone    time.Time  // since when the API server does not answer, zero if it does
}

// see judges what is seen now, says what that waits for, and begins to read the
// log once there is one.
func (v *vigil) see(streaming context.Context, s sight) verdict {
	v.gone = time.Time{}
	if s.pod == nil && s.job != nil {
		s.pod = v.pod
	}
	v.pod = s.pod
	is := v.due.judge(s, time.Now())
	v.ran = v.ran || is.started
	if v.printed == nil && s.pod != nil && started(s.pod) {
		printed := make(chan error, 1)
		v.printed = printed
		go func() { printed <- v.logs.follow(streaming, v.Cluster, s.pod) }()
	}
	if !is.over && is.message != "" && is.message != v.said {
		v.said = is.message
		v.Say("waiting: " + v.said)
	}
	return is
}

// unanswered returns what ends the watch after an error, nil as long as the API
// server may come back.
func (v *vigil) unanswered(err error) error {
	if passing(err) {
		if v.gone.IsZero() {
			v.gone = time.Now()
		}
		if time.Since(v.gone) <= v.Cluster.times.retry {
			return nil
		}
	}
	return explain(v.task.Site, v.watching(), err)
}

func (r *run) watching() string {
	return fmt.Sprintf("watching Job %s/%s, which keeps running", r.job.Namespace, r.job.Name)
}

// finish waits until the log of what has ended was read. If that cannot be it is
// said, for the Job's end is what counts.
func (r *run) finish(ctx context.Context, printed <-chan error, stop func()) {
	if printed == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var err error
	select {
	case err = <-printed:
	case <-ctx.Done():
		stop()
		err = <-printed
	}
	if apierrors.IsForbidden(err) {
		r.Say(explain(r.task.Site, "showing what it prints", err).Error())
	}
}

func (r *run) end(v verdict) error {
	if v.cause == "" {
		return nil
	}
	return r.failed(v.cause, v.message)
}

func (r *run) failed(cause Cause, message string) error {
	name := r.task.name()
	failed := &StepError{Site: r.task.Site.Name, Step: r.task.Step, Job: r.task.Site.Namespace + "/" + name, Cause: cause, Message: message}
	if r.logs.out == nil {
		failed.Lines = r.logs.lines()
	}
	return failed
}

// look reads the Job and its newest pod, and events of what does not run.
func (r *run) look(ctx context.Context) (sight, error) {
	var s sight
	job, err := r.Cluster.api.BatchV1().Jobs(r.job.Namespace).Get(ctx, r.job.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || err == nil && job.UID != r.job.UID:
		return s, nil
	case err != nil:
		return s, err
	}
	pods, err := r.Cluster.pods(ctx, job)
	if err != nil {
		return s, err
	}
	s.job = job
	for i, pod := range pods.Items {
		if s.pod == nil || s.pod.CreationTimestamp.Before(&pod.CreationTimestamp) {
			s.pod = &pods.Items[i]
		}
	}
	if time.Since(job.CreationTimestamp.Time) < 3*time.Second || s.pod != nil && started(s.pod) {
		return s, nil
	}
	about := job.UID
	if s.pod != nil {
		about = s.pod.UID
	}
	events, err := r.Cluster.api.CoreV1().Events(job.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(about), Limit: 100})
	if apierrors.IsForbidden(err) {
		r.hidden = err
	}
	if err == nil { // they are only for people
		s.events = events.Items
	}
	return s, nil
}

// giveUp deletes a Job that does not start. Only if it is certain that it has
// not started after all, nothing has happened.
func (r *run) giveUp(ctx context.Context, why string) error {
	if why == "" {
		why = fmt.Sprintf("nothing happened for %s", r.task.Start)
		if r.hidden != nil {
			why += fmt.Sprintf(", and its events cannot be seen: %v", r.hidden)
		}
	}
	ran, err := r.Cluster.remove(ctx, r.job)
	switch {
	case err != nil:
		return err
	case ran:
		return r.failed(Gone, "it began to run just as it was given up because of "+why)
	}
	return r.failed(NotStarted, why)
}
