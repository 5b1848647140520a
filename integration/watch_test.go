//go:build stack

package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	kit "github.com/quoitbuild/quoit/internal/testkit/stack"
)

// watcher is a quoit watch that runs.
type watcher struct {
	*lockedBuffer // what it says
	cmd           *exec.Cmd
	address       string // of its metrics
}

// watch starts one in a folder. It ends with the test, if not before.
func watch(t *testing.T, dir string, args ...string) *watcher {
	t.Helper()
	w := &watcher{lockedBuffer: &lockedBuffer{}}
	w.cmd = stack.Command(context.WithoutCancel(t.Context()), quoitRun, append([]string{"watch", "--interval", "1s", "--listen", "127.0.0.1:0"}, args...)...)
	w.cmd.Dir, w.cmd.Stderr = dir, w.lockedBuffer
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.end(t) })
	w.address = w.find(t, `http://(\S+)/metrics`)
	return w
}

// end interrupts it, once.
func (w *watcher) end(t *testing.T) {
	t.Helper()
	if w.cmd.ProcessState != nil {
		return
	}
	_ = w.cmd.Process.Signal(os.Interrupt)
	if err := w.cmd.Wait(); w.cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v\n%s", err, w)
	}
}

// waitMetric waits until a metric is what it should be.
func (w *watcher) waitMetric(t *testing.T, line string) {
	t.Helper()
	w.wait(t, line, func(metrics string) bool { return strings.Contains(metrics, line+"\n") })
}

var pollsMetric = regexp.MustCompile(`quoit_ring_polls_total\{.*\} (\d+)`)

// poll waits until it has polled so often, and once more than at the call, so
// that the next poll is not near.
func (w *watcher) poll(t *testing.T, least int) (polls int) {
	t.Helper()
	first := -1
	w.wait(t, "poll", func(metrics string) bool {
		polls = 0
		if found := pollsMetric.FindStringSubmatch(metrics); found != nil {
			_, _ = fmt.Sscan(found[1], &polls)
		}
		if first < 0 {
			first = polls
		}
		return polls > first && polls >= least
	})
	return polls
}

func (w *watcher) wait(t *testing.T, what string, until func(metrics string) bool) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for metrics := ""; ; {
		if metrics = fetch(t, "http://"+w.address+"/metrics"); until(metrics) {
			return
		}
		select {
		case <-limit.Done():
			t.Fatalf("no %s:\n%s\n%s", what, metrics, w)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWatch: two sites that follow a ring are one HEAD an interval. Drift is
// reported in one resync and corrected, a new release is deployed, and back goes
// only the site that says so.
func TestWatch(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	us := *s
	us.namespace += "-us"
	replace(t, s.dir, "quoit.yaml", "sites: {", "sites: {us: {environment: prod, ring: developers, namespace: "+us.namespace+", downgrade: auto}, ")
	kubectl(t, mustQuoit(t, s.dir, "bootstrap", "us"), "apply", "--filename=-")
	w := watch(t, s.dir, "eu", "us", "--resync", "2s", "--correct")
	w.find(t, `eu: runs (1\.0\.0) now`)
	w.find(t, `us: runs (1\.0\.0) now`)

	w.asksTheLog(t, s.name, "developers", true)

	s.kubectl("patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"greeting":"drifted"}}`)
	w.find(t, `ConfigMap/settings would be (configured)`)
	s.waitFor("hello", "get", "configmap", "settings", "-o", "jsonpath={.data.greeting}")
	w.waitMetric(t, `quoit_site_drifted_objects{site="eu"} 0`) // it was compared again
	if got := strings.Count(w.String(), "has drifted"); got != 1 || !strings.Contains(w.String(), " eu has drifted") {
		t.Errorf("drift of one object of one site is reported %d times:\n%s", got, w)
	}

	s.greet("goodbye")
	for _, site := range []string{"eu", "us"} {
		w.find(t, site+`: runs (2\.0\.0) now`)
		w.waitMetric(t, `quoit_site_release_info{site="`+site+`",version="2.0.0"} 1`)
	}
	if got := fetch(t, "http://"+w.address+"/healthz"); got != "ok\n" {
		t.Errorf("/healthz says %s", got)
	}

	mustQuoit(t, s.dir, "set", "developers", "1.0.0", "--discard", "developers")
	w.find(t, "eu: (site eu runs 2\\.0\\.0, .* going back to that is a downgrade, which was not allowed: waiting for `quoit deploy eu`)\n")
	w.find(t, `(?s)us: runs 2.*us: runs (1\.0\.0) now`)
	w.waitMetric(t, `quoit_site_release_info{site="us",version="1.0.0"} 1`)
	if got := fetch(t, "http://"+w.address+"/metrics"); !strings.Contains(got, `quoit_site_deploys_total{site="eu",result="refused"} `) {
		t.Errorf("the metrics are %s", got)
	}
	if eu, there := s.greeting(), us.greeting(); eu != "goodbye" || there != "hello" {
		t.Errorf("eu says %q, us says %q", eu, there)
	}
	w.end(t)
	s.watchedWithoutManifest()
}

// watchedWithoutManifest goes back because the command line says so, and only
// reports what drifts.
func (s *standIn) watchedWithoutManifest() {
	t := s.t
	t.Helper()
	w := watch(t, t.TempDir(), s.prefix+"/deploy:developers", "--site", "eu", "--environment", "prod", "--namespace", s.namespace,
		"--downgrade", "auto", "--resync", "1s")
	w.find(t, `eu: runs (1\.0\.0) now`)
	s.kubectl("patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"greeting":"drifted"}}`)
	w.waitMetric(t, `quoit_site_drifted_objects{site="eu"} 1`)
	w.poll(t, 0)
	if got := s.greeting(); got != "drifted" {
		t.Errorf("the greeting is %q", got)
	}
}

// headsSince counts those of tags of a project since a mark: of records that are not there
// yet, and of a ring.
func headsSince(t *testing.T, mark kit.RegistryMark, project, ring string) (next, tags int) {
	t.Helper()
	all, err := stack.RequestsSince(mark)
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range all {
		switch {
		case request.Method != http.MethodHead:
		case request.Path == "/v2/"+project+"/deploy/manifests/"+ring:
			tags++
		case request.Status == http.StatusNotFound && strings.HasPrefix(request.Path, "/v2/"+project+"/records/manifests/record-"):
			next++
		}
	}
	return next, tags
}

// asksTheLog lets three intervals pass, and checks that the registry's log has a HEAD of
// the next record for each, and none of the ring's tag. With more, something else may read
// the log meanwhile.
func (w *watcher) asksTheLog(t *testing.T, project, ring string, more bool) {
	t.Helper()
	begun := w.poll(t, 0)
	mark := stack.RegistryMark()
	ended := w.poll(t, begun+3)
	if next, tags := headsSince(t, mark, project, ring); next < ended-begun || !more && next > ended-begun || tags > 0 {
		t.Errorf("%d HEADs of the next record and %d of the ring's tag in %d intervals", next, tags, ended-begun)
	}
}
