package apply

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/quoitbuild/quoit/deploy/render"
)

// ForbiddenError says which rule the role of the account lacks.
type ForbiddenError struct {
	Verb, Group, Resource string
	Namespace             string // "" for a rule of a ClusterRole
	Err                   error
}

// Error has the rule as a line for a Role.
func (e *ForbiddenError) Error() string {
	where := "the ClusterRole"
	if e.Namespace != "" {
		where = "the Role in namespace " + e.Namespace
	}
	return fmt.Sprintf("%v\n%s lacks this rule:\n- {apiGroups: [%q], resources: [%q], verbs: [%q]}", e.Err, where, e.Group, e.Resource, e.Verb)
}

// Unwrap returns what the API server said.
func (e *ForbiddenError) Unwrap() error { return e.Err }

// forbidden is how Kubernetes says it; only the text has the verb.
var forbidden = regexp.MustCompile(`cannot (\S+) resource "([^"]+)"(?: in API group "([^"]*)")?(?: in the namespace "([^"]+)")?`)

// explain turns what the API server refuses into an error that says what is
// missing; other errors are returned as they are.
func explain(err error) error {
	var already *ForbiddenError
	if !apierrors.IsForbidden(err) || errors.As(err, &already) {
		return err
	}
	m := forbidden.FindStringSubmatch(err.Error())
	if m == nil {
		return err // a quota or an admission rule, which says what it minds
	}
	return &ForbiddenError{Verb: m[1], Resource: m[2], Group: m[3], Namespace: m[4], Err: err}
}

// ConflictError says that fields of an object belong to somebody else.
type ConflictError struct {
	Object string
	Fields []FieldOwner
}

// FieldOwner is a field that belongs to somebody.
type FieldOwner struct {
	Field string // .spec.replicas
	Owner string // the field manager
}

// Error names the fields with their owners.
func (e *ConflictError) Error() string {
	lines := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		lines[i] = "\n  " + f.Field + " belongs to " + f.Owner
	}
	return fmt.Sprintf("%s has fields that somebody else owns; leave them out of the overlay, or take them over with --take-over:%s", e.Object, strings.Join(lines, ""))
}

// conflictManager is how the API server names the owner of a field.
var conflictManager = regexp.MustCompile(`conflict with "([^"]*)"`)

// conflict returns the fields that an apply was refused for, nil if it was not.
func conflict(object string, err error) *ConflictError {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	found := &ConflictError{Object: object}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		owner := cause.Message
		if m := conflictManager.FindStringSubmatch(cause.Message); m != nil {
			owner = m[1]
		}
		found.Fields = append(found.Fields, FieldOwner{cause.Field, owner})
	}
	if len(found.Fields) == 0 {
		return nil
	}
	return found
}

// ImmutableError says that a field of an object cannot be changed.
type ImmutableError struct {
	Object string
	Field  string // "" if the server does not say
	Err    error
}

// Error says how to go on.
func (e *ImmutableError) Error() string {
	field := "a field"
	if e.Field != "" {
		field = "field " + e.Field
	}
	return fmt.Sprintf("%s: %s cannot be changed while the object exists: delete the object, or annotate it with %s: %s to have it deleted and created again",
		e.Object, field, render.AnnotationForce, render.Enabled)
}

// Unwrap returns what the API server said.
func (e *ImmutableError) Unwrap() error { return e.Err }

// immutableText is the only thing by which such a refusal can be told from a
// field with a wrong value: both are "Invalid".
var immutableText = regexp.MustCompile(`(?i)immutable|may not be changed|updates to .* are forbidden|cannot be changed|may not change once set`)

// immutable returns the field that an apply was refused for, nil if it was not.
func immutable(object string, err error) *ImmutableError {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) && !apierrors.IsConflict(err) || !immutableText.MatchString(err.Error()) {
		return nil
	}
	found := &ImmutableError{Object: object, Err: err}
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if immutableText.MatchString(cause.Message) {
				found.Field = cause.Field
				break
			}
		}
	}
	return found
}

// OwnedError says that an object belongs to another site.
type OwnedError struct {
	Object        string
	Project, Site string
}

// Error names the other site.
func (e *OwnedError) Error() string {
	return fmt.Sprintf("%s belongs to site %s of project %s: delete it there, or name it differently", e.Object, e.Site, e.Project)
}
