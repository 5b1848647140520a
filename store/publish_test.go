package store_test

import (
	stdcmp "cmp"
	"context"
	"regexp"
	"slices"
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

var recordTag = regexp.MustCompile(`record-\d{8}(?:-(?:r\d\d-)?([a-z]+)-[0-9a-f]{64})?$`)

// brief counts requests, with record tags cut to what they are.
func brief(requests []string) map[string]int {
	var cut []string
	for _, request := range requests {
		if found := recordTag.FindStringSubmatch(request); found != nil {
			request = recordTag.ReplaceAllString(request, stdcmp.Or(found[1], "record"))
		}
		cut = append(cut, request)
	}
	return registrytest.Count(cut)
}

// publishing is what a publish asks uncontended: of the log, the ring, and each
// image that it builds under its version. In an empty log it is one record's HEAD and its config
// less, and a list of the tags more.
func publishing(ring string, ofLog int, versions map[string]string) map[string]int {
	want := map[string]int{
		"GET /v2/": 1, "GET records records": 1, "GET records blob": 1, "HEAD records record": 5, "HEAD records doubt": 1,
		"POST records uploads": 1, "PUT records uploads": 1, "GET records list": 2,
		"PUT records try": 1, "PUT records yes": 1, "PUT records record": 1, "PUT records done": 1, "PUT records records": 1,
		"HEAD deploy " + ring: 1, "PUT deploy " + ring: 1,
	}
	if ofLog == 0 {
		delete(want, "GET records blob")
		want["HEAD records record"]--
		want["GET records list"]++ // an old record may be gone with the hint
		for _, other := range storetest.Rings {
			want["HEAD deploy "+other] = 1
		}
	}
	if len(versions) == 0 {
		want["HEAD records record"]-- // none before the ring's tag
		delete(want, "HEAD records doubt")
	}
	for name, version := range versions {
		want["GET "+name+" by digest"]++
		want["HEAD "+name+" "+version] += 2
		want["PUT "+name+" "+version]++
	}
	return want
}

// all is a version of every image of the first shop.
func all(version string) map[string]string {
	versions := map[string]string{}
	for _, name := range storetest.Order {
		versions[name] = version
	}
	return versions
}

// after adds the look whether the record before, of several images, was completed.
func after(want map[string]int) map[string]int {
	want["HEAD records done"] = 1
	return want
}

func TestFirstReleaseOfAProject(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	var events []store.Event
	publication.Progress = func(e store.Event) { events = append(events, e) }
	outcome, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	requests := s.Requests()
	if diff := cmp.Diff(publishing("developers", 0, all("0.1.0")), brief(requests)); diff != "" {
		t.Error(diff)
	}
	versions, ring := slices.Index(requests, "PUT deploy 0.1.0"), slices.Index(requests, "PUT deploy developers")
	record := slices.Index(requests, "PUT records record-00000001")
	for i, request := range requests {
		if strings.HasPrefix(request, "PUT") && strings.HasSuffix(request, " 0.1.0") && (i < record || i > versions) {
			t.Errorf("the order is not record, versions, ring: %q", requests)
		}
	}
	if ring < versions {
		t.Errorf("the ring's tag is not the last one: %q", requests)
	}
	if len(events) != 7 || events[6].Tag.Tag != "developers" || events[6].Done != 7 || events[6].Total != 7 || events[6].Existed {
		t.Errorf("events %+v", events)
	}
	for name, digest := range publication.Digests {
		if got := s.Tags()[name]["0.1.0"]; got != digest {
			t.Errorf("%s 0.1.0 is %s, not %s", name, got, digest)
		}
	}
	s.Whole()
	var written []string
	for _, tag := range outcome.Written {
		written = append(written, tag.Image)
	}
	if diff := cmp.Diff([]string{"base", "mail", "api", "web", "jobs", "deploy", "deploy"}, written); diff != "" {
		t.Error(diff)
	}
	if !outcome.Moved || outcome.Digest != publication.Digests["deploy"] || len(outcome.Written) != 7 || len(outcome.Existed) != 0 {
		t.Errorf("outcome %+v", outcome)
	}
	if placed := s.Ring("developers"); placed.Digest != outcome.Digest || placed.Release.Version() != outcome.Version {
		t.Errorf("the ring has %+v", placed)
	}
}

func TestDependenciesAreTaggedFirst(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	_, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	requests := s.Requests()
	for name, needs := range storetest.Needs {
		for _, need := range append(needs, "deploy") {
			before, after := "PUT "+need+" 0.1.0", "PUT "+name+" 0.1.0"
			if need == "deploy" {
				before, after = after, before
			}
			if slices.Index(requests, before) > slices.Index(requests, after) {
				t.Errorf("%q comes after %q", before, after)
			}
		}
	}
}

func TestNothingToPublishMakesNoRequest(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	plan := s.Plan(s.Open(nil), storetest.First, "developers")
	s.Requests()
	outcome, err := s.Open(nil).Publish(context.Background(), store.Publication{Plan: plan, Rings: storetest.Rings})
	must(t, err)
	if requests := s.Requests(); len(requests) != 0 {
		t.Errorf("requests %q", requests)
	}
	if want := "nothing to publish: developers has acme/shop 0.1.0 already"; outcome.String() != want || outcome.Moved {
		t.Errorf("outcome %q", outcome)
	}
}

func TestOneChangedImage(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	_, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	want := after(publishing("developers", 1, map[string]string{"mail": "0.1.1", "deploy": "0.1.1"}))
	if diff := cmp.Diff(want, brief(s.Requests())); diff != "" {
		t.Error(diff)
	}
	s.Whole()
}

func TestCostsAreBounded(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	for revision := 2; revision < 30; revision++ {
		publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": revision, "web": revision / 2}), "developers")
		_, err := s.Open(nil).Publish(context.Background(), publication)
		must(t, err)
		k := len(publication.Plan.PublishOrder())
		if n := len(s.Requests()); n != 1+20+4*k {
			t.Fatalf("release %d of %d images makes %d requests", revision, k, n)
		}
	}
}

func TestAnEmptyRingTakesAnUnchangedRelease(t *testing.T) {
	s := newServer(t)
	first := s.Release(storetest.First, "developers")
	publication := s.Next(storetest.First, "testers")
	outcome, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	want := after(publishing("testers", 1, nil))
	want["HEAD deploy developers"], want["GET deploy by digest"] = 1, 1
	if diff := cmp.Diff(want, brief(s.Requests())); diff != "" {
		t.Error(diff)
	}
	if outcome.Digest != first.Digests["deploy"] || len(outcome.Written) != 1 {
		t.Errorf("outcome %+v", outcome)
	}
	s.Whole()
}

// What a release that a ring has is made of is not built again, and its digests are the
// log's, whatever tags say.
func TestAdoptedImagesAreNotWritten(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	s.Set("users", s.Ring("developers"))
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 3}), "developers")
	taken := s.Ring("users")
	// The same change again, in a ring that still has the first release.
	s.Set("testers", taken)
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2, "web": 2}), "developers")
	i := slices.IndexFunc(publication.Plan.Images, func(i versioning.ImagePlan) bool { return i.Name == "mail" })
	mail := &publication.Plan.Images[i]
	*mail = versioning.ImagePlan{Name: "mail", Version: taken.Release.Images["mail"].Version, Changed: true, Adopted: true}
	s.Put("mail", mail.Version.String(), registry.ManifestType, []byte(`{"schemaVersion":2}`))
	_, err := s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	for _, request := range s.Requests() {
		if strings.Contains(request, " mail ") {
			t.Errorf("it makes %s", request)
		}
	}
	history, err := s.Open(nil).History(context.Background(), 6)
	must(t, err)
	want := records.Image{Version: mail.Version, Digest: history[4].Record.Images["mail"].Digest}
	if got := history[0].Record.Images["mail"]; got != want || want.Digest == "" {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAnAdoptedImageHasToBeThere(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	i := slices.IndexFunc(publication.Plan.Images, func(i versioning.ImagePlan) bool { return i.Name == "mail" })
	publication.Plan.Images[i].Adopted = true
	_, err := s.Open(nil).Publish(context.Background(), publication)
	want := "publishing acme/shop 0.1.0 to developers: mail 0.1.0, which the plan takes as it is, is in no release that a ring has: run the build again (nothing was written)"
	if got := s.Text(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
