package render

import "testing"

const hooked = `{apiVersion: batch/v1, kind: Job, metadata: {name: b, annotations: {quoit.build/hook: "pre-install, pre-upgrade"}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: last, annotations: {quoit.build/hook: pre-upgrade, quoit.build/hook-weight: "10"}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: a, annotations: {quoit.build/hook: pre-upgrade}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: first, annotations: {quoit.build/hook: pre-upgrade, quoit.build/hook-weight: "-5"}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, annotations: {quoit.build/hook: "pre-upgrade,post-upgrade"}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: account, annotations: {quoit.build/hook: pre-upgrade}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: plain}}`

func TestHooksRunByWeightThenName(t *testing.T) {
	plain, hooks, err := splitHooks(parse(t, hooked))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(plain); got != "Job/plain" {
		t.Errorf("plain: %s", got)
	}
	for point, want := range map[string]string{
		"pre-upgrade":  "ServiceAccount/account ConfigMap/settings: Job/first Job/a Job/b Job/last",
		"pre-install":  ": Job/b",
		"post-upgrade": "ConfigMap/settings: ",
		"pre-restore":  ": ",
	} {
		needs, jobs := Objects{Hooks: hooks}.At(point)
		if got := names(needs) + ": " + names(jobs); got != want {
			t.Errorf("%s: got %q, want %q", point, got, want)
		}
	}
}

func TestWrongHooksAreNamedAtOnce(t *testing.T) {
	_, _, err := splitHooks(parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: a, annotations: {quoit.build/hook: pre-upgrad}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: b, annotations: {quoit.build/hook: "pre-install,", quoit.build/hook-weight: high}}}`))
	mustFail(t, err, `Job/a: annotation quoit.build/hook: unknown point "pre-upgrad"; did you mean pre-upgrade?`, `Job/b: annotation quoit.build/hook: unknown point ""`, `"high" is not a whole number`)
}
