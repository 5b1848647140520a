package prune_test

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
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/prune"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

func pruneOptions(keep int) prune.Options {
	return prune.Options{Rings: storetest.Rings, Author: store.Author{Actor: "ann"}, Keep: keep}
}

func (s *server) prune(keep int) prune.Outcome {
	s.T.Helper()
	pruned, err := prune.Prune(context.Background(), s.Open(nil), pruneOptions(keep))
	must(s.T, err)
	return pruned
}

// verified checks that verify finds nothing.
func (s *server) verified() {
	s.T.Helper()
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(s.T, err)
	for _, finding := range report.Findings {
		s.T.Errorf("verify: %s", finding)
	}
	s.Whole()
}

// developed is a project of six releases: 0.1.0 in testers, 0.2.4 in developers.
func developed(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	s.grow()
	return s
}

func (s *server) grow() {
	s.T.Helper()
	s.Release(storetest.First, "developers")
	s.Shift()
	for i := range 5 {
		s.Release(storetest.With(storetest.First, storetest.Shop{"mail": i + 2, "api": i/2 + 2}), "developers")
	}
	s.Requests()
}

func named(releases []store.ReleaseName) string {
	var all []string
	for _, release := range releases {
		all = append(all, release.Version.String())
	}
	return strings.Join(all, " ")
}

func TestPrune(t *testing.T) {
	s := developed(t)
	before := s.EveryTag()
	options := pruneOptions(1)
	options.DryRun = true
	s.Requests()
	dry, err := prune.Prune(context.Background(), s.Open(nil), options)
	must(t, err)
	for _, request := range s.Requests() {
		if !strings.HasPrefix(request, "GET") && !strings.HasPrefix(request, "HEAD") {
			t.Errorf("the dry run makes %s", request)
		}
	}
	pruned := s.prune(1)
	if dry.String() != pruned.String() {
		t.Errorf("the dry run says\n%sit is\n%s", dry, pruned)
	}
	// 0.2.3 is in the table before the newest record.
	want := "acme/shop: 3 releases are not needed, 3 stay; 8 version tags, 12 votes\n" +
		"  api 0.2.0\n  deploy 0.2.0 0.2.1 0.2.2\n  jobs 0.2.0\n  mail 0.2.0 0.2.1 0.2.2\n"
	if pruned.String() != want {
		t.Errorf("got\n%swant\n%s", pruned, want)
	}
	after := s.EveryTag()
	for image, tags := range before {
		for tag, digest := range tags {
			gone := false
			for _, one := range pruned.Tags {
				gone = gone || one.Image == image && one.Tag == tag
			}
			switch now := after[image][tag]; {
			case image == records.Repository:
			case gone && now != records.Tombstone().Digest, !gone && now != digest:
				t.Errorf("%s:%s was %s and is %s, pruned %v", image, tag, digest, now, gone)
			}
		}
	}
	for tag := range after[records.Repository] {
		if name, ok := records.ParseName(tag); !ok || name.Sequence > 0 && name.Sequence < 7 && name.Mark != records.Decided && name.Mark != records.Done {
			t.Errorf("the log has %s", tag)
		}
	}
	s.verified()
	s.Requests()
	if again := s.prune(1); again.String() != "acme/shop has nothing to prune: 3 releases are needed\n" || again.Record > 0 {
		t.Errorf("again: %s", again)
	}
	for _, request := range s.Requests() {
		if !strings.HasPrefix(request, "GET") && !strings.HasPrefix(request, "HEAD") {
			t.Errorf("again it makes %s", request)
		}
	}
}

// TestVersionsAreNotUsedAgain builds for every ring after as much was pruned as can be.
func TestVersionsAreNotUsedAgain(t *testing.T) {
	s := developed(t)
	s.prune(1)
	s.prune(1)
	for round := range 3 {
		for i, ring := range []string{"developers", "testers", "users"} {
			s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 100 + 10*round + i, "api": 200 + 10*round + i, "base": 7 + i}), ring)
		}
		s.prune(1)
		s.verified()
	}
	history, err := s.Open(nil).History(context.Background(), 1000)
	must(t, err)
	assigned := map[string]uint64{}
	for _, sealed := range history {
		for _, tag := range sealed.Record.Versions() {
			key := tag.Repository + ":" + tag.Tag
			if other := assigned[key]; other > 0 {
				t.Errorf("%s is assigned by records %d and %d", key, sealed.Record.Sequence, other)
			}
			assigned[key] = sealed.Record.Sequence
		}
	}
}

