package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

const doneJobs = `{apiVersion: batch/v1, kind: Job, metadata: {name: once, namespace: shop}, spec: {ttlSecondsAfterFinished: 60}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: stays, namespace: shop}, spec: {}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, spec: {ttlSecondsAfterFinished: 60}}`

// TestAJobWhoseTimeToLiveIsOverIsNoChange: only where this release's is known to
// have been there.
func TestAJobWhoseTimeToLiveIsOverIsNoChange(t *testing.T) {
	release := made{version: "1.0.0", values: "sha256:1", names: "A"}
	for name, c := range map[string]struct {
		held    made
		objects []render.Ref
		once    string
	}{
		"it was applied":                        {release, render.Refs(parse(t, doneJobs)), unchanged},
		"it was not":                            {release, render.Refs(parse(t, doneJobs)[1:]), created},
		"another release's was":                 {made{"0.9.0", "sha256:1", "A"}, render.Refs(parse(t, doneJobs)), created},
		"it was, with other values":             {made{"1.0.0", "sha256:2", "A"}, render.Refs(parse(t, doneJobs)), created},
		"by a run that did not say the version": {made{}, render.Refs(parse(t, doneJobs)), created},
		"nothing was":                           {made{}, nil, created},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			s := f.sessionFor(t, Request{Target: render.Target{Project: "acme/shop", Site: "eu", Namespace: "shop", Action: deploy.Upgrade}, DryRun: true})
			s.objects.Plain, s.made, s.held = parse(t, doneJobs), release, inventory{c.objects, c.held}
			if c.held == (made{}) {
				s.made = made{}
			}
			if err := s.change(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := []Change{{"Job/once", c.once}, {"Job/stays", created}, {"ConfigMap/settings", created}}
			if diff := cmp.Diff(want, s.report.result.Changes); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
