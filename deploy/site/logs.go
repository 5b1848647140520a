package site

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	longLine  = 16 << 10 // bytes of a line that are kept
	lastLines = 10       // how many are kept for an error
)

// logs writes what a pod prints to an output, each line once, also if the
// stream breaks and is begun again.
type logs struct {
	out  io.Writer
	mu   sync.Mutex
	last []string

	newest time.Time // of the lines that were written
	same   int       // how many of these have that time
}

// follow returns when the pod's container has ended and all was written, or is
// gone, or ctx ends.
func (l *logs) follow(ctx context.Context, c *Cluster, pod *corev1.Pod) error {
	for {
		err := l.stream(ctx, c, pod)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			return err
		}
		found, again := c.api.CoreV1().Pods(pod.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + pod.Name})
		if again == nil && !slices.ContainsFunc(found.Items, func(is corev1.Pod) bool {
			return is.UID == pod.UID && (err != nil || running(&is))
		}) {
			return nil
		}
		if err := pause(ctx, c.times.poll); err != nil {
			return err
		}
	}
}

func running(pod *corev1.Pod) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Terminated != nil {
			return false
		}
	}
	return pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
}

// stream reads one stream to its end.
func (l *logs) stream(ctx context.Context, c *Cluster, pod *corev1.Pod) error {
	options := &corev1.PodLogOptions{Container: container, Follow: true, Timestamps: true}
	if !l.newest.IsZero() {
		options.SinceTime = new(metav1.NewTime(l.newest)) // in whole seconds
	}
	body, err := c.api.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		return fmt.Errorf("reading the log of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	defer body.Close()
	return l.read(body)
}

// read writes the lines of a stream, without those that were written before.
func (l *logs) read(stream io.Reader) error {
	known, seen := l.newest, 0
	lines := bufio.NewReaderSize(stream, longLine)
	for {
		line, err := readLine(lines)
		if line == "" && err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading the log: %w", err)
		}
		stamp, text, _ := strings.Cut(line, " ")
		at, bad := time.Parse(time.RFC3339Nano, stamp)
		if bad != nil {
			at, text = l.newest, line // the kubelet itself speaks
		}
		if bad == nil && !known.IsZero() && !at.After(known) {
			if at.Equal(known) {
				seen++
			}
			if at.Before(known) || seen <= l.same {
				continue
			}
		}
		l.write(at, text)
	}
}

func (l *logs) write(at time.Time, text string) {
	if at.Equal(l.newest) {
		l.same++
	} else if at.After(l.newest) {
		l.newest, l.same = at, 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = append(l.last, text)
	l.last = l.last[max(0, len(l.last)-lastLines):]
	if l.out != nil {
		_, _ = fmt.Fprintln(l.out, text) // a broken terminal does not stop a deploy
	}
}

// lines are what was printed last.
func (l *logs) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// readLine reads a line without its end; what is too long is cut.
func readLine(r *bufio.Reader) (string, error) {
	line, more, err := r.ReadLine()
	text := strings.ToValidUTF8(string(line), "\ufffd")
	for more && err == nil {
		_, more, err = r.ReadLine()
	}
	if err == nil && text == "" {
		text = " " // an empty line is a line
	}
	return text, err
}
