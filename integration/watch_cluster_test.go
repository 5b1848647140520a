//go:build stack

package integration

import (
	"os"
	"strings"
	"testing"
)

// ownWatcher lets the project have an image of the watcher that trusts the
// registry where pods reach it, and the site use that.
func (s *standIn) ownWatcher() (image string) {
	s.t.Helper()
	cliImage(s.t)
	authority, err := os.ReadFile(stack.Cluster().CA)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, s.dir, "watcher/cluster.crt", string(authority))
	write(s.t, s.dir, "watcher/Dockerfile", "FROM ghcr.io/quoitbuild/quoit-cli:1\nCOPY cluster.crt /etc/ssl/certs/\n")
	replace(s.t, s.dir, "quoit.yaml", "images: {", "images: {watcher: watcher, ")
	replace(s.t, s.dir, "quoit.yaml", "ring: developers, ", "ring: developers, registry: '"+stack.Cluster().Registry+"', ")
	mustQuoit(s.t, s.dir, "build", "--push")
	return s.prefix + "/watcher:0.1.0"
}

// watcherPod applies what bootstrap prints for the site and its watcher, with
// more arguments for that, and returns it when it answers.
func (s *standIn) watcherPod(arguments string) *watcher {
	s.t.Helper()
	printed := mustQuoit(s.t, s.dir, "bootstrap", "eu", "--watcher", s.ownWatcher())
	const last = `"--listen", ":8080"`
	if strings.Count(printed, last) != 1 {
		s.t.Fatalf("the last arguments are not %s:\n%s", last, printed)
	}
	kubectl(s.t, strings.Replace(printed, last, last+", "+arguments, 1), "apply", "--filename=-")
	s.kubectl("rollout", "status", "deployment/quoit-eu-watcher", "--timeout=2m")
	w := &watcher{lockedBuffer: &lockedBuffer{}}
	w.cmd = stack.Command(s.t.Context(), "kubectl", "--namespace", s.namespace, "logs", "--follow", "deployment/quoit-eu-watcher")
	w.cmd.Stdout, w.cmd.Stderr = w.lockedBuffer, w.lockedBuffer
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = w.cmd.Wait() }) // its context has ended
	w.find(s.t, `http://(\S+)/metrics`)
	w.address = s.kubectl("get", "pods", "-l", "app.kubernetes.io/name=quoit-eu-watcher", "-o", "jsonpath={.items[*].status.podIP}") + ":8080"
	return w
}

// TestWatcherInTheCluster: the printed Deployment, with the printed rights and
// under the restricted Pod Security Standard, brings the site to what its ring
// holds, sees drift, and asks the registry once an interval.
func TestWatcherInTheCluster(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	s.kubectl("label", "namespace", s.namespace, "pod-security.kubernetes.io/enforce=restricted")
	w := s.watcherPod(`"--interval", "1s", "--resync", "2s"`)
	w.find(t, `eu: runs (1\.0\.1) now`)

	w.asksTheLog(t, s.name, "developers", true)
	if got := fetch(t, "http://"+w.address+"/healthz"); got != "ok\n" {
		t.Errorf("/healthz says %s", got)
	}

	s.greet("goodbye")
	w.find(t, `eu: runs (2\.0\.0) now`)
	w.waitMetric(t, `quoit_site_release_info{site="eu",version="2.0.0"} 1`)
	w.waitMetric(t, `quoit_site_deploys_total{site="eu",result="done"} 2`)
	if got := s.greeting(); got != "goodbye" {
		t.Errorf("the greeting is %q", got)
	}
	w.waitMetric(t, `quoit_site_drifted_objects{site="eu"} 0`)
	s.kubectl("patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"greeting":"drifted"}}`)
	w.waitMetric(t, `quoit_site_drifted_objects{site="eu"} 1`)

	pod := s.kubectl("get", "pods", "-l", "app.kubernetes.io/name=quoit-eu-watcher", "-o", "jsonpath={range .items[*]}{.spec.serviceAccountName} {.status.containerStatuses[*].restartCount},{end}")
	if want := "quoit-eu-watcher 0,"; pod != want {
		t.Errorf("accounts and restarts of watchers are %q, want %q", pod, want)
	}
	if got, want := s.story(), "2.0.0; install 1.0.1 ok; upgrade 1.0.1 to 2.0.0 ok"; got != want {
		t.Errorf("the record says %s, want %s", got, want)
	}
	s.kubectl("delete", "deployment", "quoit-eu-watcher", "--wait=false") // it would look on beside other tests
}
