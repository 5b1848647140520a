package integration

import (
	"fmt"
	"strings"
	"testing"
)

// gatedOverlay is an overlay whose hooks wait for the ConfigMaps gate-before and
// gate-after, and whose pods for a file.
const gatedOverlay = overlay + `          readinessProbe: {exec: {command: [test, -e, /tmp/go]}, periodSeconds: 1}
`

const gatedHook = `---
apiVersion: batch/v1
kind: Job
metadata: {name: %[1]s, annotations: {quoit.build/hook: %[2]s}}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      volumes: [{name: gate, configMap: {name: gate-%[1]s, optional: true}}]
      containers:
        - name: run
          image: registry.example.com/%[3]s/app
          command: [sh, -c, "test -e /gate/open || sleep 1000"]
          volumeMounts: [{name: gate, mountPath: /gate}]
`

// TestRootImagesThatAreKilled kills the pod of the real root image in its first
// hook, while it waits for pods, and in its last hook. The next deploy ends as
// if nothing had been.
func TestRootImagesThatAreKilled(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	release := func(greeting string) {
		text := fmt.Sprintf(gatedOverlay, greeting, s.name)
		text = strings.Replace(text, "metadata: {labels: {app: app}}", "metadata: {labels: {app: app, greeting: "+greeting+"}}", 1)
		write(t, s.dir, "deploy/overlays/prod/objects.yaml", text+fmt.Sprintf(gatedHook, "before", "pre-upgrade", s.name)+fmt.Sprintf(gatedHook, "after", "post-upgrade", s.name))
		mustQuoit(t, s.dir, "build", "--push", "--major", "deploy")
	}
	open := func(hook string) { s.kubectl("create", "configmap", "gate-"+hook, "--from-literal=open=") }
	shut := func(hook string) { s.kubectl("delete", "configmap", "gate-"+hook) }
	ready := func(greeting string) {
		s.waitFor("true", "get", "pods", "-l", "greeting="+greeting, "-o", "jsonpath={.items[*].status.containerStatuses[*].started}")
		s.kubectl("exec", s.kubectl("get", "pods", "-l", "greeting="+greeting, "-o", "name"), "--", "touch", "/tmp/go")
	}
	runs := func(hook string) {
		s.waitFor("Running", "get", "pods", "-l", "job-name="+hook, "-o", "jsonpath={.items[*].status.phase}")
	}
	s.deploys()
	want := "install 1.0.0 ok"
	for i, moment := range []struct {
		name        string
		until, then func()
	}{
		{"first", func() { runs("before") }, func() { open("before") }},
		{"second", func() {
			s.waitFor("Running", "get", "pods", "-l", "greeting=second", "-o", "jsonpath={.items[*].status.phase}")
		}, func() {}},
		{"third", func() { shut("after"); ready("third"); runs("after") }, func() { open("after") }},
	} {
		release(moment.name)
		if i == 0 {
			kubectl(t, mustQuoit(t, s.dir, "bootstrap", "eu"), "apply", "--filename=-")
			open("after")
		}
		_, wait := s.begin()
		moment.until()
		s.kubectl("delete", "pods", "-l", "quoit.build/site=eu,app.kubernetes.io/managed-by=quoit,batch.kubernetes.io/job-name", "--force", "--grace-period=0")
		if stderr, code := wait(); code != 1 || !strings.Contains(stderr, "upgrade") {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		moment.then()
		_, wait = s.begin()
		if moment.name != "third" {
			ready(moment.name)
		}
		if stderr, code := wait(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		step := fmt.Sprintf("upgrade %d.0.0 to %d.0.0 ", i+1, i+2)
		want = fmt.Sprintf("%s; %sfailed; %sok", want, step, step)
		if got := s.story(); got != fmt.Sprintf("%d.0.0; %s", i+2, want) {
			t.Errorf("the record says %s\nwant %s", got, want)
		}
		got := s.kubectl("get", "configmaps,deployments,jobs", "-l", "quoit.build/site=eu,!quoit.build/step", "-o", "jsonpath={range .items[*]}{.metadata.name} {.data.greeting}{.status.readyReplicas}{.status.succeeded},{end}")
		if want := "quoit-eu ,quoit-eu-inventory ,settings " + moment.name + ",app 1,after 1,before 1,"; got != want {
			t.Errorf("there is %s\nwant     %s", got, want)
		}
	}
}
