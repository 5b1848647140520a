package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/quoitbuild/quoit/deploy/render"
)

func TestErrorsOfTheServerSayWhatToDo(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	t.Run("a missing rule as a line of a role", func(t *testing.T) {
		err := explain(fmt.Errorf("around: %w", apierrors.NewForbidden(deployments, "api",
			errors.New(`User "system:serviceaccount:shop:quoit-eu" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`))))
		mustFail(t, err, "the Role in namespace shop lacks", `- {apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}`)
	})
	t.Run("a rule for the cluster", func(t *testing.T) {
		err := explain(apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "x", errors.New(`User "u" cannot get resource "namespaces" in API group "" at the cluster scope`)))
		mustFail(t, err, "the ClusterRole lacks", `- {apiGroups: [""], resources: ["namespaces"], verbs: ["get"]}`)
	})
	t.Run("a quota is no missing rule", func(t *testing.T) {
		original := apierrors.NewForbidden(deployments, "api", errors.New("exceeded quota: small"))
		if err := explain(original); !errors.Is(err, original) || strings.Contains(err.Error(), "lacks") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("fields of others", func(t *testing.T) {
		got := conflict("Deployment/api", apierrors.NewApplyConflict([]metav1.StatusCause{
			{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas", Message: `conflict with "kubectl" using apps/v1`},
		}, "1 conflict"))
		mustFail(t, got, "Deployment/api has fields", ".spec.replicas belongs to kubectl", "--take-over")
	})
	t.Run("another conflict is not one", func(t *testing.T) {
		if got := conflict("x", apierrors.NewConflict(deployments, "api", errors.New("changed meanwhile"))); got != nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("only what cannot be changed is immutable", func(t *testing.T) {
		invalid := func(message string) error {
			return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Message: message,
				Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "spec.selector", Message: message}}}}}
		}
		mustFail(t, immutable("Deployment/api", invalid("Invalid value: field is immutable")), "field spec.selector", "quoit.build/force: enabled")
		if got := immutable("Deployment/api", invalid("must be greater than 0")); got != nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestErrorsHaveTheLastLines(t *testing.T) {
	for want, err := range map[string]error{
		"Deployment/api is not ready: 0 of 1 ready\nits last lines:\n  a\n  b":                         &NotReadyError{Object: "Deployment/api", Reason: "0 of 1 ready", Log: []string{"a", "b"}},
		"Deployment/api is not ready: 0 of 1 ready":                                                    &NotReadyError{Object: "Deployment/api", Reason: "0 of 1 ready"},
		"post-install hook Job/seed: it failed\nits last lines:\n  a":                                  &HookError{Point: "post-install", Name: "Job/seed", Reason: "it failed", Log: []string{"a"}},
		"Service/web belongs to site us of project acme.shop: delete it there, or name it differently": &OwnedError{Object: "Service/web", Project: "acme.shop", Site: "us"},
	} {
		if err.Error() != want {
			t.Errorf("got %q", err)
		}
	}
}

// TestOnlyWhatMayPassIsWaitedOut: a missing right will not come by waiting.
func TestOnlyWhatMayPassIsWaitedOut(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	c := &cluster{owner: owner{namespace: "shop"}}
	r := render.Ref{Group: "batch", Version: "v1", Kind: "Job", Namespace: "shop", Name: "migrate"}
	for _, passes := range []error{errors.New("connection refused"), apierrors.NewTooManyRequests("slow down", 1), apierrors.NewServiceUnavailable("away"),
		apierrors.NewInternalError(errors.New("broken")), apierrors.NewTimeoutError("late", 1), apierrors.NewServerTimeout(jobs, "get", 1)} {
		if err := c.transient(t.Context(), r, passes); err != nil {
			t.Errorf("%v ends the wait: %v", passes, err)
		}
	}
	stays := apierrors.NewForbidden(jobs, "migrate", errors.New("no"))
	err := c.transient(t.Context(), r, stays)
	mustFail(t, err, "reading Job/migrate: ")
	if !errors.Is(err, stays) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.transient(ended, r, stays); err != nil {
		t.Errorf("a run that was ended says %v", err)
	}
}

// TestARefusalIsSortedOut: into what can be done about it.
func TestARefusalIsSortedOut(t *testing.T) {
	a := &applier{}
	existing := parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}`)[0]
	frozen := fmt.Errorf("ConfigMap/c dry-run failed: %w", &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Message: "field is immutable when `immutable` is set"}})
	var immutable *ImmutableError
	if _, _, err := a.refused("ConfigMap/c", false, existing, frozen); !errors.As(err, &immutable) {
		t.Errorf("got %v", err)
	} else {
		mustFail(t, err, "ConfigMap/c: a field cannot be changed while the object exists")
		if !apierrors.IsInvalid(err) {
			t.Errorf("the server's own error is lost: %v", err)
		}
	}
	if change, got, err := a.refused("ConfigMap/c", true, existing, frozen); change != recreated || got != existing || err != nil {
		t.Errorf("forced: %q, %v, %v", change, got, err)
	}
	if _, _, err := a.refused("ConfigMap/c", true, nil, frozen); err == nil || !strings.HasPrefix(err.Error(), "applying ConfigMap/c: ") {
		t.Errorf("one that is not there: %v", err)
	}
	var conflict *ConflictError
	taken := fmt.Errorf("ConfigMap/c dry-run failed: %w", apierrors.NewApplyConflict([]metav1.StatusCause{
		{Type: metav1.CauseTypeFieldManagerConflict, Field: ".data.a", Message: "somebody"}}, "1 conflict"))
	if _, _, err := a.refused("ConfigMap/c", false, existing, taken); !errors.As(err, &conflict) || conflict.Fields[0] != (FieldOwner{".data.a", "somebody"}) {
		t.Errorf("got %v", err)
	}
	_, _, err := a.refused("ConfigMap/c", false, existing, errors.New("a webhook says no"))
	if err == nil || err.Error() != "applying ConfigMap/c: a webhook says no" {
		t.Errorf("got %v", err)
	}
}
