package store_test

import (
	"context"
	"errors"
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

// abandoned is a registry where the newest record is a publish to the first ring whose
// writer has died, where others have taken one of its versions, and have moved the tag of
// another ring.
func abandoned(t *testing.T) (s *server, moved string) {
	s = newServer(t)
	s.Steps(1)
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 9}), "developers")
	mail, _ := publication.Plan.Image("mail")
	dies := &registrytest.Mortal{Inner: &http.Transport{}, After: true, Counts: func(r *http.Request) bool {
		name, ok := records.ParseName(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		return r.Method == http.MethodPut && ok && name.Mark == records.Decided
	}}
	_, err := s.Open(func(o *registry.Options) { o.Transport = dies }).Publish(context.Background(), publication)
	if err == nil {
		t.Fatal("it did not die")
	}
	s.push("mail", mail.Version.String())
	s.push("deploy", "testers")
	return s, s.Tags()["deploy"]["testers"]
}

// Whoever takes a publish back goes on with his own work only after he has looked at the
// tags of all rings.
func TestATagThatWasMovedBeforeAVoid(t *testing.T) {
	for name, test := range map[string]struct {
		do    func(s *server) error
		stops bool
	}{
		"stops a shift": {func(s *server) error {
			_, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{})
			return err
		}, true},
		"is put back by what mends": {func(s *server) error { return s.Open(nil).Mend(context.Background(), s.Rings) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, moved := abandoned(t)
			err := test.do(s)
			if differs := new(store.DifferenceError); errors.As(err, &differs) != test.stops || !test.stops && err != nil {
				t.Errorf("error %v", err)
			}
			l := readLedger(s)
			if newest := l.records[len(l.records)-1]; newest.Operation != records.OpVoid {
				t.Errorf("the newest record is a %s", newest.Operation)
			}
			want := s.Table()["testers"].Digest
			if test.stops {
				want = moved
			}
			if got := s.Tags()["deploy"]["testers"]; got != want {
				t.Errorf("testers is %s, want %s", got, want)
			}
		})
	}
}

// What the log has assigned is taken, also if somebody has deleted the version's tag.
func TestAVersionIsAssignedOnce(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Set("testers", s.Ring("developers"))
	mine := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "users")
	other := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 3}), "testers")
	_, err := s.Open(nil).Publish(context.Background(), other)
	must(t, err)
	for _, image := range []string{"mail", "deploy"} {
		if mine.Plan.Version() != other.Plan.Version() || s.Tags()[image]["0.1.1"] == "" {
			t.Fatalf("the plans do not want one version: %s and %s", mine.Plan.Version(), other.Plan.Version())
		}
		s.Do("DELETE", "/v2/"+storetest.Project+"/"+image+"/manifests/0.1.1", "", nil)
	}
	before := s.Tags()
	_, err = s.Open(nil).Publish(context.Background(), mine)
	taken := new(store.TakenError)
	if !errors.As(err, &taken) || !strings.Contains(err.Error(), "deploy 0.1.1 was assigned by the log meanwhile, and versions are never overwritten: run the build again") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, s.Tags()); diff != "" {
		t.Error(diff)
	}
	_, err = s.Open(nil).Publish(context.Background(), s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "users"))
	must(t, err)
}

// So it is where the log has forgotten the version's line, and what was assigned there is
// only in earlier records.
func TestAVersionIsAssignedOnceAlsoWhereTheLogHasForgotten(t *testing.T) {
	s := newServer(t)
	next := func(revision int, ring string) versioning.Version {
		t.Helper()
		mail, _ := s.Release(storetest.With(storetest.First, storetest.Shop{"mail": revision}), ring).Plan.Image("mail")
		return mail.Version
	}
	first := next(1, "developers")
	s.Set("testers", s.Ring("developers"))
	hotfix := next(2, "testers")
	next(3, "developers")
	s.Set("testers", s.Ring("developers"))
	next(4, "developers")
	l := readLedger(s)
	if assigned := l.records[len(l.records)-1].Assigned; assigned.Knows("mail", hotfix) || assigned.Knows("deploy", hotfix) || hotfix.Minor != first.Minor {
		t.Fatalf("after %s the hotfix is %s, and %v is known", first, hotfix, assigned)
	}
	for _, image := range []string{"mail", "deploy"} {
		s.Do("DELETE", "/v2/"+storetest.Project+"/"+image+"/manifests/"+hotfix.String(), "", nil)
	}
	_, err := s.Open(nil).Set(context.Background(), storetest.RingOptions(), "testers", first, true)
	must(t, err)
	again := next(5, "testers")
	tags := s.Tags()
	if again == hotfix || tags["mail"][hotfix.String()] != "" || tags["deploy"][hotfix.String()] != "" {
		t.Errorf("%s was assigned again: mail is %s, tags %v", hotfix, again, tags)
	}
}
