package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

// session is one run.
type session struct {
	request  Request
	cluster  *cluster
	progress io.Writer
	values   values
	made     made // of the objects of this run
	result   Result

	plain []*unstructured.Unstructured // in the order in which they are applied
	hooks []hook
	held  inventory // what was there before
}

func newSession(config *rest.Config, request Request, progress io.Writer) (*session, error) {
	if request.Timeout == 0 {
		request.Timeout = DefaultTimeout
	}
	s := &session{request: request, progress: progress, result: Result{
		Schema: 1, Site: request.Site, Environment: request.Environment, Namespace: request.Namespace,
		Action: request.Action, From: versionText(request.From), To: versionText(request.To), DryRun: request.DryRun,
	}}
	if err := request.check(); err != nil {
		return s, err
	}
	var err error
	s.cluster, err = newCluster(config, progress)
	return s, err
}

// check reports what a request lacks.
func (r Request) check() error {
	var missing []string
	for _, need := range [][2]string{{"site", r.Site}, {"environment", r.Environment}, {"namespace", r.Namespace}, {"root folder", r.Root}} {
		if need[1] == "" {
			missing = append(missing, need[0])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the request has no %s", strings.Join(missing, ", no "))
	}
	actions := []deploy.Action{deploy.Install, deploy.Upgrade, deploy.Downgrade, deploy.Restore, deploy.Uninstall}
	if !slices.Contains(actions, r.Action) {
		return fmt.Errorf("there is no action %q; there are %q", r.Action, actions)
	}
	if r.Timeout < 0 {
		return errors.New("the timeout is negative")
	}
	return nil
}

// installs reports whether the action changes the site's objects to those of
// the release.
func (r Request) installs() bool {
	return r.Action == deploy.Install || r.Action == deploy.Upgrade || r.Action == deploy.Restore
}

// prepare finds out all that can be known before the first write.
func (s *session) prepare(ctx context.Context) error {
	release, err := loadRelease(s.request)
	if err != nil {
		return err
	}
	s.request.Project = release.project
	objects, err := build(s.request.Root, s.request.Environment)
	if err != nil {
		return err
	}
	if s.plain, s.hooks, err = splitHooks(objects); err != nil {
		return err
	}
	if !s.request.installs() {
		// Nothing else counts, so nothing in it can be wrong.
		s.plain = nil
		s.hooks = slices.DeleteFunc(s.hooks, func(h hook) bool { return !h.runsIn(s.request.Action) })
	}
	all := s.objects()
	if err := s.fill(ctx, all); err != nil {
		return err
	}
	if err := release.pin(all); err != nil {
		return err
	}
	if err := place(all, s.cluster.RESTMapper(), s.request.Namespace, s.request.Cluster); err != nil {
		return err
	}
	if err := unique(all); err != nil {
		return err
	}
	for _, object := range all {
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, s.labels())
		object.SetLabels(labels)
	}
	s.plain = inApplyOrder(s.plain)
	s.held, err = s.readInventory(ctx)
	return err
}

// objects are all that the run knows: plain ones and hooks.
func (s *session) objects() []*unstructured.Unstructured {
	all := slices.Clone(s.plain)
	for _, h := range s.hooks {
		all = append(all, h.object)
	}
	return all
}

// fill puts the site's values into the objects.
func (s *session) fill(ctx context.Context, objects []*unstructured.Unstructured) error {
	builtin := s.request.values()
	names, err := usedNames(objects)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := builtin[name]; return ok })
	if len(names) > 0 {
		if s.values, err = readValues(ctx, s.cluster, s.request.Namespace); err != nil {
			return err
		}
	}
	s.made = made{version: versionText(s.request.To), values: s.values.digest(names), names: strings.Join(names, ",")}
	s.result.Values = s.made.values
	all := maps.Clone(s.values.text)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, builtin)
	return substitute(objects, all, s.request.Namespace)
}

// values are those that every site has.
func (r Request) values() map[string]string {
	return map[string]string{
		"QUOIT_SITE": r.Site, "QUOIT_RING": r.Ring, "QUOIT_NAMESPACE": r.Namespace, "QUOIT_VERSION": versionText(r.To),
	}
}

// unique refuses objects that values have given the name of another one.
func unique(objects []*unstructured.Unstructured) error {
	seen := map[ref]bool{}
	for _, object := range objects {
		if key := refOf(object).key(); seen[key] {
			return fmt.Errorf("%s is there twice", key)
		} else {
			seen[key] = true
		}
	}
	return nil
}

func (s *session) labels() map[string]string {
	return map[string]string{labelProject: labelValue(s.request.Project), labelSite: labelValue(s.request.Site)}
}

// say prints a line for people, without secrets and control characters.
func (s *session) say(format string, values ...any) {
	line := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s.values.mask(fmt.Sprintf(format, values...)))
	fmt.Fprintln(s.progress, line)
}

// name is an object for people.
func (s *session) name(r ref) string { return r.in(s.request.Namespace) }

// note adds a change to the result.
func (s *session) note(r ref, action string) {
	s.result.Changes = append(s.result.Changes, Change{s.name(r), action})
	if action != unchanged && !s.request.DryRun {
		s.say("%s %s", s.name(r), action)
	}
}

func refsOf(objects []*unstructured.Unstructured) []ref {
	refs := make([]ref, len(objects))
	for i, object := range objects {
		refs[i] = refOf(object)
	}
	return refs
}

// versionText is "" for no version.
func versionText(v versioning.Version) string {
	if v == (versioning.Version{}) {
		return ""
	}
	return v.String()
}
