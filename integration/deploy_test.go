//go:build stack

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tells is a root image that says what it was told.
const tells = `set -eu
# %s
echo "$QUOIT_ACTION $QUOIT_FROM_VERSION to $QUOIT_TO_VERSION of $QUOIT_PROJECT"
echo "at $QUOIT_SITE $QUOIT_ENVIRONMENT $QUOIT_RING $QUOIT_NAMESPACE $QUOIT_SCOPE as $(id -u)"
echo release $(cat $QUOIT_RELEASE)
echo "$QUOIT_ACTION ends" > /tmp/end; cat /tmp/end
`

func TestDeploy(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, fmt.Sprintf(tells, "first"))
	stdout, _ := s.deploys("--dry-run")
	want := "eu: " + s.name + " 0.1.0 (namespace " + s.namespace + ")\n  install 0.1.0\n"
	if diff := cmp.Diff(want, stdout); diff != "" || s.kubectl("get", "leases,configmaps,jobs", "-l", "quoit.build/site", "-o", "name") != "" {
		t.Errorf("the dry run (-want +got):\n%s", diff)
	}
	stdout, stderr := s.deploys()
	if diff := cmp.Diff(want+"eu runs "+s.name+" 0.1.0 now\n", stdout); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	root := s.prefix + "/deploy@" + digestOf(t, s.prefix+"/deploy:0.1.0")
	for _, want := range []string{
		"install  to 0.1.0 of " + s.name + "\n", "at eu prod users " + s.namespace + " namespace as 65532\n",
		`release { "deploy": "` + root + `" }` + "\n", "install ends\n",
	} {
		if strings.Count(stderr, want) != 1 {
			t.Errorf("it does not say once %q:\n%s", want, stderr)
		}
	}
	if got := s.kubectl("get", "jobs", "-o", "jsonpath={.items[*].spec.template.spec.containers[*].image}"); got != root {
		t.Errorf("the image is %s, want %s", got, root)
	}
	if stdout, _ := s.deploys(); !strings.Contains(stdout, "0.1.0, nothing to do") || len(s.jobs()) != 1 {
		t.Errorf("%s", stdout)
	}
	s.deploys("--again")

	s.release(fmt.Sprintf(tells, "second"))
	if _, stderr := s.deploys(); !strings.Contains(stderr, "upgrade 0.1.0 to 0.2.0 of") {
		t.Errorf("%s", stderr)
	}
	mustQuoit(t, s.dir, "unshift")
	stdout, stderr = s.deploys()
	if !strings.Contains(stdout, "0.2.0 → 0.1.0, a downgrade, because ring users went back") {
		t.Errorf("%s", stdout)
	}
	if newer, older := strings.Index(stderr, "downgrade 0.2.0 to 0.1.0 of"), strings.Index(stderr, "restore 0.2.0 to 0.1.0 of"); newer < 0 || older < newer {
		t.Errorf("%s", stderr)
	}
	const story = "0.1.0; install 0.1.0 ok; upgrade 0.1.0 ok; upgrade 0.1.0 to 0.2.0 ok; downgrade 0.2.0 to 0.1.0 ok; restore 0.1.0 ok"
	if got := s.story(); got != story {
		t.Errorf("the record says %s\nwant %s", got, story)
	}
	if got := s.kubectl("get", "events", "--field-selector", "involvedObject.name=quoit-eu", "-o", "jsonpath={.items[*].reason}"); strings.Count(got, "Deployed") != 5 || strings.Count(got, "Deploying") != 5 {
		t.Errorf("events: %s", got)
	}
	if got := s.kubectl("get", "lease", "quoit-eu", "-o", "jsonpath={.spec.holderIdentity}"); got != "" {
		t.Errorf("the lease is held by %s", got)
	}
}

func TestDeployThatFails(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, fmt.Sprintf(tells, "first"))
	s.deploys()
	s.release("echo halfway; echo the migration is broken; exit 3")
	s.fails(1, nil, "halfway\n", "site eu: upgrade 0.1.0 to 0.2.0 failed: exit code 3: the migration is broken (Job "+s.namespace+"/quoit-eu-")
	s.fails(1, nil, "eu: upgrade 0.1.0 to 0.2.0") // it is run again, and not its old Job taken for this one
	if record := s.record(); record.Attempted == nil || len(s.jobs()) != 3 {
		t.Errorf("the record says %+v after %q", record, s.jobs())
	}
	mustQuoit(t, s.dir, "unshift")
	s.fails(1, nil, "downgrade 0.2.0 to 0.1.0 failed")
	s.deploys("--skip-downgrade")
	const story = "0.1.0; install 0.1.0 ok; upgrade 0.1.0 to 0.2.0 failed; upgrade 0.1.0 to 0.2.0 failed; downgrade 0.2.0 to 0.1.0 failed; restore 0.1.0 ok"
	if got := s.story(); got != story {
		t.Errorf("the record says %s\nwant %s", got, story)
	}
}

