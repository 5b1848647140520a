//go:build stack

package integration

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const overlay = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: %s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 1
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: app
          image: registry.example.com/%s/app
          command: [sleep, "100000"]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// realSite is a project whose root image runs quoit apply, and its site eu.
func realSite(t *testing.T) *standIn {
	t.Helper()
	s := realProject(t)
	s.greet("hello")
	s.allow()
	return s
}

// realProject is that of a real site before its first release.
func realProject(t *testing.T) *standIn {
	t.Helper()
	needCluster(t)
	s := &standIn{t: t, dir: t.TempDir(), namespace: "t" + strings.ToLower(rand.Text()[:10])}
	s.name = "t" + strings.ToLower(rand.Text()[:10]) + "/shop"
	s.prefix = stack.Ref(s.name)
	binary, err := os.ReadFile(quoitFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "deploy", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "deploy", "bin", "quoit"), binary, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, s.dir, "deploy/Dockerfile", "FROM scratch\nCOPY bin /bin\nCOPY overlays /overlays\nENTRYPOINT [\"/bin/quoit\", \"apply\"]\n")
	write(t, s.dir, "deploy/overlays/prod/kustomization.yaml", "resources: [objects.yaml]\n")
	write(t, s.dir, "app/Dockerfile", "FROM busybox\n")
	s.follow("developers")
	return s
}

// follow writes the manifest of a real site in a ring.
func (s *standIn) follow(ring string) {
	write(s.t, s.dir, "quoit.yaml", "project: "+s.name+"\nregistry: registry.example.com\nroot: deploy\nimages: {deploy: deploy, app: app}\n"+
		"sites: {eu: {environment: prod, ring: "+ring+", namespace: "+s.namespace+"}}\n")
}

// allow makes the site's namespace and accounts.
func (s *standIn) allow() {
	s.t.Helper()
	kubectl(s.t, mustQuoit(s.t, s.dir, "bootstrap", "eu"), "apply", "--filename=-")
}

// greet publishes a release with a greeting.
func (s *standIn) greet(greeting string) {
	s.t.Helper()
	write(s.t, s.dir, "deploy/overlays/prod/objects.yaml", fmt.Sprintf(overlay, greeting, s.name))
	mustQuoit(s.t, s.dir, "build", "--push", "--major", "deploy")
}

func (s *standIn) greeting() string {
	s.t.Helper()
	return s.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.greeting}", "--ignore-not-found")
}

func TestSite(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	if got := mustQuoit(t, s.dir, "status", "--sites"); !strings.Contains(got, "nothing deployed") {
		t.Errorf("%s", got)
	}
	if got := mustQuoit(t, s.dir, "diff", "eu"); !strings.Contains(got, "Deployment/app would be created") {
		t.Errorf("%s", got)
	}
	s.deploysWhereItCan()
	if got := s.greeting(); got != "hello" {
		t.Errorf("the greeting is %q", got)
	}
	if got := mustQuoit(t, s.dir, "diff", "eu"); !strings.Contains(got, "0 of 2 objects would be changed") {
		t.Errorf("%s", got)
	}
	s.greet("goodbye")
	if got := mustQuoit(t, s.dir, "status", "--sites"); !strings.Contains(got, "differs: quoit deploy eu") {
		t.Errorf("%s", got)
	}
	if _, stderr := s.deploys("--local"); !strings.Contains(stderr, "upgrade") || s.greeting() != "goodbye" {
		t.Errorf("the greeting is %q\n%s", s.greeting(), stderr)
	}
	if got := mustQuoit(t, s.dir, "status", "--sites"); !strings.Contains(got, "current") {
		t.Errorf("%s", got)
	}
	s.greet(`"${GREETING:-welcome}"`)
	s.allow() // now it reads values
	s.deploys()
	s.kubectl("create", "configmap", "quoit-site", "--from-literal=GREETING=changed")
	if stdout, _ := s.deploys(); !strings.Contains(stdout, "because a value in quoit-site has changed") || s.greeting() != "changed" {
		t.Errorf("the greeting is %q\n%s", s.greeting(), stdout)
	}
	if stdout, _ := s.deploys(); !strings.Contains(stdout, "nothing to do") {
		t.Errorf("%s", stdout)
	}
	if got := mustQuoit(t, s.dir, "delete", "eu", "--dry-run"); !strings.Contains(got, "uninstall") {
		t.Errorf("%s", got)
	}
	mustQuoit(t, s.dir, "delete", "eu")
	if left := s.kubectl("get", "deployments,configmaps", "-l", "quoit.build/site=eu,!quoit.build/step", "-o", "name"); left != "" {
		t.Errorf("left: %s", left)
	}
	mustQuoit(t, s.dir, "delete", "eu") // again is nothing
}

