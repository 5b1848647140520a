package apply

import (
	"context"
	"maps"
	"strings"

	"github.com/quoitbuild/quoit/deploy/render"
)

// session is one run: what is to be, what was there before, and who makes it so.
type session struct {
	request Request
	objects render.Objects // plain ones in the order in which they are applied
	made    made           // of the objects of this run
	held    inventory      // what was there before

	cluster *cluster
	applier *applier
	hooks   *hookRunner
	report  *report
}

// newSession renders what there should be and reads what there was: all that can
// be known before the first write.
func newSession(ctx context.Context, api connection, request Request, report *report) (*session, error) {
	source, err := render.Load(request.Root)
	if err != nil {
		return nil, err
	}
	made := made{version: render.VersionText(request.To)}
	objects, err := source.Render(request.Target, render.Lookups{
		Kinds: api.RESTMapper(),
		Values: func(names []string) (map[string]string, error) {
			values, err := readValues(ctx, api, request.Namespace)
			if err != nil {
				return nil, err
			}
			report.console.values = values
			made.values, made.names = values.digest(names), strings.Join(names, ",")
			report.result.Values = made.values
			return maps.Clone(values.text), nil
		},
	})
	if err != nil {
		return nil, explain(err)
	}
	objects.Plain = inApplyOrder(objects.Plain)
	s := assemble(api, owner{objects.Project, request.Site, request.Namespace}, request, report)
	s.objects, s.made = objects, made
	s.held, err = s.cluster.readInventory(ctx)
	return s, err
}

// assemble makes a session that has nothing to do yet.
func assemble(api connection, owner owner, request Request, report *report) *session {
	report.owner = owner
	c := &cluster{Client: api.Client, pods: podReader{api.pods, report.console}, owner: owner, console: report.console, timeout: request.Timeout}
	a := &applier{cluster: c, report: report, takeOver: request.TakeOver}
	return &session{request: request, cluster: c, applier: a, hooks: &hookRunner{c, a, request, report}, report: report}
}

// runHooks runs what belongs to a point.
func (s *session) runHooks(ctx context.Context, point string) error {
	needs, jobs := s.objects.At(point)
	return s.hooks.run(ctx, point, inApplyOrder(needs), jobs)
}
