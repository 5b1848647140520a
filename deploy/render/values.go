package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ValuesObject names the ConfigMap and the Secret that hold a site's values.
const ValuesObject = "quoit-site"

// MissingValuesError says that objects name values that the site does not have.
type MissingValuesError struct {
	Namespace string
	Names     []string            // sorted
	Objects   map[string][]string // that use them, by name
}

// Error lists the names with their objects.
func (e *MissingValuesError) Error() string {
	lines := make([]string, len(e.Names))
	for i, name := range e.Names {
		lines[i] = fmt.Sprintf("\n  %s (%s)", name, strings.Join(e.Objects[name], ", "))
	}
	return fmt.Sprintf("values are missing: add them to ConfigMap or Secret %s in namespace %s, or write ${NAME:-default}:%s",
		ValuesObject, e.Namespace, strings.Join(lines, ""))
}

// ValueNames returns the names of the site's own values that objects use, sorted.
// Those that every site has are left out.
func ValueNames(objects []*unstructured.Unstructured) ([]string, error) {
	names, err := usedNames(objects)
	everywhere := Target{}.values()
	return slices.DeleteFunc(names, func(name string) bool { _, ok := everywhere[name]; return ok }), err
}

// fill puts the site's values into the objects.
func fill(objects []*unstructured.Unstructured, target Target, valuesOf func([]string) (map[string]string, error)) error {
	names, err := ValueNames(objects)
	if err != nil {
		return err
	}
	all := map[string]string{}
	if len(names) > 0 {
		values, err := valuesOf(names)
		if err != nil {
			return err
		}
		maps.Copy(all, values)
	}
	maps.Copy(all, target.values())
	return substitute(objects, all, target.Namespace)
}

// usedNames are the names that objects ask for, sorted.
func usedNames(objects []*unstructured.Unstructured) ([]string, error) {
	used := map[string]bool{}
	_, err := substituted(objects, func(Ref) template {
		return template{
			value:   func(name string) (string, bool) { used[name] = true; return "", true },
			missing: func(string) {},
		}
	})
	return slices.Sorted(maps.Keys(used)), err
}

// substitute puts values into the objects, which it changes. Only texts are
// looked at, never names of fields, so a value cannot become anything else than
// text. The error is a [*MissingValuesError] for names that have neither a value
// nor a default; then nothing was changed.
func substitute(objects []*unstructured.Unstructured, values map[string]string, namespace string) error {
	users := map[string][]string{}
	changed, err := substituted(objects, func(at Ref) template {
		return template{
			value: func(name string) (string, bool) { value, ok := values[name]; return value, ok },
			missing: func(name string) {
				if user := at.String(); !slices.Contains(users[name], user) {
					users[name] = append(users[name], user)
				}
			},
		}
	})
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return &MissingValuesError{Namespace: namespace, Names: slices.Sorted(maps.Keys(users)), Objects: users}
	}
	for i, object := range objects {
		object.Object = changed[i]
	}
	return nil
}

// substituted returns the objects with what a template makes of each.
func substituted(objects []*unstructured.Unstructured, templateOf func(Ref) template) ([]map[string]any, error) {
	changed, left := make([]map[string]any, len(objects)), maxFilled
	for i, object := range objects {
		changed[i] = object.Object
		if object.GetAnnotations()[annotationSubstitute] == Disabled {
			continue
		}
		filled := templateOf(RefOf(object))
		filled.left = &left
		value, err := filled.walk(object.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", RefOf(object), err)
		}
		changed[i] = value.(map[string]any)
	}
	return changed, nil
}
