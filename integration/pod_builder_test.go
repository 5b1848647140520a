//go:build stack

package integration

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestABuilderInAPod: a BuildKit that runs in a pod of the cluster, reached by kubectl.
func TestABuilderInAPod(t *testing.T) {
	needCluster(t)
	dir := t.TempDir()
	copied := func(name, from string) {
		t.Helper()
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"buildkitd", "buildctl", "runc"} {
		copied(program, stack.Command(t.Context(), program).Path)
	}
	copied("libseccomp.so.2", libraryOf(t, filepath.Join(dir, "runc"), "libseccomp.so.2"))
	write(t, dir, "buildkitd.toml", fmt.Sprintf(`[worker.oci]
  networkMode = "host"
[worker.containerd]
  enabled = false
[registry."docker.io"]
  mirrors = [%[1]q]
[registry.%[1]q]
  http = true
`, stack.Registry))
	write(t, dir, "Dockerfile", "FROM debian:bookworm-slim\nCOPY libseccomp.so.2 /usr/lib/\nCOPY buildkitd buildctl runc /usr/local/bin/\nCOPY buildkitd.toml /etc/buildkit/\nENTRYPOINT [\"buildkitd\"]\n")
	name := "t" + strings.ToLower(rand.Text()[:10])
	image := stack.Ref(name + "/buildkit:1")
	run(t, dir, "buildx", "build", "--push", "--provenance=false", "-t", image, ".")

	kubectl(t, "", "create", "namespace", name)
	t.Cleanup(func() {
		_ = stack.Command(context.Background(), "kubectl", "delete", "namespace", name, "--wait=false").Run() // the cluster goes anyway
	})
	kubectl(t, fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: builder, namespace: %s}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  containers:
  - name: buildkitd
    image: %s
    securityContext: {privileged: true}
    readinessProbe: {exec: {command: [buildctl, debug, workers]}, periodSeconds: 1, timeoutSeconds: 30}
    volumeMounts: [{name: state, mountPath: /var/lib/buildkit}]
  volumes: [{name: state, emptyDir: {}}]
`, name, image), "apply", "-f", "-")
	kubectl(t, "", "-n", name, "wait", "pod/builder", "--for=condition=Ready", "--timeout=3m")

	m := newMachine(t)
	m.set("KUBECONFIG", stack.Cluster().Kubeconfig)
	address := "kube-pod://builder?namespace=" + name
	m.set("BUILDKIT_HOST", address)
	m.publishes(t, "BuildKit at "+address)
}

// libraryOf is where a program finds a library.
func libraryOf(t *testing.T, program, library string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == library {
			return fields[2]
		}
	}
	t.Fatalf("%s needs no %s:\n%s", program, library, out)
	return ""
}
