//go:build stack

package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/deploy"
)

// needCluster starts the cluster that all tests share.
func needCluster(t *testing.T) {
	t.Helper()
	if err := startCluster(); err != nil {
		t.Fatal(err)
	}
	if err := os.Setenv("KUBECONFIG", stack.Cluster().Kubeconfig); err != nil { // for those who connect themselves
		t.Fatal(err)
	}
}

// kubectl runs it with an input, and returns what it printed.
func kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := stack.Command(t.Context(), "kubectl", args...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// namespace makes one with the service account of the site eu.
func namespace(t *testing.T) string {
	t.Helper()
	needCluster(t)
	name := "t" + strings.ToLower(rand.Text()[:10])
	kubectl(t, "", "create", "namespace", name)
	kubectl(t, "", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
	kubectl(t, "", "-n", name, "create", "serviceaccount", "quoit-eu")
	t.Cleanup(func() {
		_ = stack.Command(context.Background(), "kubectl", "delete", "namespace", name, "--wait=false").Run() // the cluster goes anyway
	})
	return name
}

// standIn is a project with the site eu, whose root image is a shell script.
type standIn struct {
	t                 *testing.T
	dir, prefix, name string
	namespace         string
}

// script is what the root image runs; each script is a release.
func newStandIn(t *testing.T, script string) *standIn {
	t.Helper()
	s := &standIn{t: t, dir: t.TempDir(), namespace: namespace(t)}
	s.name = "t" + strings.ToLower(rand.Text()[:10]) + "/shop"
	s.prefix = stack.Ref(s.name)
	write(t, s.dir, "deploy/Dockerfile", "FROM busybox\nCOPY run.sh /run.sh\nENTRYPOINT [\"sh\", \"/run.sh\"]\n")
	s.site("")
	s.release(script)
	return s
}

// site writes the manifest with more settings of the site.
func (s *standIn) site(more string) {
	write(s.t, s.dir, "quoit.yaml", "project: "+s.name+"\nregistry: registry.example.com\nimages: {deploy: deploy}\n"+
		"sites: {eu: {environment: prod, ring: users, namespace: "+s.namespace+more+"}}\n")
}

// release publishes a release with a script, and shifts it to the site's ring.
func (s *standIn) release(script string) {
	s.t.Helper()
	write(s.t, s.dir, "deploy/run.sh", script)
	mustQuoit(s.t, s.dir, "build", "--push")
	mustQuoit(s.t, s.dir, "shift", "--to", "testers")
	mustQuoit(s.t, s.dir, "shift", "--from", "testers", "--to", "users")
}

func (s *standIn) kubectl(args ...string) string {
	s.t.Helper()
	return kubectl(s.t, "", append([]string{"--namespace", s.namespace}, args...)...)
}

// deploys runs quoit deploy eu, which has to succeed.
func (s *standIn) deploys(args ...string) (stdout, stderr string) {
	s.t.Helper()
	stdout, stderr, code := quoit(s.t, s.dir, append([]string{"deploy", "eu"}, args...)...)
	if code != 0 {
		s.t.Fatalf("quoit deploy eu %q: exit code %d\n%s\n%s", args, code, stdout, stderr)
	}
	return stdout, stderr
}

// fails runs quoit deploy eu, which has to fail and say some things.
func (s *standIn) fails(code int, args []string, want ...string) {
	s.t.Helper()
	stdout, stderr, got := quoit(s.t, s.dir, append([]string{"deploy", "eu"}, args...)...)
	if got != code {
		s.t.Errorf("exit code %d, want %d\n%s\n%s", got, code, stdout, stderr)
	}
	for _, text := range want {
		if !strings.Contains(stderr, text) {
			s.t.Errorf("it does not say %q:\n%s", text, stderr)
		}
	}
}

func (s *standIn) record() deploy.Record {
	s.t.Helper()
	text := s.kubectl("get", "configmap", "quoit-eu", "-o", "jsonpath={.data.record\\.json}")
	record, err := deploy.Parse([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	return record
}

// story is the record in a line: what is installed, and the results.
func (s *standIn) story() string {
	s.t.Helper()
	record := s.record()
	all := []string{record.Version().String()}
	if record.Installed == nil {
		all[0] = "-"
	}
	for _, result := range record.Results {
		how := "ok"
		if result.Error != "" {
			how = "failed"
		}
		all = append(all, result.Step.String()+" "+how)
	}
	return strings.Join(all, "; ")
}

// jobs are the names of the site's Jobs, oldest first.
func (s *standIn) jobs() []string {
	s.t.Helper()
	return strings.Fields(s.kubectl("get", "jobs", "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.name}"))
}

// begin starts quoit deploy eu and returns how to wait for its end.
func (s *standIn) begin(args ...string) (process *exec.Cmd, wait func() (stderr string, code int)) {
	s.t.Helper()
	return s.start("", args...)
}

// start is begin with another variable in the environment.
func (s *standIn) start(variable string, args ...string) (process *exec.Cmd, wait func() (stderr string, code int)) {
	s.t.Helper()
	var stderr bytes.Buffer
	cmd := stack.Command(s.t.Context(), quoitRun, append([]string{"deploy", "eu"}, args...)...)
	cmd.Dir, cmd.Stderr = s.dir, &stderr
	if variable != "" {
		cmd.Env = append(cmd.Environ(), variable)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd, func() (string, int) {
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Fatal(err)
		}
		return stderr.String(), cmd.ProcessState.ExitCode()
	}
}

// again pauses before a condition is looked at once more. It is false when the
// test is over.
func again(t *testing.T) bool {
	select {
	case <-t.Context().Done():
		return false
	case <-time.After(200 * time.Millisecond):
		return true
	}
}

// waitFor waits until kubectl prints what is wanted.
func (s *standIn) waitFor(want string, args ...string) {
	s.t.Helper()
	for got := s.kubectl(args...); got != want; got = s.kubectl(args...) {
		if !again(s.t) {
			s.t.Fatalf("kubectl %q prints %q, not %q", args, got, want)
		}
	}
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return value
}

// lockedBuffer is the output of a process that runs.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// find waits until something was printed, and returns its first group.
func (b *lockedBuffer) find(t *testing.T, pattern string) string {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for expression := regexp.MustCompile(pattern); ; {
		if found := expression.FindStringSubmatch(b.String()); found != nil {
			return found[1]
		}
		select {
		case <-limit.Done():
			t.Fatalf("it does not print %s:\n%s", pattern, b.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
