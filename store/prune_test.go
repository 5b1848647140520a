package store

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

func pruneOptions(keep int) PruneOptions {
	return PruneOptions{Rings: fiveRings, Author: Author{Actor: "ann"}, Keep: keep}
}

func (s *server) prune(keep int) Pruned {
	s.t.Helper()
	pruned, err := s.open(nil).Prune(context.Background(), pruneOptions(keep))
	must(s.t, err)
	return pruned
}

// verified checks that verify finds nothing.
func (s *server) verified() {
	s.t.Helper()
	report, err := s.open(nil).Verify(context.Background(), nil)
	must(s.t, err)
	for _, finding := range report.Findings {
		s.t.Errorf("verify: %s", finding)
	}
	s.whole()
}

// developed is a project of six releases: 0.1.0 in testers, 0.2.4 in developers.
func developed(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	s.grow()
	return s
}

func (s *server) grow() {
	s.t.Helper()
	s.release(firstShop, "developers")
	s.shift()
	for i := range 5 {
		s.release(with(firstShop, shop{"mail": i + 2, "api": i/2 + 2}), "developers")
	}
	s.requests()
}

func named(releases []ReleaseName) string {
	var all []string
	for _, release := range releases {
		all = append(all, release.Version.String())
	}
	return strings.Join(all, " ")
}

func TestPrune(t *testing.T) {
	s := developed(t)
	before := s.everyTag()
	options := pruneOptions(1)
	options.DryRun = true
	s.requests()
	dry, err := s.open(nil).Prune(context.Background(), options)
	must(t, err)
	for _, request := range s.requests() {
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
	after := s.everyTag()
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
	s.requests()
	if again := s.prune(1); again.String() != "acme/shop has nothing to prune: 3 releases are needed\n" || again.Record > 0 {
		t.Errorf("again: %s", again)
	}
	for _, request := range s.requests() {
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
			s.release(with(firstShop, shop{"mail": 100 + 10*round + i, "api": 200 + 10*round + i, "base": 7 + i}), ring)
		}
		s.prune(1)
		s.verified()
	}
	history, err := s.open(nil).History(context.Background(), 1000)
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
	var pruned *PrunedError
	_, err := s.open(nil).Set(context.Background(), ringOptions(), "users", versionOf("0.2.0"), false)
	if !errors.As(err, &pruned) || pruned.Version != versionOf("0.2.0") {
		t.Errorf("set: %v", err)
	}
	_, err = Copy(context.Background(), s.open(nil), newServer(t).open(nil), CopyRequest{Releases: []string{"0.2.0"}})
	if !errors.As(err, &pruned) {
		t.Errorf("copy: %v", err)
	}
	options := pruneOptions(1)
	options.Needed = []versioning.Version{versionOf("0.2.0")}
	if _, err := s.open(nil).Prune(context.Background(), options); !errors.As(err, &pruned) {
		t.Errorf("needed: %v", err)
	}
	_, err = s.open(nil).Unshift(context.Background(), ringOptions(), nil)
	must(t, err)
	s.verified()
	options.Needed = []versioning.Version{versionOf("9.9.9")}
	if _, err := s.open(nil).Prune(context.Background(), options); err == nil || !strings.Contains(err.Error(), "the log has no release 9.9.9") {
		t.Errorf("needed: %v", err)
	}
}

func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	s := developed(t)
	options := pruneOptions(3)
	options.Needed = []versioning.Version{versionOf("0.2.0")}
	pruned, err := s.open(nil).Prune(context.Background(), options)
	must(t, err)
	if got := named(pruned.Releases); got != "" {
		t.Errorf("it pruned %s", got)
	}
	options.Needed = nil
	pruned, err = s.open(nil).Prune(context.Background(), options)
	must(t, err)
	if got := named(pruned.Releases); got != "0.2.0" {
		t.Errorf("it pruned %s", got)
	}
	s.verified()
}

func TestPruneAfterShifts(t *testing.T) {
	s := newServer(t)
	s.steps(4)
	s.shift()
	held := s.holds()
	pruned := s.prune(1)
	s.verified()
	if s.holds() != held {
		t.Errorf("the rings held %s and hold %s", held, s.holds())
	}
	_, err := s.open(nil).Unshift(context.Background(), ringOptions(), nil)
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
					plain(405, "UNSUPPORTED: no")(w, r)
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
				_, manifest := s.do("GET", r.URL.Path, "", nil)
				for tag, digest := range s.everyTag()[records.Repository] {
					if digest == digestOf(manifest) {
						s.do("DELETE", at+tag, "", nil)
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
				plain(412, "PRECONDITION: tag matched immutable rule")(w, r)
				return true
			}
		}, "the registry lets no tag move, so 8 of the version tags stay"},
	} {
		t.Run(name, func(t *testing.T) {
			s := developed(t)
			s.setFault(test.fault(s))
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
	s, mirror := developed(t), newServer(t)
	copies(t, s.open(nil), mirror.open(nil), "developers")
	for _, dry := range []bool{false, true} {
		options := pruneOptions(1)
		options.DryRun = dry
		var refused *MirrorError
		if _, err := mirror.open(nil).Prune(context.Background(), options); !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	}
}
