package apply

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

func TestARequestSaysWhatItLacks(t *testing.T) {
	_, err := Run(context.Background(), &rest.Config{}, Request{Target: render.Target{Site: "eu"}}, io.Discard)
	mustFail(t, err, "no environment, no namespace, no root folder")
	_, err = Run(context.Background(), &rest.Config{}, Request{Target: render.Target{Site: "eu", Environment: "prod", Namespace: "shop", Action: "remove"}, Root: "/"}, io.Discard)
	mustFail(t, err, `unknown action "remove"`)
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

func TestProgressHasNoSecretsAndNoControlCharacters(t *testing.T) {
	var out strings.Builder
	c := &console{out: &out, values: values{text: map[string]string{"S": "hunter22"}, secrets: map[string]bool{"S": true}}}
	c.say("waiting for %s", "\x1b[2Jhunter22\r\n!")
	if out.String() != `waiting for \x1b[2J***\x0d\x0a!`+"\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestAResultIsALineForEachChange(t *testing.T) {
	r := Result{Site: "eu", Action: deploy.Upgrade, DryRun: true, Hooks: []Hook{{"pre-upgrade", "Job/migrate"}},
		Changes: []Change{{"Deployment/api", configured}, {"Service/api", unchanged}, {"ConfigMap/old", deleted}, {"PersistentVolumeClaim/data", kept}}}
	want := `pre-upgrade hook Job/migrate would be run
Deployment/api would be configured
ConfigMap/old would be deleted
PersistentVolumeClaim/data would be kept
upgrade eu: 2 of 4 objects would be changed
`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
