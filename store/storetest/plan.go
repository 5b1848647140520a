package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Shop is the sources of a project: what each image needs, and its revision.
type Shop map[string]int

// What the images of the project need, and an order in which they can be built.
var (
	Needs = map[string][]string{"api": {"base"}, "web": {"base"}, "jobs": {"api"}}
	Order = []string{"base", "mail", "api", "web", "jobs", "deploy"}
)

// Shape is what a project has.
type Shape struct {
	Rings  []string
	Needs  map[string][]string // of images
	Images []string            // those that are needed come first, the root image last
}

// Acme is the shape of the project unless a test gives its server another one.
var Acme = Shape{Rings: Rings, Needs: Needs, Images: Order}

// Plan plans a build of the sources for a ring, that contains the releases of
// some other rings.
func (s *Server) Plan(p *store.Project, sources Shop, ring string, merge ...string) versioning.Plan {
	s.T.Helper()
	ctx := context.Background()
	log, err := p.State(ctx)
	must(s.T, err)
	placed := map[string]*versioning.Placed{}
	for {
		unread, err := versioning.Unread(s.Rings, ring, placed)
		must(s.T, err)
		if len(unread) == 0 {
			break
		}
		for _, name := range unread {
			placed[name], err = p.Placed(ctx, name, log.Rings()[name])
			must(s.T, err)
		}
	}
	state, err := versioning.Select(s.Rings, ring, placed)
	must(s.T, err)
	request := versioning.Request{Project: Project, Root: "deploy", State: state, Commit: "c0ffee"}
	for _, name := range merge {
		merged, err := p.Placed(ctx, name, log.Rings()[name])
		must(s.T, err)
		request.Merge = append(request.Merge, *merged)
	}
	for _, name := range s.Images {
		if revision, present := sources[name]; present {
			request.Images = append(request.Images, versioning.Source{
				Name: name, Revision: registry.DigestOf(fmt.Append(nil, revision)), Platforms: []string{"linux/amd64"},
				Dependencies: slices.DeleteFunc(slices.Clone(s.Needs[name]), func(need string) bool { return sources[need] == 0 }),
			})
		}
	}
	plan, err := versioning.Resolve(request, s.assigned(p))
	must(s.T, err)
	return plan
}

// assigned says what the log has assigned; while that does not say so, what has a tag.
func (s *Server) assigned(p *store.Project) versioning.Lookup {
	s.T.Helper()
	ctx := context.Background()
	state, err := p.State(ctx)
	must(s.T, err)
	if state.Newest.Record.Schema == 1 {
		return s.lookup
	}
	return state.Newest.Record.Assigned.Lookup(func() (releases []versioning.Release, err error) {
		for ring, place := range state.Rings() {
			placed, err := p.Placed(ctx, ring, place)
			if err != nil {
				return nil, err
			}
			if placed != nil {
				releases = append(releases, placed.Release)
			}
		}
		return releases, nil
	})
}

// lookup finds the identity of a version in its label.
func (s *Server) lookup(image string, version versioning.Version) (string, bool, error) {
	at := "/v2/" + Project + "/" + image
	code, index := s.Do("GET", at+"/manifests/"+version.String(), "", nil)
	if code != http.StatusOK {
		return "", false, nil
	}
	if records.IsTombstone(registry.DigestOf(index)) {
		return "", true, nil
	}
	digest, err := registry.NewManifest(registry.IndexType, index).Image()
	must(s.T, err)
	_, manifest := s.Do("GET", at+"/manifests/"+digest, "", nil)
	blob, err := registry.NewManifest(registry.ManifestType, manifest).Config()
	must(s.T, err)
	_, data := s.Do("GET", at+"/blobs/"+blob.Digest, "", nil)
	var config struct {
		Config struct{ Labels map[string]string }
	}
	must(s.T, json.Unmarshal(data, &config))
	return config.Config.Labels[labels.Identity], true, nil
}

// Release publishes the sources to a ring, and returns the publication.
func (s *Server) Release(sources Shop, ring string) store.Publication {
	s.T.Helper()
	p := s.Open(nil)
	plan := s.Plan(p, sources, ring)
	publication := store.Publication{Plan: plan, Rings: s.Rings, Digests: s.PushPlan(plan)}
	_, err := p.Publish(context.Background(), publication)
	must(s.T, err)
	s.Requests()
	return publication
}

// Next plans and pushes a change, and publishes nothing.
func (s *Server) Next(sources Shop, ring string, merge ...string) store.Publication {
	s.T.Helper()
	plan := s.Plan(s.Open(nil), sources, ring, merge...)
	publication := store.Publication{Plan: plan, Rings: s.Rings, Digests: s.PushPlan(plan)}
	s.Requests()
	return publication
}

// Planned is next for several at a time.
func (s *Server) Planned(sources Shop) store.Publication {
	plan := s.Plan(s.Open(nil), sources, "developers")
	return store.Publication{Plan: plan, Rings: Rings, Digests: s.PushPlan(plan)}
}
