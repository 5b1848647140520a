package site

import (
	"fmt"
	"strings"
	"time"
)

// Bootstrap writes what a site needs before the first deploy, for kubectl apply:
// namespace, account, least role. With an image, also a watcher.
func Bootstrap(s Site, rules Rules, watcher Watcher) string {
	b := &writer{site: s}
	b.object("v1", "Namespace", s.Namespace, "", `  labels:
    pod-security.kubernetes.io/warn: restricted
`)
	b.comment("Root images run as this account. quoit-pull is a Secret with the registry's login;", "leave it out if there is none.")
	b.object("v1", "ServiceAccount", s.Object(), s.Namespace, "")
	b.WriteString("imagePullSecrets: [{name: quoit-pull}]\n")
	b.comment("What the release that "+s.Ring+" has now needs. A later one may need more, and names it.",
		"Keep the rules for kinds that a release drops until it is deployed: pruning needs them.")
	b.role("Role", s.Object(), s.Namespace, rules.Account)
	b.binding("Role", s.Object(), s.Namespace, s.Object())
	if len(rules.Cluster) > 0 {
		name := s.Namespace + "-" + s.Object()
		b.role("ClusterRole", name, "", rules.Cluster)
		b.binding("ClusterRole", name, "", s.Object())
	}
	b.comment("For whoever deploys to this namespace: bind it to people, to CI, or to a watcher.")
	b.role("Role", s.Object()+"-deployer", s.Namespace, rules.Deployer)
	if watcher.Image != "" {
		b.watcher(watcher, len(rules.Cluster) > 0)
	}
	return b.String()
}

// Watcher is what runs quoit watch in the site's namespace.
type Watcher struct {
	Image string
	Root  string // the root image's repository: REPO of REPO:RING
	// Mirror says that this is in a mirror of the project's registry.
	Mirror bool
	// Interval is how often it asks for the ring; 0: as often as it likes.
	Interval time.Duration
}

type writer struct {
	strings.Builder
	site  Site
	begun bool // the document, by a comment
}

// comment begins a document with lines about it.
func (b *writer) comment(lines ...string) {
	b.WriteString("---\n")
	for _, line := range lines {
		fmt.Fprintf(b, "# %s\n", line)
	}
	b.begun = true
}

func (b *writer) object(version, kind, name, namespace, more string) {
	if !b.begun {
		b.WriteString("---\n")
	}
	b.begun = false
	fmt.Fprintf(b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n", version, kind, name)
	if namespace != "" {
		fmt.Fprintf(b, "  namespace: %s\n", namespace)
	}
	b.WriteString(more)
}

func (b *writer) role(kind, name, namespace string, rules []Rule) {
	b.object(rbacGroup+"/v1", kind, name, namespace, "rules:\n")
	for _, r := range rules {
		fmt.Fprintf(b, "  - apiGroups: %s # %s\n    resources: %s\n", flow(r.Groups), strings.Join(strings.Fields(r.Why), " "), flow(r.Resources))
		if len(r.Names) > 0 {
			fmt.Fprintf(b, "    resourceNames: %s\n", flow(r.Names))
		}
		fmt.Fprintf(b, "    verbs: %s\n", flow(r.Verbs))
	}
}

func (b *writer) binding(kind, name, namespace, account string) {
	b.bindingTo(kind, name, name, namespace, account)
}

func (b *writer) bindingTo(kind, role, name, namespace, account string) {
	b.object(rbacGroup+"/v1", kind+"Binding", name, namespace, "")
	fmt.Fprintf(b, "roleRef: {apiGroup: %s, kind: %s, name: %s}\nsubjects: [{kind: ServiceAccount, name: %s, namespace: %s}]\n",
		rbacGroup, kind, role, account, b.site.Namespace)
}

// watcher is a Deployment that follows the ring. Its account may deploy, and, to
// see drift, what the root image may. The login is a folder, because a file that
// is mounted alone stays as it is when the Secret changes.
func (b *writer) watcher(w Watcher, cluster bool) {
	s, name := b.site, b.site.Object()+"-watcher"
	b.comment("The watcher follows the ring.")
	b.object("v1", "ServiceAccount", name, s.Namespace, "")
	b.WriteString("imagePullSecrets: [{name: quoit-pull}]\n")
	b.bindingTo("Role", s.Object()+"-deployer", name, s.Namespace, name)
	b.bindingTo("Role", s.Object(), name+"-drift", s.Namespace, name)
	if cluster {
		b.bindingTo("ClusterRole", s.Namespace+"-"+s.Object(), s.Namespace+"-"+name, "", name)
	}
	b.object("apps/v1", "Deployment", name, s.Namespace, "")
	arguments := []string{"watch", w.Root + ":" + s.Ring, "--site", s.Name, "--environment", s.Environment, "--namespace", s.Namespace,
		"--scope", string(s.Scope), "--downgrade", string(s.Downgrade)}
	if w.Mirror {
		arguments = append(arguments, "--mirror")
	}
	if w.Interval > 0 {
		arguments = append(arguments, "--interval", w.Interval.String())
	}
	arguments = append(arguments, "--listen", ":8080")
	fmt.Fprintf(b, `spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app.kubernetes.io/name: %[1]s}}
  template:
    metadata: {labels: {app.kubernetes.io/name: %[1]s}}
    spec:
      serviceAccountName: %[1]s
      securityContext: {runAsNonRoot: true, runAsUser: %[4]d, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: quoit
          image: %[2]s
          args: %[3]s
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
`, name, fmt.Sprintf("%q", w.Image), flow(arguments), nobody)
}

func flow(list []string) string {
	quoted := make([]string, len(list))
	for i, item := range list {
		quoted[i] = fmt.Sprintf("%q", item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
