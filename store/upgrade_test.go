package store_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

// frozen is a registry as commands of schema 1 have left it.
func frozen(t *testing.T, name string) *server {
	s := newServer(t)
	s.Frozen(name)
	return s
}

// since are the operations of the records after those of schema 1, all of schema 2.
func (s *server) since(schema1 int) []string {
	s.T.Helper()
	l := readLedger(s)
	l.whole()
	var operations []string
	for i, record := range l.records {
		if want := 1 + min(1, i/schema1); record.Schema != want {
			s.T.Errorf("record %d has schema %d, not %d", record.Sequence, record.Schema, want)
		}
		if i >= schema1 {
			operations = append(operations, record.Operation)
		}
	}
	return operations
}

// How many records the frozen logs have.
const grown, older = 14, 4

// Whatever writes to a log of schema 1 upgrades it first, once, and what reads it does not.
func TestEveryWriterUpgradesTheLog(t *testing.T) {
	ctx, options := context.Background(), storetest.RingOptions()
	for name, test := range map[string]struct {
		do   func(s *server, p *store.Project) error
		want []string
	}{
		"publish": {func(s *server, p *store.Project) error {
			_, err := p.Publish(ctx, s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 9}), "developers"))
			return err
		}, []string{"upgrade", "publish"}},
		"hold": {func(_ *server, p *store.Project) error {
			_, err := p.Hold(ctx, options, "testers", "")
			return err
		}, []string{"upgrade", "hold"}},
		"set": {func(_ *server, p *store.Project) error {
			_, err := p.Set(ctx, options, "ante", storetest.VersionOf("0.2.1"), false)
			return err
		}, []string{"upgrade", "set"}},
		"shift": {func(_ *server, p *store.Project) error {
			_, err := p.Shift(ctx, options, versioning.ShiftRequest{To: "testers", Discard: []string{"testers"}})
			return err
		}, []string{"upgrade", "shift"}},
		"append": {func(_ *server, p *store.Project) error {
			_, err := p.Append(ctx, options.Author, options.Rings, func(newest records.Record) (records.Record, error) {
				return newest.Following("copy"), nil
			})
			return err
		}, []string{"upgrade", "copy"}},
		"upgrade": {func(_ *server, p *store.Project) error { return p.Upgrade(ctx, options.Author, options.Rings) }, []string{"upgrade"}},
		"settle":  {func(_ *server, p *store.Project) error { return p.Settle(ctx, options.Rings) }, nil},
		"a dry run": {func(_ *server, p *store.Project) error {
			options := options
			options.DryRun = true
			_, err := p.Shift(ctx, options, versioning.ShiftRequest{To: "testers", Discard: []string{"testers"}})
			return err
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := frozen(t, "grown")
			before := s.Table()
			must(t, test.do(s, s.Open(nil)))
			if diff := cmp.Diff(test.want, s.since(grown)); diff != "" {
				t.Error(diff)
			}
			if name == "upgrade" {
				if diff := cmp.Diff(before, s.Table()); diff != "" {
					t.Error(diff)
				}
				s.Requests()
				must(t, s.Open(nil).Upgrade(ctx, options.Author, options.Rings))
				for _, request := range s.Requests() {
					if strings.HasPrefix(request, http.MethodPut) {
						t.Errorf("a second upgrade: %s", request)
					}
				}
			}
			report, err := verify.Verify(ctx, s.Open(nil), nil)
			must(t, err)
			if len(report.Findings) > 0 {
				t.Error(report.Findings)
			}
		})
	}
}

