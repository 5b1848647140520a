package site

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/manifest"
)

const printedWatcher = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: quoit-eu-watcher
  namespace: shop
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app.kubernetes.io/name: quoit-eu-watcher}}
  template:
    metadata: {labels: {app.kubernetes.io/name: quoit-eu-watcher}}
    spec:
      serviceAccountName: quoit-eu-watcher
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: quoit
          image: "ghcr.io/quoitbuild/quoit-cli:1"
          args: ["watch", "mirror.example.com/acme/shop/deploy:users", "--site", "eu", "--environment", "prod", "--namespace", "shop", "--scope", "namespace", "--downgrade", "never", "--mirror", "--interval", "30s", "--listen", ":8080"]
          env: [{name: HOME, value: /tmp}, {name: DOCKER_CONFIG, value: /run/quoit-pull}]
          ports: [{name: http, containerPort: 8080}]
          livenessProbe: {httpGet: {path: /healthz, port: http}}
          resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {cpu: 500m, memory: 512Mi}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: tmp, mountPath: /tmp}, {name: login, mountPath: /run/quoit-pull, readOnly: true}]
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 2Gi}}
        - name: login
          secret: {secretName: quoit-pull, optional: true, items: [{key: .dockerconfigjson, path: config.json}]}
`

// TestPrintedWatcher: it asks the registry itself, with the login that the
// kubelet has, and knows that it looks at a mirror.
func TestPrintedWatcher(t *testing.T) {
	s := someTask().Site
	s.Downgrade = manifest.DowngradeNever
	w := Watcher{Image: "ghcr.io/quoitbuild/quoit-cli:1", Root: "mirror.example.com/acme/shop/deploy", Mirror: true, Interval: 30 * time.Second}
	printed := Bootstrap(s, Rules{}, w)
	documents := strings.Split(printed, "---\n")
	if diff := cmp.Diff(printedWatcher, documents[len(documents)-1]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.Mirror, w.Interval = false, 0
	if plain := Bootstrap(s, Rules{}, w); plain != strings.Replace(printed, `"--mirror", "--interval", "30s", `, "", 1) {
		t.Errorf("without a mirror and an interval it is\n%s", plain)
	}
}
