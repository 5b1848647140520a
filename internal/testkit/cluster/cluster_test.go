//go:build stack

package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/internal/testkit/cluster"
	"github.com/quoitbuild/quoit/internal/testkit/stack"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// clusterObjects are made from the address of an image and the folder of
// kubectl.
const clusterObjects = `
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hello, image: %[1]q, command: [echo, hello]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: %[1]q
        command: [sh, -c, "echo ok >/tmp/index.html && exec httpd -f -p 8080 -h /tmp"]
        readinessProbe: {httpGet: {path: /index.html, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: absent}
spec: {containers: [{name: absent, image: "%[1]s-absent"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: whoami}
spec:
  restartPolicy: Never
  containers:
  - name: whoami
    image: %[1]q
    command: [sh, -c, "/programs/kubectl auth whoami && /programs/kubectl get pods"]
    volumeMounts: [{name: programs, mountPath: /programs}]
  volumes: [{name: programs, hostPath: {path: %[2]q}}]
---
apiVersion: v1
kind: Pod
metadata: {name: registry}
spec:
  hostNetwork: true
  restartPolicy: Never
  containers: [{name: registry, image: %[1]q, command: [wget, -qO-, "http://%[3]s/v2/"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: mirror}
spec:
  restartPolicy: Never
  containers:
  - name: mirror
    image: "%[4]s/library/busybox"
    command: [/programs/kubectl, "--server=https://%[4]s", --certificate-authority=/ca.crt, --token=none, get, --raw=/v2/]
    volumeMounts: [{name: programs, mountPath: /programs}, {name: ca, mountPath: /ca.crt}]
  volumes: [{name: programs, hostPath: {path: %[2]q}}, {name: ca, hostPath: {path: %[5]q, type: File}}]
`

