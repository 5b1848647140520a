//go:build stack

package integration

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/deploy"
)

// gatedOverlay has an object that only one release has. Its pods are ready, and
// gatedHook ends, where the ConfigMap gates has a key of their name.
const gatedOverlay = overlay + `          readinessProbe: {exec: {command: [sh, -c, "test -e /gates/app || test -e /tmp/open"]}, periodSeconds: 1, timeoutSeconds: 30}
          volumeMounts: [{name: gates, mountPath: /gates}]
      volumes: [{name: gates, configMap: {name: gates}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: only-%[1]s}
`

const gatedHook = `---
apiVersion: batch/v1
kind: Job
metadata: {name: %[1]s, annotations: {quoit.build/hook: "%[2]s"}}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      volumes: [{name: gates, configMap: {name: gates}}]
      containers:
        - name: run
          image: registry.example.com/%[3]s/app
          command: [sh, -c, "test -e /gates/%[1]s || sleep 1000"]
          volumeMounts: [{name: gates, mountPath: /gates}]
`

// killedSites are sites of a project whose root images can be killed, and what
// those do that are not. The first release is in the ring testers, the second in
// developers.
type killedSites struct {
	*killer
	*standIn
	install, upgrade undisturbed
}

// undisturbed is what a root image does when it is left alone, and what there is
// then.
type undisturbed struct {
	ring, step string
	writes     []string
	objects    map[string]any
	record     deploy.Record // without results
}

func newKilledSites(t *testing.T) *killedSites {
	t.Helper()
	s := realProject(t)
	k := &killedSites{killer: newKiller(t), standIn: s,
		install: undisturbed{ring: "testers", step: "install 1.0.0"}, upgrade: undisturbed{ring: "developers", step: "upgrade 1.0.0 to 2.0.0"}}
	write(t, s.dir, "deploy/kubeconfig", k.kubeconfig())
	write(t, s.dir, "deploy/Dockerfile", "FROM scratch\nCOPY bin /bin\nCOPY overlays /overlays\nCOPY kubeconfig /kubeconfig\n"+
		"ENTRYPOINT [\"/bin/quoit\", \"apply\", \"--kubeconfig\", \"/kubeconfig\"]\n")
	s.gatedRelease("first")
	mustQuoit(t, s.dir, "shift", "--to", "testers")
	s.gatedRelease("second")
	reference := k.site(t)
	for _, run := range []*undisturbed{&k.install, &k.upgrade} {
		k.arm(reference.namespace, death{})
		reference.follow(run.ring)
		reference.deploys()
		run.writes, run.objects, run.record = k.seen(reference.namespace), reference.everything(), reference.record()
		run.record.Results = nil
	}
	return k
}

func (s *standIn) gatedRelease(greeting string) {
	s.t.Helper()
	text := fmt.Sprintf(gatedOverlay, greeting, s.name)
	text = strings.Replace(text, "metadata: {labels: {app: app}}", "metadata: {labels: {app: app, greeting: "+greeting+"}}", 1)
	text += fmt.Sprintf(gatedHook, "before", "pre-install,pre-upgrade", s.name) + fmt.Sprintf(gatedHook, "after", "post-upgrade", s.name)
	write(s.t, s.dir, "deploy/overlays/prod/objects.yaml", text)
	mustQuoit(s.t, s.dir, "build", "--push", "--major", "deploy")
}

// site is one more site of the project, where nothing was ever deployed.
func (k *killedSites) site(t *testing.T) *standIn {
	t.Helper()
	s := *k.standIn
	s.t, s.dir, s.namespace = t, t.TempDir(), "t"+strings.ToLower(rand.Text()[:10])
	s.follow(k.install.ring)
	s.allow()
	t.Cleanup(func() {
		_ = stack.Command(context.Background(), "kubectl", "delete", "namespace", s.namespace, "--wait=false").Run() // the cluster goes anyway
	})
	s.kubectl("create", "configmap", "gates", "--from-literal=before=", "--from-literal=app=", "--from-literal=after=")
	return &s
}

func (s *standIn) open(gate string) {
	s.t.Helper()
	s.kubectl("patch", "configmap", "gates", "--type=merge", "-p", `{"data":{"`+gate+`":""}}`)
}

func (s *standIn) shut(gate string) {
	s.t.Helper()
	s.kubectl("patch", "configmap", "gates", "--type=merge", "-p", `{"data":{"`+gate+`":null}}`)
}

var uid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// everything is what a site has besides its record, without what is another one
// each time: times and random names.
func (s *standIn) everything() map[string]any {
	s.t.Helper()
	text := s.kubectl("get", "configmaps,secrets,services,deployments,jobs", "-l", "!quoit.build/step", "-o", "json")
	text = uid.ReplaceAllString(strings.ReplaceAll(text, s.namespace, "NAMESPACE"), "UID")
	list := decode[struct{ Items []map[string]any }](s.t, text)
	all := map[string]any{}
	for _, item := range list.Items {
		meta := item["metadata"].(map[string]any)
		name := meta["name"].(string)
		if name == "kube-root-ca.crt" || name == "quoit-eu" || name == "gates" {
			continue
		}
		status, _ := item["status"].(map[string]any)
		item["status"] = []any{status["observedGeneration"], status["updatedReplicas"], status["readyReplicas"], status["succeeded"], status["failed"]}
		for _, key := range []string{"uid", "creationTimestamp", "resourceVersion", "managedFields"} {
			delete(meta, key)
		}
		all[item["kind"].(string)+"/"+name] = item
	}
	return all
}