func TestPrunedReleasesStayAway(t *testing.T) {
	s := developed(t)
	s.prune(1)
	var pruned *store.PrunedError
	_, err := s.Open(nil).Set(context.Background(), storetest.RingOptions(), "users", storetest.VersionOf("0.2.0"), false)
	if !errors.As(err, &pruned) || pruned.Version != storetest.VersionOf("0.2.0") {
		t.Errorf("set: %v", err)
	}
	_, err = mirror.Copy(context.Background(), s.Open(nil).Namespace(), newServer(t).Open(nil).Namespace(), mirror.Request{Releases: []string{"0.2.0"}})
	if !errors.As(err, &pruned) {
		t.Errorf("copy: %v", err)
	}
	options := pruneOptions(1)
	options.Needed = []versioning.Version{storetest.VersionOf("0.2.0")}
	if _, err := prune.Prune(context.Background(), s.Open(nil), options); !errors.As(err, &pruned) {
		t.Errorf("needed: %v", err)
	}
	_, err = s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
	must(t, err)
	s.verified()
	options.Needed = []versioning.Version{storetest.VersionOf("9.9.9")}
	if _, err := prune.Prune(context.Background(), s.Open(nil), options); err == nil || !strings.Contains(err.Error(), "the log has no release 9.9.9") {
		t.Errorf("needed: %v", err)
	}
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	s := developed(t)
	options := pruneOptions(3)
	options.Needed = []versioning.Version{storetest.VersionOf("0.2.0")}
	pruned, err := prune.Prune(context.Background(), s.Open(nil), options)
	must(t, err)
	if got := named(pruned.Releases); got != "" {
		t.Errorf("it pruned %s", got)
	}
	options.Needed = nil
	pruned, err = prune.Prune(context.Background(), s.Open(nil), options)
	must(t, err)
	if got := named(pruned.Releases); got != "0.2.0" {
		t.Errorf("it pruned %s", got)
	}
	s.verified()
}

// Each ring's two newest shifts can be undone after a prune, whatever was shifted elsewhere.
func TestPruneKeepsWhatUndoingTwiceBringsBack(t *testing.T) {
	s := newServer(t)
	shift := func(from, to string) {
		_, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{From: from, To: to})
		must(t, err)
	}
	s.Release(storetest.First, "developers")
	second := storetest.Shop{"base": 2, "mail": 2, "api": 2, "web": 2, "jobs": 2, "deploy": 2}
	for i := range 4 {
		shift("developers", "testers")
		s.Release(storetest.With(second, storetest.Shop{"mail": i + 2}), "developers")
	}
	shift("testers", "users")
	for i := range 3 {
		s.Release(storetest.With(second, storetest.Shop{"mail": i + 7}), "developers")
	}
	if got := named(s.prune(1).Releases); got != "0.1.0 0.5.0 0.5.1" {
		t.Errorf("it pruned %s", got)
	}
	for _, want := range []string{"- 0.5.3 0.3.0 0.4.0 -", "- 0.5.3 0.2.0 0.4.0 -"} {
		_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), []string{"testers"})
		must(t, err)
		if got := s.Holds(); got != want {
			t.Errorf("the rings have %s, want %s", got, want)
		}
	}
	_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), []string{"testers"})
	if refused := new(versioning.UnshiftError); !errors.As(err, &refused) || !strings.Contains(err.Error(), "0.1.0, which it had before the shift of record 4, was pruned: place a release with `quoit set testers VERSION`") {
		t.Errorf("unshift: %v", err)
	}
	s.verified()
}

// So can two shifts that commands of schema 1 have made, which do not say what was below
// them.
func TestPruneKeepsWhatUndoingShiftsOfSchema1BringsBack(t *testing.T) {
	s := newServer(t)
	s.Frozen("grown")
	options := storetest.RingOptions()
	_, err := s.Open(nil).Unhold(context.Background(), options, storetest.Rings)
	must(t, err)
	for _, version := range []string{"0.3.0", "0.4.0", "0.4.1"} { // testers' own shifts stay the newest there
		_, err := s.Open(nil).Set(context.Background(), options, "testers", storetest.VersionOf(version), true)
		must(t, err)
		for _, ring := range []string{"testers", "users"} {
			_, err := s.Open(nil).Shift(context.Background(), options, versioning.ShiftRequest{From: ring, To: map[string]string{"testers": "users", "users": "post"}[ring], Discard: []string{"users"}})
			must(t, err)
		}
	}
	s.Release(storetest.Shop{"base": 9, "mail": 9, "api": 9, "web": 9, "jobs": 9, "deploy": 9}, "developers")
	s.prune(1)
	_, err = s.Open(nil).Set(context.Background(), options, "testers", storetest.VersionOf("0.3.0"), true)
	must(t, err)
	for _, want := range []string{"0.2.0", "0.1.0"} {
		_, err := s.Open(nil).Unshift(context.Background(), options, []string{"testers"})
		must(t, err)
		if got := s.Table()["testers"].Version.String(); got != want {
			t.Errorf("testers has %s, want %s", got, want)
		}
	}
}