func TestMain(m *testing.M) {
	// No test's deadline has to be long enough for that.
	if err := stack.Prepare(context.Background(), os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// startStack starts a stack that the test's end stops.
func startStack(t *testing.T, o stack.Options) *stack.Stack {
	t.Helper()
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	before := kernelSettings(t)
	s := startStack(t, stack.Options{NoBuildkit: true})
	c, err := s.StartCluster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	k := kubectl{t, s}
	programs, err := filepath.EvalSymlinks(filepath.Join(c.BinDir(), "kubectl"))
	if err != nil {
		t.Fatal(err)
	}
	busybox := s.Ref("library/busybox")
	k.apply(fmt.Sprintf(clusterObjects, busybox, filepath.Dir(programs), s.Registry, c.Registry, c.CA))
	t.Run("a second cluster has another network", func(t *testing.T) { testSecondCluster(t, s) })
	t.Run("a job ends and its log can be read", func(t *testing.T) {
		k := kubectl{t, s}
		k.run("wait", "--for=condition=complete", "job/hello", "--timeout=30s")
		if got := k.run("logs", "job/hello"); got != "hello\n" {
			t.Errorf("its log is %q", got)
		}
	})
	t.Run("a deployment becomes ready and answers", func(t *testing.T) {
		k := kubectl{t, s}
		k.run("rollout", "status", "deployment/web", "--timeout=30s")
		if got := k.run("exec", "deployment/web", "--", "cat", "/tmp/index.html"); got != "ok\n" {
			t.Errorf("the file is %q", got)
		}
		pod := k.run("get", "pods", "--selector=app=web", "--output=jsonpath={.items[0].status.podIP}")
		if got := get(t, "http://"+pod+":8080/index.html"); got != "ok\n" {
			t.Errorf("the answer is %q", got)
		}
	})
	t.Run("an image that does not exist shows in the pod", func(t *testing.T) {
		k := kubectl{t, s}
		var reason string
		err := daemon.Poll(ctx, func() (bool, error) {
			reason = k.run("get", "pod", "absent", "--output=jsonpath={.status.containerStatuses[0].state.waiting.reason}")
			return reason == "ErrImagePull" || reason == "ImagePullBackOff", nil
		})
		if err != nil {
			t.Errorf("the pod waits for %q: %v", reason, err)
		}
	})
	t.Run("a pod's token is known to the API server and may do nothing", func(t *testing.T) {
		k := kubectl{t, s}
		k.run("wait", "--for=jsonpath={.status.phase}=Failed", "pod/whoami", "--timeout=30s")
		got := k.run("logs", "whoami")
		for _, want := range []string{"system:serviceaccount:default:default", "Forbidden"} {
			if !strings.Contains(got, want) {
				t.Errorf("its log has no %s:\n%s", want, got)
			}
		}
	})
	t.Run("a pod on the host's network reaches the registry", func(t *testing.T) {
		kubectl{t, s}.run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/registry", "--timeout=30s")
	})
	t.Run("a pod and the node reach the registry at its address", func(t *testing.T) {
		kubectl{t, s}.run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/mirror", "--timeout=30s")
	})
	t.Run("Pod Security forbids", func(t *testing.T) {
		k := kubectl{t, s}
		k.run("create", "namespace", "strict")
		k.run("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
		out, err := s.Command(ctx, "kubectl", "--namespace=strict", "run", "loose", "--image="+busybox).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "violates PodSecurity") {
			t.Errorf("error %v: %s", err, out)
		}
	})
	t.Run("the machine's settings stay as they are", func(t *testing.T) {
		if diff := cmp.Diff(before, kernelSettings(t)); diff != "" {
			t.Errorf("changed (-before +with the cluster):\n%s", diff)
		}
	})
	t.Run("nothing is left after Stop", func(t *testing.T) { testStopCluster(t, s, c) })
}

// kernelSettings are those that a kubelet and a bridge otherwise change.
func kernelSettings(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for _, name := range []string{"kernel/panic", "vm/overcommit_memory", "net/ipv4/ip_forward"} {
		content, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			t.Fatal(err)
		}
		settings[name] = string(content)
	}
	return settings
}

func testSecondCluster(t *testing.T, s *stack.Stack) {
	if _, err := s.StartCluster(t.Context()); err == nil {
		t.Error("one stack has two clusters")
	}
	second := startStack(t, stack.Options{NoBuildkit: true, NoBases: true})
	c, err := second.StartCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first := s.Cluster(); first == nil || first.Bridge() == c.Bridge() || first.API == c.API {
		t.Errorf("the first is %+v, the second %+v", first, c)
	}
	if err := second.StopCluster(); err != nil {
		t.Error(err)
	}
	checkNetworkGone(t, c)
}

func TestClusterShowsWhyItDoesNotStart(t *testing.T) {
	s := startStack(t, stack.Options{NoBuildkit: true, NoBases: true})
	built, err := cluster.Prepare(t.Context(), os.Stderr, s.Registry)
	if err != nil {
		t.Fatal(err)
	}
	built["etcd"] = t.TempDir()
	script := "#!/bin/sh\necho there is no disk >&2\nexit 3\n"
	if err := os.WriteFile(filepath.Join(built["etcd"], "server"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "kube")
	c, err := cluster.StartAndKeep(t.Context(), cluster.Options{Dir: dir, Registry: s.Registry, Tools: built})
	if err == nil || !strings.Contains(err.Error(), "etcd ended with status 3; its log ends with\nthere is no disk") {
		t.Errorf("error %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if left := daemon.Running(c.Dir()); left != nil {
		t.Errorf("processes are left: %v", left)
	}
	checkNetworkGone(t, c)
}

func testStopCluster(t *testing.T, s *stack.Stack, c *cluster.Cluster) {
	sleeping := "36001." + fmt.Sprint(os.Getpid())
	k := kubectl{t, s}
	k.run("exec", "deployment/web", "--", "sh", "-c", "sleep "+sleeping+" >/dev/null 2>&1 &")
	if daemon.Running(sleeping) == nil {
		t.Error("no process in a pod to be ended")
	}
	if err := s.StopCluster(); err != nil {
		t.Error(err)
	}
	if left := daemon.Running(c.Dir(), sleeping); left != nil {
		t.Errorf("processes are left: %v", left)
	}
	if groups := daemon.Cgroups(daemon.CgroupOf(c.Dir())); tools.Exists(c.Dir()) || groups != nil {
		t.Errorf("%s or control groups are left: %v", c.Dir(), groups)
	}
	checkNetworkGone(t, c)
	if s.Cluster() != nil {
		t.Error("the stack has a cluster after Stop")
	}
}

func checkNetworkGone(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if _, err := net.InterfaceByName(c.Bridge()); err == nil {
		t.Errorf("the bridge %s is left", c.Bridge())
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil || strings.Contains(fmt.Sprint(addresses), c.Address()) {
		t.Errorf("its address is left: %v, %v", addresses, err)
	}
}

// kubectl runs commands that must not fail.
type kubectl struct {
	t *testing.T
	s *stack.Stack
}

func (k kubectl) run(args ...string) string { return k.input("", args...) }

func (k kubectl) apply(objects string) { k.input(objects, "apply", "--filename=-") }

func (k kubectl) input(text string, args ...string) string {
	k.t.Helper()
	cmd := k.s.Command(k.t.Context(), "kubectl", args...)
	cmd.Stdin = strings.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		k.t.Fatalf("kubectl %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
