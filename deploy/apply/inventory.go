package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// inventory is what a site's runs have applied and not deleted: the only memory
// of objects that a release no longer has. It is written before objects are, and
// shortened after they are gone.
type inventory struct {
	objects []render.Ref // sorted by key, each once
	// What the objects were made of, to tell whether that has changed.
	made made
}

// made is what objects were made of.
type made struct {
	version string // of the release
	values  string // digest of the values that were used
	names   string // of these, with commas
}

// Of the ConfigMap that holds it.
const (
	annotationVersion = render.Prefix + "version"     // of the release
	annotationValues  = render.Prefix + "values"      // digest of the values that were used
	annotationNames   = render.Prefix + "value-names" // their names

	inventoryKey = "objects.json"
	maxInventory = 1 << 20 // bytes
)

func inventoryName(site string) string { return "quoit-" + site + "-inventory" }

// union is both, as the second one writes its objects.
func union(old, now []render.Ref) []render.Ref {
	return sorted(append(slices.Clone(now), without(old, now)...))
}

// without are those objects of the old that are not in the new.
func without(old, now []render.Ref) []render.Ref {
	known := make(map[render.Ref]bool, len(now))
	for _, r := range now {
		known[r.Key()] = true
	}
	return slices.DeleteFunc(slices.Clone(old), func(r render.Ref) bool { return known[r.Key()] })
}

func sorted(refs []render.Ref) []render.Ref {
	slices.SortFunc(refs, compareRefs)
	return slices.CompactFunc(refs, func(a, b render.Ref) bool { return a.Key() == b.Key() })
}

func compareRefs(a, b render.Ref) int {
	return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// parseInventory reads what [formatInventory] writes.
func parseInventory(text string) ([]render.Ref, error) {
	if len(text) > maxInventory {
		return nil, fmt.Errorf("it has %d bytes; the limit is %d", len(text), maxInventory)
	}
	var objects []render.Ref
	if err := json.Unmarshal([]byte(text), &objects); err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.Version == "" || o.Kind == "" || o.Name == "" {
			return nil, fmt.Errorf("an object in it has no version, kind or name: %q", o)
		}
	}
	return sorted(objects), nil
}

// formatInventory writes one object per line, for people to read.
func formatInventory(objects []render.Ref) (string, error) {
	lines := make([]string, len(objects))
	for i, o := range objects {
		data, err := json.Marshal(o)
		if err != nil {
			return "", err
		}
		lines[i] = string(data)
	}
	text := "[\n" + strings.Join(lines, ",\n") + "\n]\n"
	if len(text) > maxInventory {
		return "", fmt.Errorf("the inventory of %d objects has %d bytes, and may have %d", len(objects), len(text), maxInventory)
	}
	return text, nil
}

// readInventory returns an empty inventory for a site that has none.
func (c *cluster) readInventory(ctx context.Context) (inventory, error) {
	namespace, site := c.owner.namespace, c.owner.site
	var held corev1.ConfigMap
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: inventoryName(site)}, &held)
	if apierrors.IsNotFound(err) {
		return inventory{}, nil
	}
	if err != nil {
		return inventory{}, fmt.Errorf("reading the inventory of site %s: %w", site, explain(err))
	}
	if project := held.Labels[render.LabelProject]; project != c.owner.labels()[render.LabelProject] && project != "" {
		return inventory{}, &OwnedError{"ConfigMap/" + held.Name, project, held.Labels[render.LabelSite]}
	}
	objects, err := parseInventory(held.Data[inventoryKey])
	if err != nil {
		return inventory{}, fmt.Errorf("reading ConfigMap %s of namespace %s: %w; restore it, or delete it, which leaves the objects of older releases behind",
			held.Name, namespace, err)
	}
	return inventory{objects, made{held.Annotations[annotationVersion], held.Annotations[annotationValues], held.Annotations[annotationNames]}}, nil
}

func (c *cluster) writeInventory(ctx context.Context, i inventory) error {
	text, err := formatInventory(i.objects)
	if err != nil {
		return err
	}
	annotations := map[string]string{}
	for key, value := range map[string]string{annotationVersion: i.made.version, annotationValues: i.made.values, annotationNames: i.made.names} {
		if value != "" {
			annotations[key] = value
		}
	}
	held := render.Ref{Version: "v1", Kind: "ConfigMap", Namespace: c.owner.namespace, Name: inventoryName(c.owner.site)}.Empty()
	held.SetLabels(c.owner.labels())
	held.SetAnnotations(annotations)
	held.Object["data"] = map[string]any{inventoryKey: text}
	if err := c.patch(ctx, held, true); err != nil {
		return fmt.Errorf("writing the inventory of site %s: %w", c.owner.site, explain(err))
	}
	return nil
}

func (c *cluster) deleteInventory(ctx context.Context) error {
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: inventoryName(c.owner.site), Namespace: c.owner.namespace}}
	if err := c.Delete(ctx, held); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the inventory of site %s: %w", c.owner.site, explain(err))
	}
	return nil
}