// What was published up to a record that is gone stays, whatever else is needed.
func TestPruneOfALogWithAGap(t *testing.T) {
	s := developed(t)
	tag := records.Name{Sequence: 4}.String()
	forgotten := s.EveryTag()[records.Repository][tag]
	for other, digest := range s.EveryTag()[records.Repository] {
		if digest == forgotten {
			s.Do("DELETE", "/v2/"+storetest.Project+"/"+records.Repository+"/manifests/"+other, "", nil)
		}
	}
	s.Do("DELETE", "/v2/"+storetest.Project+"/"+records.Repository+"/manifests/"+forgotten, "", nil)
	before := s.Tags()
	pruned := s.prune(1)
	if got := named(pruned.Releases); got != "0.2.2" { // the first one of record 5, and 0.2.3 is the one before the newest
		t.Errorf("it pruned %s", got)
	}
	if len(pruned.Notes) != 1 || !strings.HasPrefix(pruned.Notes[0], "record 4 of the log is gone, so what was published up to it stays") {
		t.Errorf("notes %q", pruned.Notes)
	}
	for image, tags := range s.Tags() {
		for name, digest := range tags {
			if digest != before[image][name] && (name != "0.2.2" || image != "deploy" && image != "mail") {
				t.Errorf("%s:%s was pruned", image, name)
			}
		}
	}
	s.Whole()
}

func TestPruneAfterShifts(t *testing.T) {
	s := newServer(t)
	s.Steps(4)
	s.Shift()
	held := s.Holds()
	pruned := s.prune(1)
	s.verified()
	if s.Holds() != held {
		t.Errorf("the rings had %s and have %s", held, s.Holds())
	}
	_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
	must(t, err)
	s.verified()
	if len(pruned.Releases) > 0 {
		t.Errorf("it pruned %s", named(pruned.Releases))
	}
}

func TestPruneOnOtherRegistries(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(s *server) func(n int, w http.ResponseWriter, r *http.Request) bool
		note  string
	}{
		"refuses to delete": {func(*server) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				refused := r.Method == http.MethodDelete
				if refused {
					registrytest.Plain(405, "UNSUPPORTED: no")(w, r)
				}
				return refused
			}
		}, "the registry does not delete single tags"},
		"deletes every tag of the manifest": {func(s *server) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodDelete {
					return false
				}
				at := r.URL.Path[:strings.LastIndex(r.URL.Path, "/")+1]
				_, manifest := s.Do("GET", r.URL.Path, "", nil)
				for tag, digest := range s.EveryTag()[records.Repository] {
					if digest == registry.DigestOf(manifest) {
						s.Do("DELETE", at+tag, "", nil)
					}
				}
				w.WriteHeader(http.StatusAccepted)
				return true
			}
		}, "the registry does not delete single tags"},
		"refuses to overwrite": {func(s *server) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/0.") {
					return false
				}
				registrytest.Plain(412, "PRECONDITION: tag matched immutable rule")(w, r)
				return true
			}
		}, "the registry does not let tags move, so 8 version tags stay"},
	} {
		t.Run(name, func(t *testing.T) {
			s := developed(t)
			s.SetFault(test.fault(s))
			pruned := s.prune(1)
			if len(pruned.Notes) != 1 || !strings.HasPrefix(pruned.Notes[0], test.note) {
				t.Errorf("notes %q", pruned.Notes)
			}
			s.verified()
			again := s.prune(1)
			if diff := cmp.Diff(pruned.Notes, again.Notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPruneOfAMirror(t *testing.T) {
	s, copied := developed(t), newServer(t)
	_, err := mirror.Copy(context.Background(), s.Open(nil).Namespace(), copied.Open(nil).Namespace(), mirror.Request{Releases: []string{"developers"}})
	must(t, err)
	for _, dry := range []bool{false, true} {
		options := pruneOptions(1)
		options.DryRun = dry
		var refused *store.MirrorError
		if _, err := prune.Prune(context.Background(), copied.Open(nil), options); !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	}
}
