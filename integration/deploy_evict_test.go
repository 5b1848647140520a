//go:build stack

package integration

import (
	"strings"
	"testing"
)

// TestDeployThatIsEvicted: the root image fills its disk, and the node ends it.
// The next deploy, without the cause, ends as if nothing had been.
func TestDeployThatIsEvicted(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, "head -c 8388608 /dev/zero > /tmp/large; "+waits)
	write(t, s.dir, "limits.yaml", "apiVersion: v1\nkind: LimitRange\nmetadata: {name: small}\nspec: {limits: [{type: Container, default: {ephemeral-storage: 1Mi}}]}\n")
	s.kubectl("create", "--filename="+s.dir+"/limits.yaml")
	s.fails(1, nil, "begins\n",
		"\nerror: site eu: install 0.1.0 was evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. (Job "+s.namespace+"/quoit-eu-",
		"\nit may have done part of its work: remove the cause, and deploy again")
	record := s.record()
	if record.Installed != nil || record.Resting() || len(record.Results) != 1 || !strings.Contains(record.Results[0].Error, "was evicted: Pod ephemeral local storage") {
		t.Errorf("the record says %+v", record)
	}
	if got := s.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.reason}"); got != "Evicted" {
		t.Errorf("the reasons of pods are %q", got)
	}

	s.kubectl("delete", "limits", "small")
	_, wait := s.begin()
	s.kubectl("exec", s.running(), "--", "touch", "/tmp/go")
	if stderr, code := wait(); code != 0 || len(s.jobs()) != 2 {
		t.Errorf("exit code %d, Jobs %q\n%s", code, s.jobs(), stderr)
	}
	if got := s.story(); got != "0.1.0; install 0.1.0 failed; install 0.1.0 ok" {
		t.Errorf("the record says %s", got)
	}
}

// TestDeployThatIsDrained: somebody empties the node, and the root image's pod is
// gone with it, but not at once.
func TestDeployThatIsDrained(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, strings.Replace(waits, "exit 9", "sleep 5; exit 9", 1))
	_, wait := s.begin()
	pod := s.running()
	kubectl(t, `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"`+pod+`","namespace":"`+s.namespace+`"}}`,
		"create", "--raw", "/api/v1/namespaces/"+s.namespace+"/pods/"+pod+"/eviction", "--filename=-")
	stderr, code := wait()
	if want := "\nerror: site eu: install 0.1.0 was evicted: Eviction API: evicting (Job "; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d, and it does not say %q:\n%s", code, want, stderr)
	}
	_, wait = s.begin()
	s.kubectl("exec", s.running(), "--", "touch", "/tmp/go")
	if stderr, code := wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if got := s.story(); got != "0.1.0; install 0.1.0 failed; install 0.1.0 ok" {
		t.Errorf("the record says %s", got)
	}
}