// The upgrade says by digest what every ring has, and every version that has a tag counts
// as assigned.
func TestUpgradeKnowsAll(t *testing.T) {
	for name, count := range map[string]int{"grown": grown, "older": older} {
		s := frozen(t, name)
		must(t, s.Open(nil).Upgrade(context.Background(), store.Author{Actor: "ann"}, storetest.Rings))
		l := readLedger(s)
		upgrade := l.records[count]
		if upgrade.Operation != records.OpUpgrade || upgrade.Actor != "ann" || len(upgrade.Tops) == 0 {
			t.Errorf("%s: %+v", name, upgrade)
		}
		for ring, place := range upgrade.After {
			if place.Record > 0 && upgrade.Digests[place.Record] != l.digests[place.Record-1] {
				t.Errorf("%s: ring %s, record %d is %q", name, ring, place.Record, upgrade.Digests[place.Record])
			}
		}
		for image, tags := range s.Tags() {
			for tag := range tags {
				if version, err := versioning.Parse(tag); err == nil && !upgrade.Assigned.Taken(image, version) {
					t.Errorf("%s: %s %s is free", name, image, version)
				}
			}
		}
		if next := storetest.VersionOf("0.30.0"); upgrade.Assigned.Taken("mail", next) {
			t.Errorf("%s: mail %s is not", name, next)
		}
	}
}

// Where records are gone, the rings still move.
func TestUpgradeOfALogWithGaps(t *testing.T) {
	s := frozen(t, "grown")
	needed := map[uint64]bool{grown: true}
	for _, place := range s.Table() {
		needed[place.Record] = true
	}
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		at := strings.Split(r.URL.Path, "/")
		name, ok := records.ParseName(at[len(at)-1])
		if ok && name.Mark == records.Decided && name.Sequence < grown && !needed[name.Sequence] {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`)
			return true
		}
		return false
	})
	_, err := s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "testers", "")
	must(t, err)
	listed := registrytest.Count(s.Requests())["GET mail list"]
	s.SetFault(nil)
	l := readLedger(s)
	upgrade := l.records[grown]
	for image, tags := range s.Tags() {
		for tag := range tags {
			if version, err := versioning.Parse(tag); err == nil && !upgrade.Assigned.Taken(image, version) {
				t.Errorf("%s %s is free", image, version)
			}
		}
	}
	if diff := cmp.Diff([]string{"upgrade", "hold"}, s.since(grown)); diff != "" || listed != 1 {
		t.Error(listed, diff)
	}
}

// Wherever an upgrade dies, the next command comes to the same log, with one upgrade.
func TestEveryCrashOfAnUpgrade(t *testing.T) {
	counts := isWrite
	s := frozen(t, "grown")
	_, err := s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "testers", "")
	must(t, err)
	points := 0
	for _, request := range s.Requests() {
		if method, _, _ := strings.Cut(request, " "); method != http.MethodGet && method != http.MethodHead {
			points++
		}
	}
	for n := 0; n < points; n += dose.Of(2, 1, 1) {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(n, after), func(t *testing.T) {
				t.Parallel()
				s := frozen(t, "grown")
				m := &registrytest.Mortal{Inner: &http.Transport{}, Left: n, After: after, Counts: counts}
				_, err := s.Open(func(o *registry.Options) { o.Transport = m }).Hold(context.Background(), storetest.RingOptions(), "testers", "")
				if !m.Dead {
					t.Fatalf("it did not die: %v", err)
				}
				_, err = s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "post", "")
				must(t, err)
				operations := s.since(grown)
				if operations[0] != "upgrade" || slices.Contains(operations[1:], "upgrade") || len(operations) > 3 || operations[len(operations)-1] != "hold" {
					t.Errorf("operations %v, after %v", operations, err)
				}
				readLedger(s).tags()
			})
		}
	}
}

// Several that find a log of schema 1 upgrade it once.
func TestUpgradesRace(t *testing.T) {
	s := frozen(t, "grown")
	publication := s.Planned(storetest.With(storetest.First, storetest.Shop{"mail": 9}))
	var wait sync.WaitGroup
	failed := make([]error, 4)
	for i := range failed {
		wait.Go(func() {
			p := s.Open(nil)
			if i == 0 {
				_, failed[i] = p.Publish(context.Background(), publication)
			} else {
				_, failed[i] = p.Hold(context.Background(), storetest.RingOptions(), storetest.Rings[i], "race")
			}
		})
	}
	wait.Wait()
	for i, err := range failed {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	operations := s.since(grown)
	slices.Sort(operations)
	if diff := cmp.Diff([]string{"hold", "hold", "hold", "publish", "upgrade"}, operations); diff != "" {
		t.Error(diff)
	}
	readLedger(s).tags()
}
