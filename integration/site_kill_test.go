//go:build stack

package integration

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRootImagesThatDieAtEveryWrite kills the pod of the real root image at its
// writes to the API server. The next deploy ends where an undisturbed one does,
// and the record tells both.
func TestRootImagesThatDieAtEveryWrite(t *testing.T) {
	t.Parallel()
	needCluster(t)
	k := newKilledSites(t)
	t.Logf("install: %q\nupgrade: %q", k.install.writes, k.upgrade.writes)
	got := strings.Join(slices.Sorted(maps.Keys(k.upgrade.objects)), " ")
	if want := "ConfigMap/only-second ConfigMap/quoit-eu-inventory ConfigMap/settings Deployment/app Job/after Job/before"; got != want {
		t.Fatalf("an undisturbed upgrade leaves %s\nwant %s", got, want)
	}
	installs := k.install.deaths(death{write: 1}, k.install.at(t, "PATCH configmaps/settings", true), k.install.at(t, "PATCH configmaps/quoit-eu-inventory", false))
	upgrades := k.upgrade.deaths(k.upgrade.at(t, "POST jobs/before", true), k.upgrade.at(t, "PATCH deployments/app", true), k.upgrade.at(t, "POST jobs/after", true))
	for i := range max(len(installs), len(upgrades)) {
		var install, upgrade death
		if i < len(installs) {
			install = installs[i]
		}
		if i < len(upgrades) {
			upgrade = upgrades[i]
		}
		t.Run(fmt.Sprintf("install %s, upgrade %s", install, upgrade), func(t *testing.T) {
			t.Parallel()
			s := k.site(t)
			story := k.goes(s, k.install, install, nil)
			k.goes(s, k.upgrade, upgrade, story)
		})
	}
}

// at is a death at the last write of a name.
func (u undisturbed) at(t *testing.T, write string, done bool) death {
	t.Helper()
	for i, name := range slices.Backward(u.writes) {
		if name == write {
			return death{write: i + 1, done: done}
		}
	}
	t.Fatalf("there is no %s among %q", write, u.writes)
	return death{}
}

// deaths are those chosen, with QUOIT_TEST_LONG all. Those at a write differ in
// how the root image is killed, and so do those at the next one.
func (u undisturbed) deaths(chosen ...death) []death {
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		chosen = nil
		for i := range u.writes {
			chosen = append(chosen, death{write: i + 1}, death{write: i + 1, done: true})
		}
	}
	for i, d := range chosen {
		chosen[i].deleted = (d.write%2 == 0) == d.done
	}
	return chosen
}

// goes changes a site, whose root image may die, and checks that it ends as if it
// had not. It returns the site's story.
func (k *killedSites) goes(s *standIn, run undisturbed, at death, story []string) []string {
	s.t.Helper()
	s.follow(run.ring)
	if at.write > 0 {
		k.dies(s, run, at)
		story = append(story, run.step+" failed")
	} else {
		s.deploys()
	}
	story = append(story, run.step+" ok")
	if got, want := s.story(), run.record.Version().String()+"; "+strings.Join(story, "; "); got != want {
		s.t.Errorf("the record says %s\nwant %s", got, want)
	}
	record := s.record()
	record.Results = nil
	if diff := cmp.Diff(run.record, record); diff != "" {
		s.t.Errorf("the record (-undisturbed +got):\n%s", diff)
	}
	if diff := cmp.Diff(run.objects, s.everything()); diff != "" {
		s.t.Errorf("the objects (-undisturbed +got):\n%s", diff)
	}
	return story
}

// dies deploys twice: the first root image dies, the second one lives. What the
// first one has started last is not done by then.
func (k *killedSites) dies(s *standIn, run undisturbed, at death) {
	s.t.Helper()
	gate := behindGate(run.writes[at.write-1], at.done)
	if gate != "" {
		s.shut(gate)
	}
	k.arm(s.namespace, at)
	_, wait := s.begin()
	stderr, code := wait()
	how := "failed: it was killed (exit code 137)"
	if at.deleted {
		how = "was deleted before it ended: its pod was deleted"
	}
	said := "site eu: " + run.step + " " + how
	if code != 1 || !strings.Contains(stderr, "error: "+said) {
		s.t.Fatalf("exit code %d, and it does not say %q\n%s", code, said, stderr)
	}
	if diff := cmp.Diff(run.writes[:at.write], k.seen(s.namespace)); diff != "" {
		s.t.Errorf("it does not die at write %d (-want +got):\n%s", at.write, diff)
	}
	if results := s.record().Results; !strings.HasPrefix(results[len(results)-1].Error, said) {
		s.t.Errorf("the record says %+v", results)
	}
	k.arm(s.namespace, death{})
	switch gate {
	case "":
		s.deploys()
	case "app":
		s.deploysWaiting()
	default: // a hook, which is run again while it runs
		s.waitFor("Running", "get", "pods", "-l", "job-name="+gate, "-o", "jsonpath={.items[*].status.phase}")
		s.open(gate)
		s.deploys()
	}
}

// behindGate is what a write has started that a gate can hold up, "" if nothing.
func behindGate(write string, done bool) string {
	method, object, _ := strings.Cut(write, " ")
	if name := path.Base(object); done && method != "DELETE" && slices.Contains([]string{"before", "app", "after"}, name) {
		return name
	}
	return ""
}

// deploysWaiting deploys while the pods that the release has already are not
// ready, and lets them be when they are waited for.
func (s *standIn) deploysWaiting() {
	s.t.Helper()
	newest := "app=app,greeting=" + s.greeting()
	s.waitFor("true", "get", "pods", "-l", newest, "-o", "jsonpath={.items[*].status.containerStatuses[*].started}")
	var stderr lockedBuffer
	cmd := stack.Command(s.t.Context(), quoitRun, "deploy", "eu")
	cmd.Dir, cmd.Stderr = s.dir, &stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	stderr.find(s.t, `(waiting for Deployment/app \(0 of 1 ready\))`)
	s.kubectl("exec", s.kubectl("get", "pods", "-l", newest, "-o", "name"), "--", "touch", "/tmp/open")
	s.open("app")
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("%v\n%s", err, stderr.String())
	}
}
