package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// push is somebody else, who gives a version to something else.
func (s *server) push(image string, versions ...string) {
	s.T.Helper()
	digest := s.Push(image, map[string]string{"whose": "somebody's"})
	_, index := s.Do("GET", "/v2/"+storetest.Project+"/"+image+"/manifests/"+digest, "", nil)
	for _, version := range versions {
		s.Put(image, version, registry.IndexType, index)
	}
}

// Versions that others have taken are said in the log, and one more build passes over all
// of them.
func TestTakenVersionsAreBurnt(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Set("testers", s.Ring("developers"))
	changed := storetest.With(storetest.First, storetest.Shop{"mail": 2, "web": 2})
	publication := s.Next(changed, "developers")
	mail, _ := publication.Plan.Image("mail")
	if mail.Version.String() != "0.2.0" {
		t.Fatalf("the plan wants %s", mail.Version)
	}
	s.push("mail", "0.2.0", "0.1.1", "0.3.0", "0.4.0", "0.4.1")
	s.push("web", "0.2.0")
	_, err := s.Open(nil).Publish(context.Background(), publication)
	var taken *store.TakenError
	if !errors.As(err, &taken) || taken.Image != "mail" {
		t.Fatalf("error %v", err)
	}
	listed := registrytest.Count(s.Requests())
	if listed["GET mail list"] != 1 || listed["GET web list"] != 1 || listed["GET api list"] != 0 {
		t.Errorf("%v", listed)
	}
	l := readLedger(s)
	burn := l.records[len(l.records)-1]
	var said []string
	for _, tag := range burn.Taken {
		said = append(said, tag.Repository+":"+tag.Tag)
	}
	if diff := cmp.Diff([]string{"mail:0.2.0", "web:0.2.0"}, said); diff != "" || burn.Operation != records.OpBurn || len(burn.Moved()) > 0 {
		t.Errorf("%s %+v", diff, burn)
	}
	// The same plan says so again, and nothing more.
	if _, err := s.Open(nil).Publish(context.Background(), publication); !errors.As(err, &taken) {
		t.Errorf("again: %v", err)
	}
	if n := len(readLedger(s).records); n != len(l.records) {
		t.Errorf("%d records", n)
	}
	next := s.Next(changed, "developers")
	outcome, err := s.Open(nil).Publish(context.Background(), next)
	must(t, err)
	for name, want := range map[string]string{"mail": "0.5.0", "web": "0.1.1"} {
		if image, _ := next.Plan.Image(name); image.Version.String() != want {
			t.Errorf("the next plan has %s %s, not %s", name, image.Version, want)
		}
	}
	if !outcome.Moved {
		t.Errorf("%+v", outcome)
	}
	s.Whole()
}

// A burn that cannot be written says so, and the publish what it says without.
func TestABurnThatFails(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	s.push("mail", "0.1.1")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/mail/tags/list") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errors":[{"code":"DENIED"}]}`)
		return true
	})
	_, err := s.Open(nil).Publish(context.Background(), publication)
	if !errors.As(err, new(*store.TakenError)) || !strings.Contains(err.Error(), "this could not be recorded") || !strings.Contains(err.Error(), "no version or ring was written") {
		t.Errorf("error %v", err)
	}
}

// A burn that others may carry through is not denied, nor one that is in the log.
func TestABurnOfWhichNobodyKnows(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	s.push("mail", "0.1.1")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		vote := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/record-00000002-r01-yes-")
		if vote {
			registrytest.Status(403)(w, r)
		}
		return vote
	})
	_, err := s.Open(nil).Publish(context.Background(), publication)
	if !errors.As(err, new(*store.TakenError)) || !errors.As(err, new(*store.UnknownError)) || strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("error %v", err)
	}
	s.SetFault(nil)
	_, err = s.Open(nil).Publish(context.Background(), publication)
	if n := len(readLedger(s).records); n != 2 || !errors.As(err, new(*store.TakenError)) || strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("%d records, error %v", n, err)
	}
}

// A version that was taken between the look and the write is void, and burnt with what
// else there is.
func TestAVoidPublishIsBurnt(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	changed := storetest.With(storetest.First, storetest.Shop{"mail": 2})
	publication := s.Next(changed, "developers")
	mail, _ := publication.Plan.Image("mail")
	s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		name, ok := records.ParseName(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		if r.Method == http.MethodPut && ok && name.Mark == records.Yes && len(s.Tags()["mail"]) == 1 {
			next := mail.Version
			next.Patch++
			s.push("mail", mail.Version.String(), next.String())
		}
		return false
	})
	_, err := s.Open(nil).Publish(context.Background(), publication)
	s.SetFault(nil)
	if !errors.As(err, new(*store.VoidError)) {
		t.Fatalf("error %v", err)
	}
	var operations []string
	for _, record := range readLedger(s).records {
		operations = append(operations, record.Operation)
	}
	if diff := cmp.Diff([]string{"publish", "publish", "void", "burn"}, operations); diff != "" {
		t.Error(diff)
	}
	_, err = s.Open(nil).Publish(context.Background(), s.Next(changed, "developers"))
	must(t, err)
	s.Whole()
}

// Every version that has a tag counts as assigned, whatever happened; a record of what
// rings have that is gone under its tag is found by its digest.
func TestPublishesKnowWhatWasAssigned(t *testing.T) {
	s := newServer(t)
	s.Steps(3)
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 7, "api": 7}), "users")
	_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), []string{"testers"})
	must(t, err)
	l := readLedger(s)
	newest := l.records[len(l.records)-1]
	for image, tags := range s.Tags() {
		for tag := range tags {
			if version, err := versioning.Parse(tag); err == nil && !newest.Assigned.Taken(image, version) {
				t.Errorf("%s %s is free", image, version)
			}
		}
	}
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"web": 9}), "developers")
	for sequence := range uint64(len(l.records) - 1) {
		name := records.Name{Sequence: sequence + 1}.String()
		s.Do("DELETE", "/v2/"+storetest.Project+"/records/manifests/"+name, "", nil)
	}
	s.Requests()
	outcome, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	k := len(publication.Plan.PublishOrder())
	if n, most := len(s.Requests()), 1+20+4*k+2+3; n > most || !outcome.Done {
		t.Errorf("%d requests, more than %d: %+v", n, most, outcome)
	}
}

// A publish that was taken back has used the versions of all its images, so all need new
// ones: also those that nobody had taken are burnt up to what is free.
func TestAVoidPublishIsBurntWithAllItsImages(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	changed := storetest.With(storetest.First, storetest.Shop{"mail": 2, "web": 2})
	publication := s.Next(changed, "developers")
	s.push("web", "0.2.0", "0.3.0") // which the plan does not come to
	s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		name, ok := records.ParseName(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		if r.Method == http.MethodPut && ok && name.Mark == records.Yes && len(s.Tags()["mail"]) == 1 {
			s.push("mail", "0.1.1")
		}
		return false
	})
	_, err := s.Open(nil).Publish(context.Background(), publication)
	s.SetFault(nil)
	if !errors.As(err, new(*store.VoidError)) {
		t.Fatalf("error %v", err)
	}
	next := s.Next(changed, "developers")
	_, err = s.Open(nil).Publish(context.Background(), next)
	must(t, err)
	if web, _ := next.Plan.Image("web"); web.Version.String() != "0.4.0" {
		t.Errorf("web is %s", web.Version)
	}
	s.Whole()
}