func TestDeployThatDoesNotStart(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, fmt.Sprintf(tells, "first"))
	host, _, _ := strings.Cut(s.prefix, "/")
	write(t, s.dir, "limits.yaml", "apiVersion: v1\nkind: LimitRange\nmetadata: {name: huge}\nspec: {limits: [{type: Container, defaultRequest: {ephemeral-storage: 900Ti}}]}\n")
	for _, test := range []struct {
		name    string
		site    string
		before  []string // kubectl
		args    []string
		want    []string
		restore []string
	}{
		{name: "its image is not in the site's registry", site: ", registry: " + host + "/nowhere", args: []string{"--start-timeout", "10s"},
			want: []string{"site eu: install 0.1.0 did not start, so nothing has changed", "not found"}},
		{name: "there is no account", before: []string{"delete", "serviceaccount", "quoit-eu"}, args: []string{"--start-timeout", "8s"},
			want: []string{"did not start", `serviceaccount "quoit-eu" not found`}, restore: []string{"create", "serviceaccount", "quoit-eu"}},
		{name: "no node has room for it", before: []string{"create", "--filename=" + s.dir + "/limits.yaml"}, args: []string{"--start-timeout", "8s"},
			want: []string{"did not start", "Unschedulable: 0/1 nodes are available: 1 Insufficient ephemeral-storage"}, restore: []string{"delete", "limits", "huge"}},
		{name: "a quota forbids pods", before: []string{"create", "quota", "none", "--hard=pods=0"}, args: []string{"--start-timeout", "8s"},
			want: []string{"did not start", "exceeded quota"}, restore: []string{"delete", "quota", "none"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sub := *s
			sub.t = t
			sub.site(test.site)
			if test.before != nil {
				sub.kubectl(test.before...)
			}
			sub.fails(1, test.args, test.want...)
			if test.restore != nil {
				sub.kubectl(test.restore...)
			}
			if record := sub.record(); !record.Resting() || record.Installed != nil || len(record.Reached) > 0 || len(sub.jobs()) > 0 {
				t.Errorf("the record says %+v, and there are the Jobs %q", record, sub.jobs())
			}
		})
	}
	s.site("")
	s.deploys()
}

func TestDeployThatTakesTooLong(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, waits)
	s.fails(1, []string{"--timeout", "1s", "--start-timeout", "15s"}, "begins\n", "install 0.1.0 took longer than its timeout")
}

func TestPodsThatAreKilled(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, "echo here; while sleep 1; do :; done")
	_, wait := s.begin()
	s.waitFor("Running", "get", "pods", "-o", "jsonpath={.items[*].status.phase}")
	s.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
	if stderr, code := wait(); code != 1 || !strings.Contains(stderr, "site eu: install 0.1.0 ") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if record := s.record(); record.Resting() || len(record.Results) != 1 {
		t.Errorf("%+v", record)
	}
	s.release(fmt.Sprintf(tells, "second"))
	s.deploys()
}

// waits is a root image that ends when it is told to, by tell.
const waits = "trap 'exit 9' TERM; echo begins; while ! [ -e /tmp/go ]; do sleep 0.2; done; echo ends"

func (s *standIn) running() (pod string) {
	s.t.Helper()
	s.waitFor("true", "get", "pods", "-o", "jsonpath={.items[?(@.status.phase==\"Running\")].status.containerStatuses[*].started}")
	return s.kubectl("get", "pods", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}")
}

// TestADeployerThatDies: the next one goes on with its Job.
func TestADeployerThatDies(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, waits)
	process, wait := s.begin()
	pod := s.running()
	if err := process.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait()
	s.fails(3, nil, "has been deploying to site eu since", "the site is free in")
	s.expire()
	_, wait = s.begin()
	s.waitFor("quoit-eu", "get", "lease", "-o", "jsonpath={.items[?(@.spec.leaseTransitions==1)].metadata.name}")
	s.kubectl("exec", pod, "--", "touch", "/tmp/go")
	stderr, code := wait()
	if code != 0 || !strings.Contains(stderr, "eu: rejoining Job "+s.namespace) || !strings.Contains(stderr, "begins\nends\n") || len(s.jobs()) != 1 {
		t.Errorf("exit code %d, Jobs %q\n%s", code, s.jobs(), stderr)
	}
	if got := s.story(); got != "0.1.0; install 0.1.0 ok" {
		t.Errorf("the record says %s", got)
	}
}

// TestADeployThatIsGivenUp: what runs is ended before something else does.
func TestADeployThatIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, waits)
	process, wait := s.begin()
	s.running()
	if err := process.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if stderr, code := wait(); code != 130 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	job := s.jobs()[0]
	s.release(fmt.Sprintf(tells, "second"))
	if _, stderr := s.deploys(); !strings.Contains(stderr, "deleting Job "+s.namespace+"/"+job) {
		t.Errorf("%s", stderr)
	}
	if jobs := s.jobs(); len(jobs) != 1 || jobs[0] == job {
		t.Errorf("Jobs %q, and the old one was %s", jobs, job)
	}
}

// TestADeployerThatLosesItsLease stops before its next write, though its Job
// goes on, and whoever comes then goes on with that.
func TestADeployerThatLosesItsLease(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, waits)
	_, wait := s.begin()
	pod := s.running()
	version := func() string {
		return s.kubectl("get", "configmap", "quoit-eu", "-o", "jsonpath={.metadata.resourceVersion}")
	}
	begun := version()
	s.kubectl("patch", "lease", "quoit-eu", "--type=merge", "-p", `{"spec":{"holderIdentity":"somebody"}}`)
	if stderr, code := wait(); code != 3 || !strings.Contains(stderr, "somebody has taken the lease of site eu") || version() != begun {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	s.kubectl("exec", pod, "--", "touch", "/tmp/go")
	s.fails(3, nil, "somebody has been deploying to site eu since")
	s.expire()
	s.deploys()
	if got := s.story(); got != "0.1.0; install 0.1.0 ok" || len(s.jobs()) != 1 {
		t.Errorf("the record says %s", got)
	}
}

// expire lets a lease look as if it was renewed long ago.
func (s *standIn) expire() {
	s.t.Helper()
	at := time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")
	s.kubectl("patch", "lease", "quoit-eu", "--type=merge", "-p", `{"spec":{"renewTime":"`+at+`"}}`)
}