// TestWhatARootImageMayNot deploys with the printed rights, and without one: the
// error is the whole one of the root image.
func TestWhatARootImageMayNot(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	s.kubectl("create", "serviceaccount", "deployer")
	s.kubectl("create", "rolebinding", "deployer", "--role=quoit-eu-deployer", "--serviceaccount="+s.namespace+":deployer")
	config := s.account("deployer")
	run := func(args ...string) (stderr string, err error) {
		var out bytes.Buffer
		cmd := stack.Command(t.Context(), quoitRun, append([]string{"deploy", "eu"}, args...)...)
		cmd.Dir, cmd.Stderr = s.dir, &out
		cmd.Env = append(cmd.Environ(), "KUBECONFIG="+config)
		err = cmd.Run()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		return out.String(), err
	}
	if stderr, err := run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	s.kubectl("patch", "role", "quoit-eu", "--type=json", "-p", `[{"op":"remove","path":"/rules/`+s.rule("quoit-eu", "deployments")+`/verbs/2"}]`)
	s.waitFor("get create delete", "get", "role", "quoit-eu", "-o", `jsonpath={.rules[?(@.resources[0]=="deployments")].verbs[*]}`)
	stderr, err := run("--again")
	_, last, _ := strings.Cut(stderr, "\nerror: site eu: ") // after what the Job has printed
	for _, want := range []string{
		"upgrade 1.0.0 failed: exit code 1: applying Deployment/app: ", `cannot patch resource "deployments" in API group "apps"`,
		"\nthe Role in namespace " + s.namespace + " lacks this rule:\n- {apiGroups: [\"apps\"], resources: [\"deployments\"], verbs: [\"patch\"]}\n(Job " + s.namespace + "/quoit-eu-",
	} {
		if err == nil || !strings.Contains(last, want) {
			t.Errorf("it does not say %q:\n%s", want, last)
		}
	}
	if results := s.record().Results; !strings.Contains(results[len(results)-1].Error, "lacks this rule") {
		t.Errorf("the record says %+v", results)
	}
}

// rule is the number of a role's rule about a resource.
func (s *standIn) rule(role, resource string) string {
	s.t.Helper()
	all := strings.Fields(s.kubectl("get", "role", role, "-o", `jsonpath={range .rules[*]}{.resources[0]} {end}`))
	return fmt.Sprint(slices.Index(all, resource))
}

// account writes a kubeconfig for an account.
func (s *standIn) account(name string) (file string) {
	s.t.Helper()
	raw := kubectl(s.t, "", "config", "view", "--raw", "--minify", "-o", "json")
	config := decode[map[string]any](s.t, raw)
	config["users"] = []any{map[string]any{"name": "account", "user": map[string]any{"token": s.kubectl("create", "token", name)}}}
	context := config["contexts"].([]any)[0].(map[string]any)["context"].(map[string]any)
	context["user"] = "account"
	text, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, s.dir, "account.kubeconfig", string(text))
	return filepath.Join(s.dir, "account.kubeconfig")
}
