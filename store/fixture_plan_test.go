package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// shop is the sources of a project: what each image needs, and its revision.
type shop map[string]int

var (
	shopNeeds = map[string][]string{"api": {"base"}, "web": {"base"}, "jobs": {"api"}}
	shopOrder = []string{"base", "mail", "api", "web", "jobs", "deploy"}
)

// shape is what a project has.
type shape struct {
	rings  []string
	needs  map[string][]string // of images
	images []string            // those that are needed come first, the root image last
}

var acme = shape{fiveRings, shopNeeds, shopOrder}

// plan plans a build of the sources for a ring, that contains the releases of
// some other rings.
func (s *server) plan(p *Project, sources shop, ring string, merge ...string) versioning.Plan {
	s.t.Helper()
	ctx := context.Background()
	placed := map[string]*versioning.Placed{}
	for {
		unread, err := versioning.Unread(s.rings, ring, placed)
		must(s.t, err)
		if len(unread) == 0 {
			break
		}
		for _, name := range unread {
			placed[name], err = p.Ring(ctx, "deploy", name)
			must(s.t, err)
		}
	}
	state, err := versioning.Select(s.rings, ring, placed)
	must(s.t, err)
	request := versioning.Request{Project: acmeShop, Root: "deploy", State: state, Commit: "c0ffee"}
	for _, name := range merge {
		merged, err := p.Ring(ctx, "deploy", name)
		must(s.t, err)
		request.Merge = append(request.Merge, *merged)
	}
	for _, name := range s.images {
		if revision, present := sources[name]; present {
			request.Images = append(request.Images, versioning.Source{
				Name: name, Revision: digestOf(fmt.Append(nil, revision)), Platforms: []string{"linux/amd64"},
				Dependencies: slices.DeleteFunc(slices.Clone(s.needs[name]), func(need string) bool { return sources[need] == 0 }),
			})
		}
	}
	plan, err := versioning.Resolve(request, s.lookup)
	must(s.t, err)
	return plan
}

// lookup finds the identity of a version in its label.
func (s *server) lookup(image string, version versioning.Version) (string, bool, error) {
	at := "/v2/" + acmeShop + "/" + image
	code, index := s.do("GET", at+"/manifests/"+version.String(), "", nil)
	if code != http.StatusOK {
		return "", false, nil
	}
	if digestOf(index) == records.Tombstone().Digest {
		return "", true, nil
	}
	digest, err := platformImage(index)
	must(s.t, err)
	_, manifest := s.do("GET", at+"/manifests/"+digest, "", nil)
	digest, _, err = configOf(manifest)
	must(s.t, err)
	_, data := s.do("GET", at+"/blobs/"+digest, "", nil)
	var config struct {
		Config struct{ Labels map[string]string }
	}
	must(s.t, json.Unmarshal(data, &config))
	return config.Config.Labels[labels.Identity], true, nil
}

// release publishes the sources to a ring, and returns the publication.
func (s *server) release(sources shop, ring string) Publication {
	s.t.Helper()
	p := s.open(nil)
	plan := s.plan(p, sources, ring)
	publication := Publication{Plan: plan, Rings: s.rings, Digests: s.pushPlan(plan)}
	_, err := p.Publish(context.Background(), publication)
	must(s.t, err)
	s.requests()
	return publication
}

// next plans and pushes a change, and publishes nothing.
func (s *server) next(sources shop, ring string, merge ...string) Publication {
	s.t.Helper()
	plan := s.plan(s.open(nil), sources, ring, merge...)
	publication := Publication{Plan: plan, Rings: s.rings, Digests: s.pushPlan(plan)}
	s.requests()
	return publication
}
