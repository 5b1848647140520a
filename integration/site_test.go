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
	"regexp"
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
	write(t, s.dir, "quoit.yaml", "project: "+s.name+"\nregistry: registry.example.com\nroot: deploy\nimages: {deploy: deploy, app: app}\n"+
		"sites: {eu: {environment: prod, ring: developers, namespace: "+s.namespace+"}}\n")
	s.greet("hello")
	kubectl(t, mustQuoit(t, s.dir, "bootstrap", "eu"), "apply", "--filename=-")
	return s
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
	if got := mustQuoit(t, s.dir, "delete", "eu", "--dry-run"); !strings.Contains(got, "uninstall") {
		t.Errorf("%s", got)
	}
	mustQuoit(t, s.dir, "delete", "eu")
	if left := s.kubectl("get", "deployments,configmaps", "-l", "quoit.build/site=eu,!quoit.build/step", "-o", "name"); left != "" {
		t.Errorf("left: %s", left)
	}
	mustQuoit(t, s.dir, "delete", "eu") // again is nothing
}

// TestBootstrapIsEnoughAndNoMore deploys with the rights of the printed roles,
// and without each one of their rules.
func TestBootstrapIsEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	s := realSite(t)
	s.kubectl("create", "rolebinding", "deployer", "--role=quoit-eu-deployer", "--serviceaccount="+s.namespace+":quoit-eu")
	config := s.account()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := stack.Command(t.Context(), quoitFile, append([]string{"deploy", "eu", "--local"}, args...)...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &out
		cmd.Env = append(cmd.Environ(), "KUBECONFIG="+config)
		err := cmd.Run()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Fatal(err)
		}
		return out.String(), err
	}
	if out, err := run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, role := range []string{"quoit-eu", "quoit-eu-deployer"} {
		type rule struct{ APIGroups, Resources, ResourceNames, Verbs []string }
		all := decode[struct{ Rules []rule }](t, s.kubectl("get", "role", role, "-o", "json")).Rules
		for i, missing := range all {
			resource := missing.Resources[0]
			switch { // only to explain failures, to show what happens, or for the first deploy
			case strings.HasPrefix(resource, "pods"), resource == "events":
				continue
			case role == "quoit-eu-deployer" && len(missing.Verbs) == 1 && missing.Verbs[0] == "create":
				continue
			}
			s.setRules(role, append(append([]rule{}, all[:i]...), all[i+1:]...))
			out, err := run("--again")
			if err == nil || !strings.Contains(out, `resource "`+resource+`"`) {
				// Another rule may name the same objects.
				if shared := resource == "configmaps" || resource == "secrets"; !shared {
					t.Errorf("without %v of %s: %v\n%s", missing, role, err, out)
				}
			}
		}
		s.setRules(role, all)
	}
	if out, err := run("--again"); err != nil {
		t.Errorf("with all rules again: %v\n%s", err, out)
	}
}

func (s *standIn) setRules(role string, rules any) {
	s.t.Helper()
	text, err := json.Marshal(rules)
	if err != nil {
		s.t.Fatal(err)
	}
	patch := regexp.MustCompile(`"(APIGroups|Resources|ResourceNames|Verbs)"`).ReplaceAllStringFunc(string(text), func(key string) string {
		return map[string]string{`"APIGroups"`: `"apiGroups"`, `"Resources"`: `"resources"`, `"ResourceNames"`: `"resourceNames"`, `"Verbs"`: `"verbs"`}[key]
	})
	s.kubectl("patch", "role", role, "--type=merge", "-p", `{"rules":`+patch+`}`)
}

// account writes a kubeconfig for the account of root images.
func (s *standIn) account() (file string) {
	s.t.Helper()
	raw := kubectl(s.t, "", "config", "view", "--raw", "--minify", "-o", "json")
	config := decode[map[string]any](s.t, raw)
	config["users"] = []any{map[string]any{"name": "account", "user": map[string]any{"token": s.kubectl("create", "token", "quoit-eu")}}}
	context := config["contexts"].([]any)[0].(map[string]any)["context"].(map[string]any)
	context["user"] = "account"
	text, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, s.dir, "account.kubeconfig", string(text))
	return filepath.Join(s.dir, "account.kubeconfig")
}
