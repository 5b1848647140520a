package site

import (
	"testing"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

// TestStepErrorSaysHowToGoOn: unless the root image has said why it failed.
func TestStepErrorSaysHowToGoOn(t *testing.T) {
	install := deploy.Step{Action: deploy.Install, To: versioning.Version{Minor: 1}}
	for cause, want := range map[Cause]string{
		NotStarted: "site eu: install 0.1.0 did not start, so nothing has changed: why (Job shop/quoit-eu-1)",
		Exited:     "site eu: install 0.1.0 failed: why (Job shop/quoit-eu-1)",
		Evicted:    "site eu: install 0.1.0 was evicted: why (Job shop/quoit-eu-1)\nit may have done part of its work: remove the cause, and deploy again",
		TooLong:    "site eu: install 0.1.0 took longer than its timeout: why (Job shop/quoit-eu-1)\nit may have done part of its work: deploy again, with a longer --timeout if it needs one",
		Gone:       "site eu: install 0.1.0 was deleted before it ended: why (Job shop/quoit-eu-1)\nit may have done part of its work: deploy again",
	} {
		failed := &StepError{Site: "eu", Step: install, Job: "shop/quoit-eu-1", Cause: cause, Message: "why"}
		if got := failed.Error(); got != want {
			t.Errorf("it says %s\nwant    %s", got, want)
		}
	}
	failed := &StepError{Site: "eu", Step: deploy.Step{Action: deploy.Uninstall, From: versioning.Version{Minor: 1}}, Job: "shop/quoit-eu-1", Cause: Gone}
	want := "site eu: " + failed.Step.String() + " was deleted before it ended (Job shop/quoit-eu-1)\nit may have done part of its work: delete again"
	if got := failed.Error(); got != want {
		t.Errorf("it says %s\nwant    %s", got, want)
	}
}
