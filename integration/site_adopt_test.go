//go:build stack

package integration

import (
	"strings"
	"testing"
)

// TestAdopt: fields of somebody else stop a deploy before it changes anything.
// With --take-over they become the site's, and stay so; what the release does not
// have stays theirs.
func TestAdopt(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	kubectl(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {greeting: theirs, colour: red}\n",
		"--namespace", s.namespace, "apply", "--server-side", "--field-manager=somebody", "--filename=-")
	data := func() string {
		return s.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.greeting} {.data.colour}")
	}
	s.fails(1, nil, "\nerror: site eu: install 1.0.0 failed: exit code 1: ConfigMap/settings has fields that somebody else owns; "+
		"leave them out of the overlay, or take them over with --take-over:\n  .data.greeting belongs to somebody\n(Job "+s.namespace+"/quoit-eu-")
	if got := data(); got != "theirs red" || s.kubectl("get", "deployments", "-o", "name") != "" {
		t.Errorf("a deploy that was refused has changed something: %s", got)
	}

	s.deploys("--take-over")
	if got := data(); got != "hello red" {
		t.Errorf("the settings are %s", got)
	}
	owner := s.kubectl("get", "configmap", "settings", "--show-managed-fields", "-o", `jsonpath={range .metadata.managedFields[*]}{.manager} {.fieldsV1.f:data}{"\n"}{end}`)
	for _, want := range []string{`quoit {"f:greeting":{}}`, `somebody {"f:colour":{}}`} {
		if !strings.Contains(owner+"\n", want+"\n") {
			t.Errorf("not %s owns it, but\n%s", want, owner)
		}
	}

	versions := func() string { // a Deployment gets new ones by its status
		return s.kubectl("get", "configmap", "settings", "-o", "jsonpath={.metadata.resourceVersion}") + ", generation " +
			s.kubectl("get", "deployment", "app", "-o", "jsonpath={.metadata.generation}")
	}
	before := versions()
	if _, stderr := s.deploys("--again"); !strings.Contains(stderr, "0 of 2 objects") {
		t.Errorf("it changes something:\n%s", stderr)
	}
	if after := versions(); after != before {
		t.Errorf("the settings and the Deployment were of version %s and are of %s", before, after)
	}
	if got, want := s.story(), "1.0.0; install 1.0.0 failed; install 1.0.0 ok; upgrade 1.0.0 ok"; got != want {
		t.Errorf("the record says %s, want %s", got, want)
	}
}
