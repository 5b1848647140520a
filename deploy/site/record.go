package site

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/quoitbuild/quoit/deploy"
)

// recordKey is the record's in its ConfigMap.
const recordKey = "record.json"

// MovedError says that somebody else changed a site's record in between.
type MovedError struct{ Site, Actor string }

// Error names who changed it.
func (e *MovedError) Error() string {
	who := e.Actor
	if who == "" {
		who = "somebody else"
	}
	return fmt.Sprintf("%s deployed to site %s in the meantime: look at `quoit status --sites`, and run the command again if it is still what you want", who, e.Site)
}

// kept is a record and the object that keeps it, nil if there is none yet.
type kept struct {
	record deploy.Record
	object *corev1.ConfigMap
}

// Record reads the site's record, the zero one with its names if there is none.
func (c *Cluster) Record(ctx context.Context, s Site) (deploy.Record, error) {
	found, err := c.read(ctx, s)
	return found.record, err
}

func (c *Cluster) read(ctx context.Context, s Site) (kept, error) {
	doing := fmt.Sprintf("reading the record of site %s (ConfigMap %s/%s)", s.Name, s.Namespace, s.Object())
	object, err := c.greet(ctx, s)
	if apierrors.IsNotFound(err) {
		return kept{record: deploy.Record{Project: s.Project, Site: s.Name}}, nil
	}
	if err != nil {
		return kept{}, explain(s, doing, err)
	}
	record, err := deploy.Parse([]byte(object.Data[recordKey]))
	if err != nil {
		return kept{}, fmt.Errorf("%s: %w", doing, err)
	}
	if record.Project != s.Project || record.Site != s.Name {
		return kept{}, fmt.Errorf("%s: it belongs to site %s of %s: give this site another namespace", doing, record.Site, record.Project)
	}
	return kept{record, object}, nil
}

// greet reads the object that keeps a record. It is the first request to a cluster, so what
// the kubeconfig runs to log in comes before it, which may wait for somebody and knows of no
// end.
func (c *Cluster) greet(ctx context.Context, s Site) (*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.times.look, fmt.Errorf("no answer within %s", c.times.look))
	defer cancel()
	defer c.slowly("the cluster of site " + s.Name + ", or for a login to it")()
	type answer struct {
		object *corev1.ConfigMap
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		object, err := c.api.CoreV1().ConfigMaps(s.Namespace).Get(ctx, s.Object(), metav1.GetOptions{})
		answers <- answer{object, err}
	}()
	select {
	case is := <-answers:
		return is.object, is.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// write replaces a record that was read. While the API server does not answer
// it tries again for a while. The error is a [*MovedError] if the record has
// changed since.
func (c *Cluster) write(ctx context.Context, s Site, before kept, record deploy.Record, actor string) (kept, error) {
	text, err := deploy.Format(record)
	if err != nil {
		return before, err
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: s.Object(), Namespace: s.Namespace}}
	if before.object != nil {
		object = before.object.DeepCopy()
	}
	mark(&object.ObjectMeta, s)
	object.Annotations[annotationActor] = actor
	object.Data = map[string]string{recordKey: string(text)}
	maps := c.api.CoreV1().ConfigMaps(s.Namespace)
	var written *corev1.ConfigMap
	err = c.patiently(ctx, func() (err error) {
		if before.object == nil {
			written, err = maps.Create(ctx, object, metav1.CreateOptions{FieldManager: manager})
		} else {
			written, err = maps.Update(ctx, object, metav1.UpdateOptions{FieldManager: manager})
		}
		return err
	})
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || before.object != nil && apierrors.IsNotFound(err) {
		written, err = c.ours(ctx, s, object)
	}
	var moved *MovedError
	if errors.As(err, &moved) {
		return before, err
	}
	if err != nil {
		return before, explain(s, "writing the record of site "+s.Name, err)
	}
	return kept{record, written}, nil
}

// ours is what is there if this very write has put it there and the answer was
// lost, else a [*MovedError].
func (c *Cluster) ours(ctx context.Context, s Site, object *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	is, err := c.api.CoreV1().ConfigMaps(s.Namespace).Get(ctx, s.Object(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &MovedError{Site: s.Name}
	}
	if err != nil {
		return nil, err
	}
	actor := is.Annotations[annotationActor]
	if is.Data[recordKey] != object.Data[recordKey] || actor != object.Annotations[annotationActor] {
		return nil, &MovedError{s.Name, actor}
	}
	return is, nil
}

// forget deletes a record that was read.
func (c *Cluster) forget(ctx context.Context, s Site, before kept) error {
	if before.object == nil {
		return nil
	}
	err := c.patiently(ctx, func() error {
		return c.api.CoreV1().ConfigMaps(s.Namespace).Delete(ctx, s.Object(), metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &before.object.UID, ResourceVersion: &before.object.ResourceVersion},
		})
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err):
		return &MovedError{Site: s.Name}
	case err != nil:
		return explain(s, "deleting the record of site "+s.Name, err)
	}
	return nil
}
