package store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// differences are those of all rings, without times and the registry's name.
func (s *server) differences() []string {
	s.T.Helper()
	p := s.Open(nil)
	state, err := p.State(context.Background())
	must(s.T, err)
	found, err := store.Differences(context.Background(), p, state, "deploy", storetest.Rings)
	must(s.T, err)
	var all []string
	for _, difference := range found {
		all = append(all, strings.ReplaceAll(moment.ReplaceAllString(difference.String(), "NOW"), s.Host(), "HOST"))
	}
	return all
}

func TestTagsThatDifferFromTheLog(t *testing.T) {
	forge := func(s *server) string { return s.Push("deploy", map[string]string{"whose": "another's"}) }
	for name, test := range map[string]struct {
		change func(s *server) (got string)
		want   string // with LOG, GOT and OLD for digests
	}{
		"nothing": {func(*server) string { return "" }, ""},
		"an older release": {func(s *server) string { s.Move("developers", s.Tags()["deploy"]["0.1.0"]); return "" },
			"HOST/acme/shop/deploy:developers: it is OLD, and ring developers has 0.2.0 by the log, LOG, moved by somebody at NOW (record 5, commit c0ffee): put it back with `quoit repair`"},
		"nothing of the project": {func(s *server) string { got := forge(s); s.Move("developers", got); return got },
			"HOST/acme/shop/deploy:developers: it is GOT, and ring developers has 0.2.0 by the log, LOG, moved by somebody at NOW (record 5, commit c0ffee): "},
		"a tag that is gone": {func(s *server) string {
			s.Do("DELETE", "/v2/acme/shop/deploy/manifests/testers", "", nil)
			return ""
		}, "HOST/acme/shop/deploy:testers: it is not there, and ring testers has 0.1.0 by the log, OLD, moved by ann at NOW (record 2): "},
		"an emptied ring": {func(s *server) string { s.Move("users", s.Tags()["deploy"]["0.2.0"]); return "" },
			"HOST/acme/shop/deploy:users: it is LOG, and ring users is empty by the log, moved by ann at NOW (record 4): "},
		"an emptied ring whose tag is gone": {func(s *server) string {
			s.Do("DELETE", "/v2/acme/shop/deploy/manifests/users", "", nil)
			return ""
		}, ""},
		"a ring that the log does not know": {func(s *server) string { got := forge(s); s.Move("ante", got); return got },
			"HOST/acme/shop/deploy:ante: it is GOT, and ring ante has nothing by the log: see what that is and take it over with `quoit take-over ante`, or take the tag away"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			first := s.Release(storetest.First, "developers").Digests["deploy"]
			s.Shift()
			s.Shift()
			_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
			must(t, err)
			log := s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers").Digests["deploy"]
			got := test.change(s)
			want := strings.NewReplacer("LOG", log, "OLD", first, "GOT", got).Replace(test.want)
			if found := strings.Join(s.differences(), "\n"); found == "" && want != "" || want == "" && found != "" || !strings.HasPrefix(found, want) {
				t.Errorf("got  %s\nwant %s", found, want)
			}
		})
	}
}

func TestWithoutALogEveryRingsTagDiffers(t *testing.T) {
	s := newServer(t)
	s.Older("developers", "users")
	if found := s.differences(); len(found) != 2 || !strings.Contains(found[1], "take it over with `quoit take-over users`") {
		t.Errorf("%q", found)
	}
}

// TestTagsThatMayHaveToFollow stops a publish before its ring's tag.
func TestTagsThatMayHaveToFollow(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	next := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		moves := registrytest.Line(r) == "PUT deploy developers"
		if moves {
			registrytest.Status(403)(w, r)
		}
		return moves
	})
	if _, err := s.Open(nil).Publish(context.Background(), next); err == nil {
		t.Fatal("it moved the ring")
	}
	s.SetFault(nil)
	if found := s.differences(); len(found) > 0 {
		t.Errorf("a tag that a writer has to move yet is a difference: %q", found)
	}
	s.Move("developers", s.Push("deploy", map[string]string{"whose": "another's"}))
	if found := s.differences(); len(found) != 1 {
		t.Errorf("what no record gave the ring is none: %q", found)
	}
}

// TestAMoveBetweenTwoLooks publishes between reading the log and looking at a tag.
func TestAMoveBetweenTwoLooks(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	next := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	p := s.Open(nil)
	state, err := p.State(context.Background())
	must(t, err)
	_, err = s.Open(nil).Publish(context.Background(), next)
	must(t, err)
	found, err := store.Differences(context.Background(), p, state, "deploy", storetest.Rings)
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestTheTagsOfAMirror(t *testing.T) {
	s, there := newServer(t), newServer(t)
	s.Release(storetest.First, "developers")
	s.Shift()
	_, err := mirror.Copy(context.Background(), s.At(nil), there.At(nil), mirror.Request{Releases: []string{"testers"}})
	must(t, err)
	_, second := s.Do("GET", "/v2/"+storetest.Project+"/records/manifests/record-00000002", "", nil)
	there.Put("records", records.RingName("testers"), records.ManifestType, second)
	if found := there.differences(); len(found) > 0 {
		t.Errorf("%q", found)
	}
	there.Move("testers", there.Push("deploy", map[string]string{"whose": "another's"}))
	if found := there.differences(); len(found) != 1 || !strings.HasSuffix(found[0], ": copy it again, or put it back with `quoit repair`") {
		t.Errorf("%q", found)
	}
}

// TestWhatMovesRingsStopsAtAMovedTag: what would write a ring's tag does not put it back
// without a word, and writes nothing.
func TestWhatMovesRingsStopsAtAMovedTag(t *testing.T) {
	for name, change := range map[string]func(s *server, first string){
		"an older release": func(s *server, first string) { s.Move("developers", first) },
		"nothing of the project": func(s *server, _ string) {
			s.Move("developers", s.Push("deploy", map[string]string{"whose": "another's"}))
		},
		"a tag that is gone": func(s *server, _ string) {
			s.Do("DELETE", "/v2/acme/shop/deploy/manifests/developers", "", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			first := s.Release(storetest.First, "developers").Digests["deploy"]
			s.Shift()
			s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
			change(s, first)
			before := s.Tags()
			said := s.differences()
			if len(said) != 1 {
				t.Fatalf("%q", said)
			}
			for _, dry := range []bool{true, false} {
				options := storetest.RingOptions()
				options.DryRun = dry
				p := s.Open(nil)
				_, shift := p.Shift(context.Background(), options, versioning.ShiftRequest{})
				_, set := p.Set(context.Background(), options, "users", storetest.VersionOf("0.1.0"), false)
				_, unshift := p.Unshift(context.Background(), options, nil)
				for _, err := range []error{shift, set, unshift} {
					text := ""
					if err != nil {
						text = strings.ReplaceAll(moment.ReplaceAllString(err.Error(), "NOW"), s.Host(), "HOST")
					}
					if !errors.As(err, new(*store.DifferenceError)) || !strings.HasSuffix(text, said[0]+" (nothing was written)") {
						t.Errorf("dry run %v: %s\nwant %s", dry, text, said[0])
					}
				}
			}
			if diff := cmp.Diff(before, s.Tags()); diff != "" {
				t.Error(diff)
			}
			_, err := s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "users", "")
			if err != nil && !errors.As(err, new(*store.DifferenceError)) {
				t.Error(err)
			}
		})
	}
}
