//go:build stack

package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// right is one verb on one resource, or, with a name, on one object.
type right struct{ Verb, Group, Resource, Name string }

func (r right) String() string {
	return strings.Trim(fmt.Sprintf("%s %s.%s/%s", r.Verb, r.Resource, r.Group, r.Name), "./")
}

// rightsCase is what somebody does for whom one right is needed.
type rightsCase struct {
	right
	do func(t *testing.T) error
	// want is what the error says; "": which right is missing.
	want string
	// seen is for a right without which things are done, but not seen.
	seen bool
}

// limited is a site where one role may lack a right.
type limited struct {
	*applied
	api    kubernetes.Interface // with all rights
	site   site.Site
	target deploy.Release
	said   strings.Builder
}

const (
	deployer   = "deployer"
	rbacGroup  = "rbac.authorization.k8s.io"
	leaseGroup = "coordination.k8s.io"
)

// limitedObjects need every kind of rule that bootstrap prints, and no pods but
// the hook's.
var limitedObjects = map[string]string{
	"app.yaml": strings.Replace(deployment("app", "api", `greeting: "${GREETING}"`), "spec:\n", "spec:\n  replicas: 0\n", 1),
	"reader.yaml": "apiVersion: " + rbacGroup + "/v1\nkind: Role\nmetadata: {name: reader}\n" +
		"rules: [{apiGroups: [\"\"], resources: [endpoints], verbs: [list]}]\n",
	"migrate.yaml": hookJob("migrate", "pre-upgrade", "true"),
}

func newLimited(t *testing.T) *limited {
	t.Helper()
	a := newApplied(t, limitedObjects)
	needCluster(t)
	s := site.Site{Project: "acme/shop", Site: manifest.Site{Name: "eu", Environment: "prod", Ring: "users", Namespace: a.request.Namespace, Scope: manifest.ScopeNamespace}}
	source, err := render.Load(a.request.Root)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := source.Build("prod")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := site.RulesFor(s, objects)
	if err != nil {
		t.Fatal(err)
	}
	a.kubectl(site.Bootstrap(s, rules, site.Watcher{}), "apply", "-f", "-")
	a.kubectl("", "create", "rolebinding", deployer, "--role=quoit-eu-deployer", "--user="+deployer)
	a.kubectl("", "create", "configmap", "quoit-site", "--from-literal=GREETING=hello")
	a.config.QPS = -1 // no limit
	api, err := kubernetes.NewForConfig(a.config)
	if err != nil {
		t.Fatal(err)
	}
	a.config = rest.CopyConfig(a.config)
	a.config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + s.Namespace + ":quoit-eu", Groups: []string{"system:authenticated"}}
	digest := descriptor(t, stack.Ref("library/busybox")+":latest").Digest.String()
	return &limited{applied: a, api: api, site: s, target: deploy.Release{Version: versioning.Version{Minor: 1}, Digest: digest}}
}

// printed are the rights of a role, one by one.
func (l *limited) printed(role string) (all []right) {
	l.t.Helper()
	found, err := l.api.RbacV1().Roles(l.site.Namespace).Get(l.t.Context(), role, metav1.GetOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, rule := range found.Rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, resource := range rule.Resources {
			for _, name := range names {
				for _, verb := range rule.Verbs {
					all = append(all, right{verb, rule.APIGroups[0], resource, name})
				}
			}
		}
	}
	return all
}

// give makes a role of rights.
func (l *limited) give(t *testing.T, role string, rights []right, but right) {
	t.Helper()
	has := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: role}}
	for _, r := range rights {
		if r == but {
			continue
		}
		rule := rbacv1.PolicyRule{Verbs: []string{r.Verb}, APIGroups: []string{r.Group}, Resources: []string{r.Resource}}
		if r.Name != "" {
			rule.ResourceNames = []string{r.Name}
		}
		has.Rules = append(has.Rules, rule)
	}
	if _, err := l.api.RbacV1().Roles(l.site.Namespace).Update(t.Context(), has, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// waitUntil waits until the API server goes by what was given.
func (l *limited) waitUntil(t *testing.T, user string, r right, allowed bool) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	resource, sub, _ := strings.Cut(r.Resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: []string{"system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: l.site.Namespace, Verb: r.Verb, Group: r.Group, Resource: resource, Subresource: sub, Name: r.Name}}}
	for is := !allowed; is != allowed; {
		answer, err := l.api.AuthorizationV1().SubjectAccessReviews().Create(limit, review, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("to %s is allowed: %v, not %v: %v", r, is, allowed, err)
		}
		is = answer.Status.Allowed
	}
}

// check takes every right of a role away, one after the other.
func (l *limited) check(role, user string, cases []rightsCase) {
	all := l.printed(role)
	for _, r := range all {
		if !slices.ContainsFunc(cases, func(c rightsCase) bool { return c.right == r }) {
			l.t.Errorf("role %s has the right to %s, and nothing is known that needs it", role, r)
		}
	}
	for _, c := range cases {
		l.t.Run("without "+strings.ReplaceAll(c.String(), "/", " "), func(t *testing.T) {
			if !slices.Contains(all, c.right) {
				t.Fatalf("role %s has no such right", role)
			}
			l.give(t, role, all, c.right)
			l.waitUntil(t, user, c.right, false)
			defer func() {
				l.give(t, role, all, right{})
				l.waitUntil(t, user, c.right, true)
			}()
			err := c.do(t)
			if c.seen {
				return
			}
			want := c.want
			if want == "" {
				want = fmt.Sprintf("cannot %s resource %q in API group %q in the namespace %q", c.Verb, c.Resource, c.Group, l.site.Namespace)
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v\nlacks %q", err, want)
			}
		})
	}
}

// deploys brings the site to a release, or to none, as the deployer.
func (l *limited) deploys(target *deploy.Release, options deploy.Options, start time.Duration) error {
	cluster, err := site.Connect(site.ClusterOptions{Wrap: func(inner http.RoundTripper) http.RoundTripper { return impersonating{inner} }})
	if err != nil {
		return err
	}
	busybox := stack.Ref("library/busybox") + "@" + l.target.Digest
	d, err := cluster.Prepare(l.t.Context(), l.site, site.Goal{Target: target, Releases: oneRelease{busybox}, Options: options})
	if err != nil {
		return err
	}
	l.said.Reset()
	say := func(line string) { fmt.Fprintln(&l.said, line) }
	return d.Run(l.t.Context(), site.Run{Actor: deployer, Runner: site.Jobs{Cluster: cluster, Say: say}, Timeout: time.Minute, Start: start})
}

// impersonating lets requests be those of the deployer.
type impersonating struct{ http.RoundTripper }

func (i impersonating) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Impersonate-User", deployer)
	return i.RoundTripper.RoundTrip(r)
}
