package repair_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/layout"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/repair"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

// server is a registry with a project in it, and what only the tests here need.
type server struct {
	*storetest.Server
	mu sync.Mutex // of what faults remember
}

var shiftAll versioning.ShiftRequest

func newServer(t *testing.T) *server {
	t.Helper()
	return &server{Server: storetest.New(t)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// loses deletes manifests, by tag or digest, as the registry has them: image:tag or
// image@digest.
func (s *server) loses(references ...string) {
	s.T.Helper()
	for _, reference := range references {
		image, identifier, _ := strings.Cut(strings.ReplaceAll(reference, "@", " "), " ")
		if identifier == "" {
			image, identifier, _ = strings.Cut(reference, ":")
		}
		if code, said := s.Do("DELETE", "/v2/"+storetest.Project+"/"+image+"/manifests/"+identifier, "", nil); code != 202 {
			s.T.Fatalf("deleting %s: %d %s", reference, code, said)
		}
	}
}

// digest is what a tag names.
func (s *server) digest(image, tag string) string { return s.EveryTag()[image][tag] }

// media is a copy of some releases in a folder.
func (s *server) media(releases ...string) registry.Namespace {
	s.T.Helper()
	dir := s.T.TempDir() + "/media"
	l, err := layout.Open(dir, storetest.Project)
	must(s.T, err)
	_, err = mirror.Copy(context.Background(), s.At(nil), l, mirror.Request{Releases: releases})
	must(s.T, err)
	l, err = layout.Open(dir, storetest.Project)
	must(s.T, err)
	return l
}

// repairs repairs, and returns a line for each thing that was done or left.
func (s *server) repairs(from registry.Namespace) (done, left string) {
	s.T.Helper()
	before := s.EveryTag()
	options := repair.Options{Rings: storetest.Rings, From: from, DryRun: true}
	dry, err := repair.Repair(context.Background(), s.Open(nil), options)
	must(s.T, err)
	if after := s.EveryTag(); !equal(before, after) {
		s.T.Error("the dry run wrote something")
	}
	options.DryRun = false
	outcome, err := repair.Repair(context.Background(), s.Open(nil), options)
	must(s.T, err)
	done, left = s.lines(outcome.Done), s.lines(outcome.Left)
	if said := s.lines(dry.Done); said != done {
		s.T.Errorf("the dry run said\n%s\nit was\n%s", said, done)
	}
	if left == "" {
		again, err := repair.Repair(context.Background(), s.Open(nil), options)
		if err != nil || len(again.Done)+len(again.Left) > 0 {
			s.T.Errorf("once more: %v, %v", again, err)
		}
	}
	return done, left
}

func equal(a, b map[string]map[string]string) bool {
	for _, pair := range [][2]map[string]map[string]string{{a, b}, {b, a}} {
		for image, tags := range pair[0] {
			for tag, digest := range tags {
				if pair[1][image][tag] != digest {
					return false
				}
			}
		}
	}
	return true
}

func (s *server) lines(steps []repair.Step) string {
	var lines []string
	for _, step := range steps {
		lines = append(lines, strings.ReplaceAll(step.String(), s.Host()+"/acme/shop/", ""))
	}
	return strings.Join(lines, "\n")
}

// finds is what verify finds, a line each.
func (s *server) finds() string {
	s.T.Helper()
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(s.T, err)
	var lines []string
	for _, finding := range report.Findings {
		lines = append(lines, strings.ReplaceAll(finding.String(), s.Host()+"/acme/shop/", ""))
	}
	return strings.Join(lines, "\n")
}

func repairOf(s *server) (repair.Outcome, error) {
	return repair.Repair(context.Background(), s.Open(nil), repair.Options{Rings: storetest.Rings})
}

// dies refuses a request, and so ends the command that makes it.
func (s *server) dies(at string) {
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		hit := registrytest.Line(r) == at
		if hit {
			registrytest.Status(403)(w, r)
		}
		return hit
	})
}
