package apply

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
