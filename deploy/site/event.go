package site

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the events about a site's record are called.
const (
	reasonDeploying = "Deploying"
	reasonDeployed  = "Deployed"
	reasonFailed    = "DeployFailed"
)

const maxEvent = 1000 // bytes of a message; Kubernetes takes 1024

// tell writes an Event about the site's record. Events are for people who look,
// so one that cannot be written stops nothing.
func (c *Cluster) tell(ctx context.Context, s Site, about kept, actor, reason, message string) {
	if about.object == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if reason == reasonFailed {
		kind = corev1.EventTypeWarning
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	now := metav1.Now()
	_, _ = c.api.CoreV1().Events(s.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s.%x", s.Object(), now.UnixNano()), Namespace: s.Namespace, Labels: map[string]string{labelSite: s.Name}},
		InvolvedObject: corev1.ObjectReference{
			Kind: "ConfigMap", APIVersion: "v1", Namespace: s.Namespace, Name: s.Object(), UID: about.object.UID, ResourceVersion: about.object.ResourceVersion,
		},
		Type: kind, Reason: reason, Message: cut(message+" ("+actor+")", maxEvent),
		Source: corev1.EventSource{Component: manager}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
		ReportingController: "quoit.build/deploy", ReportingInstance: cut(actor, 128),
	}, metav1.CreateOptions{FieldManager: manager})
}

// cut shortens a text to a number of bytes, between characters.
func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}
