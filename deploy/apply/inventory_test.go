package apply

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/deploy/render"
)

func TestInventoryIsTheUnionThenTheNew(t *testing.T) {
	r := func(name string) render.Ref {
		return render.Ref{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: name}
	}
	newer := r("b")
	newer.Version = "v2"
	old, now := []render.Ref{r("a"), r("b")}, []render.Ref{r("c"), newer}
	if diff := cmp.Diff([]render.Ref{r("a"), newer, r("c")}, union(old, now)); diff != "" {
		t.Errorf("union -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]render.Ref{r("a")}, without(old, now)); diff != "" {
		t.Errorf("without -want +got:\n%s", diff)
	}
	text, err := formatInventory(union(old, now))
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseInventory(text)
	if diff := cmp.Diff(union(old, now), read); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
	for _, broken := range []string{"", "{", "{}", `[{"kind":"ConfigMap","version":"v1"}]`, `[{"kind":"ConfigMap","name":"a"}]`, "[" + strings.Repeat(" ", maxInventory) + "]"} {
		if objects, err := parseInventory(broken); err == nil {
			t.Errorf("%.20q gives %v", broken, objects)
		}
	}
}
