package apply

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

func TestObjectsAreAppliedInTheOrderInWhichTheyNeedEachOther(t *testing.T) {
	var documents []string
	for _, kind := range []string{"Cart", "Deployment", "Service", "Secret", "Namespace", "CustomResourceDefinition", "Role"} {
		documents = append(documents, "{apiVersion: v1, kind: "+kind+", metadata: {name: b}}", "{apiVersion: v1, kind: "+kind+", metadata: {name: a}}")
	}
	want := "CustomResourceDefinition/a CustomResourceDefinition/b Namespace/a Namespace/b Role/a Role/b Secret/a Secret/b " +
		"Service/a Service/b Deployment/a Deployment/b Cart/a Cart/b"
	objects := inApplyOrder(parse(t, strings.Join(documents, "\n---\n")))
	if got := names(objects); got != want {
		t.Errorf("got %s", got)
	}
	order := strings.Fields(want)
	slices.Reverse(order)
	if got := names(empties(inDeleteOrder(render.Refs(objects)))); got != strings.Join(order, " ") {
		t.Errorf("deleted: %s", got)
	}
}

func empties(refs []render.Ref) (objects []*unstructured.Unstructured) {
	for _, r := range refs {
		objects = append(objects, r.Empty())
	}
	return objects
}

// TestPruneSaysWhatItKeeps: and deletes the last kinds first.
func TestPruneSaysWhatItKeeps(t *testing.T) {
	own := "namespace: shop, labels: {quoit.build/project: acme.shop, quoit.build/site: eu}"
	objects := parse(t, strings.ReplaceAll(`{apiVersion: v1, kind: ConfigMap, metadata: {name: c, OWN}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, OWN}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p, OWN}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: taken, namespace: shop}}`, "OWN", own))
	for _, dryRun := range []bool{false, true} {
		f := newFake(objects...)
		s := f.sessionFor(t, Request{Target: render.Target{Project: "acme/shop", Site: "eu", Namespace: "shop", Action: deploy.Upgrade}, DryRun: dryRun})
		s.held.objects = append(s.held.objects, render.Ref{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "gone"})
		gone, err := s.prune(t.Context(), s.held.objects)
		if err != nil {
			t.Fatal(err)
		}
		writes, left := []string{"delete Deployment/d (Background)", "delete ConfigMap/c (Background)"}, "Deployment/d ConfigMap/c"
		if dryRun {
			writes, left = nil, ""
		}
		if diff := cmp.Diff(writes, f.writes); diff != "" || names(empties(gone)) != left {
			t.Errorf("dry run %v: gone %s, -want +got:\n%s", dryRun, names(empties(gone)), diff)
		}
		want := []Change{{"PersistentVolumeClaim/p", kept}, {"Deployment/d", deleted}, {"ConfigMap/taken", kept}, {"ConfigMap/c", deleted}}
		if diff := cmp.Diff(want, s.report.result.Changes); diff != "" {
			t.Errorf("dry run %v: -want +got:\n%s", dryRun, diff)
		}
	}
}

func TestPruneKeepsDataAndWhatBelongsToOthers(t *testing.T) {
	eu := owner{project: "acme/shop", site: "eu"}
	own := "labels: {quoit.build/project: acme.shop, quoit.build/site: eu}"
	for text, want := range map[string]bool{
		"apiVersion: v1, kind: ConfigMap, metadata: {name: c, " + own + "}":                                                        true,
		"apiVersion: v1, kind: ConfigMap, metadata: {name: c, " + own + ", annotations: {quoit.build/prune: disabled}}":            false,
		"apiVersion: v1, kind: ConfigMap, metadata: {name: c}":                                                                     false,
		"apiVersion: v1, kind: ConfigMap, metadata: {name: c, labels: {quoit.build/project: acme.shop, quoit.build/site: us}}":     false,
		"apiVersion: v1, kind: ConfigMap, metadata: {name: c, labels: {quoit.build/project: acme.other, quoit.build/site: eu}}":    false,
		"apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, " + own + "}":                                            false,
		"apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, " + own + ", annotations: {quoit.build/prune: enabled}}": true,
		"apiVersion: v1, kind: Namespace, metadata: {name: c, " + own + "}":                                                        false,
		"apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: c, " + own + "}":                    false,
		"apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, annotations: {quoit.build/prune: enabled}}":              false,
	} {
		if got := eu.prunable(parse(t, "{"+text+"}")[0]); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}
