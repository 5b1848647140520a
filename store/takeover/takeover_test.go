package takeover_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/takeover"
	"github.com/quoitbuild/quoit/store/verify"
)

// server is a registry with a project in it, and what only the tests here need.
type server struct{ *storetest.Server }

func newServer(t *testing.T) *server {
	t.Helper()
	return &server{storetest.New(t)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *server) options(rings ...string) takeover.Options {
	return takeover.Options{Root: "deploy", Rings: s.Rings, Take: rings, Author: store.Author{Actor: "ann"}}
}

func (s *server) takes(p *store.Project, options takeover.Options) (takeover.Outcome, error) {
	return takeover.TakeOver(context.Background(), p, options)
}

// history are the operations of the log, oldest first, and the rings that each moved.
func (s *server) history() []string {
	s.T.Helper()
	history, err := s.Open(nil).History(context.Background(), 100)
	must(s.T, err)
	all := []string{}
	for _, sealed := range history {
		all = append([]string{sealed.Record.Operation + " " + strings.Join(sealed.Record.Moved(), " ")}, all...)
	}
	return all
}

// sound checks that the log, tags and images agree.
func (s *server) sound() {
	s.T.Helper()
	s.Whole()
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(s.T, err)
	if len(report.Findings) > 0 {
		s.T.Errorf("verify: %v", report.Findings)
	}
}

func (s *server) wants(want ...string) {
	s.T.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.history()); diff != "" {
		s.T.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestTakeOver(t *testing.T) {
	s := newServer(t)
	s.Older("developers", "users")
	tags := s.Tags()
	dry := s.options("users", "developers")
	dry.DryRun = true
	dry.Confirm = func(takeover.Outcome) error { return errors.New("a dry run asks nobody") }
	shown, err := s.takes(s.Open(nil), dry)
	must(t, err)
	taken := s.TakeOver("users", "developers")
	if record := taken.Releases[0].Record; record != 1 {
		t.Errorf("record %d", record)
	}
	taken.Releases[0].Record = 0
	if diff := cmp.Diff(shown, taken); diff != "" {
		t.Errorf("(-dry +real):\n%s", diff)
	}
	if diff := cmp.Diff(tags, s.Tags()); diff != "" {
		t.Errorf("tags (-before +after):\n%s", diff)
	}
	s.wants("adopt developers users")
	images, err := s.Open(nil).Images(context.Background(), s.Table()["users"])
	must(t, err)
	for _, image := range taken.Releases[0].Images {
		if of := tags[image.Image]["0.1.0"]; image.Digest != of || image.Record != 0 || images[image.Image].Digest != of {
			t.Errorf("image %+v, in the log %+v, its tag names %s", image, images[image.Image], of)
		}
	}
	s.sound()
	again, err := s.takes(s.Open(nil), s.options("developers", "users"))
	must(t, err)
	if len(again.Releases) > 0 || len(again.Known) != 2 || !strings.Contains(again.String(), "nothing to do") {
		t.Errorf("again: %+v", again)
	}
	s.Several(2)
	s.wants("adopt developers users", "publish developers", "publish developers")
}

// Versions that were used before the log are not chosen again, and what somebody has
// pushed far above them is in nobody's way.
func TestVersionsOfBefore(t *testing.T) {
	s := newServer(t)
	s.Older("developers")
	for _, tag := range []string{"0.1.1", "0.2.0", "0.2.1", "0.3.0", "0.5.0", "0.999999999999999.0"} {
		s.Put("mail", tag, registry.ManifestType, []byte(`{"schemaVersion":2}`))
	}
	s.TakeOver("developers")
	history, err := s.Open(nil).History(context.Background(), 1)
	must(t, err)
	for version, taken := range map[string]bool{"0.1.0": true, "0.1.1": true, "0.1.2": false, "0.2.1": true, "0.2.2": false, "0.3.0": true, "0.3.1": false, "0.4.0": false, "0.5.0": false} {
		if got := history[0].Record.Assigned.Taken("mail", storetest.VersionOf(version)); got != taken {
			t.Errorf("%s is taken: %v", version, got)
		}
	}
}

// twoReleases makes two releases, one upon the other, of which no record knows.
func (s *server) twoReleases() {
	s.T.Helper()
	s.Steps(1)
	for tag := range s.EveryTag()[records.Repository] {
		s.Do(http.MethodDelete, "/v2/"+storetest.Project+"/"+records.Repository+"/manifests/"+tag, "", nil)
	}
}

func TestReleasesThatDescendFromEachOther(t *testing.T) {
	s := newServer(t)
	s.twoReleases()
	taken, err := s.takes(s.Open(nil), s.options("developers", "testers"))
	must(t, err)
	s.wants("adopt testers", "adopt developers")
	table := s.Table()
	if !table["developers"].Descends(table["testers"]) || table["testers"].Descends(table["developers"]) {
		t.Errorf("table %+v", table)
	}
	for _, image := range taken.Releases[1].Images {
		if old := taken.Releases[0].Images; image.Version.String() == "0.1.0" && image.Record != 0 {
			t.Errorf("%+v, of %+v", image, old)
		}
	}
	s.sound()
	s.Shift()
	s.sound()
}

func TestTakeOverThatDies(t *testing.T) {
	s := newServer(t)
	s.twoReleases()
	s.Requests()
	s.TakeOver("developers", "testers")
	points := len(s.Requests())
	for n := 0; n < points; n += dose.Of(3, 1, 1) {
		for _, after := range []bool{false, true} {
			s := newServer(t)
			s.twoReleases()
			tags := s.Tags()
			m := &registrytest.Mortal{Left: n, After: after, Inner: &http.Transport{}}
			_, err := s.takes(s.Open(func(o *registry.Options) { o.Transport = m }), s.options("developers", "testers"))
			s.sound()
			s.TakeOver("testers", "developers")
			s.wants("adopt testers", "adopt developers")
			if diff := cmp.Diff(tags, s.Tags()); diff != "" {
				t.Errorf("at %d: %v, tags (-before +after):\n%s", n, err, diff)
			}
			s.sound()
		}
	}
}

// What is said of a take-over that dies between two releases is what became of it.
func TestATakeOverThatDidAPart(t *testing.T) {
	s := newServer(t)
	s.twoReleases()
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		second := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/record-00000002-r01-try-")
		if second {
			registrytest.Status(403)(w, r)
		}
		return second
	})
	_, err := s.takes(s.Open(nil), s.options("developers", "testers"))
	s.SetFault(nil)
	s.wants("adopt testers")
	if err == nil || !strings.HasSuffix(err.Error(), "(a part of it is in the log: run the same command again, it does the rest)") {
		t.Errorf("error %v", err)
	}
}

// meanwhile lets another one write to the log before each proposal of a record of this
// one's, from the number of a record on.
func (s *server) meanwhile(from string, fault func(w http.ResponseWriter, r *http.Request) bool) *atomic.Int64 {
	var busy atomic.Bool
	count := new(atomic.Int64)
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		tag := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		name, ok := records.ParseName(tag)
		if r.Method == http.MethodPut && ok && name.Mark == records.Try && tag >= from && busy.CompareAndSwap(false, true) {
			_, err := s.Open(nil).Append(context.Background(), store.Author{Actor: "bob"}, s.Rings, func(newest records.Record) (records.Record, error) {
				return newest.Following("copy"), nil
			})
			if count.Add(1); err != nil {
				s.T.Error(err)
			}
			busy.Store(false)
		}
		return count.Load() > 0 && !busy.Load() && fault(w, r)
	})
	return count
}

// A take-over that is overtaken again and again comes to an end.
func TestATakeOverThatIsOvertaken(t *testing.T) {
	s := newServer(t)
	s.Older("users")
	count := s.meanwhile("", func(http.ResponseWriter, *http.Request) bool { return false })
	_, err := s.takes(s.Open(nil), s.options("users"))
	if !errors.As(err, new(*store.OvertakenError)) || count.Load() < 5 {
		t.Errorf("after %d writes of others: %v", count.Load(), err)
	}
}

// What was taken over before another one wrote is in the outcome, also if what is there
// then cannot be read.
func TestWhatWasTakenOverBeforeALookThatFails(t *testing.T) {
	s := newServer(t)
	s.twoReleases()
	s.meanwhile("record-00000002", func(w http.ResponseWriter, r *http.Request) bool {
		look := strings.HasSuffix(r.URL.Path, "/mail/tags/list")
		if look {
			registrytest.Status(403)(w, r)
		}
		return look
	})
	taken, err := s.takes(s.Open(nil), s.options("developers", "testers"))
	if err == nil || errors.As(err, new(*store.OvertakenError)) || len(taken.Releases) != 2 || taken.Releases[0].Record != 1 {
		t.Errorf("error %v, taken over: %+v", err, taken)
	}
}

// What was taken over before another one wrote is in the outcome, also if it goes on.
func TestATakeOverThatGoesOn(t *testing.T) {
	s := newServer(t)
	s.twoReleases()
	var count atomic.Int64
	s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/record-00000002-r01-try-") && count.CompareAndSwap(0, 1) {
			_, err := s.Open(nil).Append(context.Background(), store.Author{Actor: "bob"}, s.Rings, func(newest records.Record) (records.Record, error) {
				return newest.Following("copy"), nil
			})
			if err != nil {
				s.T.Error(err)
			}
		}
		return false
	})
	taken, err := s.takes(s.Open(nil), s.options("developers", "testers"))
	must(t, err)
	if count.Load() != 1 || len(taken.Known) > 0 {
		t.Errorf("others wrote %d times, known: %v", count.Load(), taken.Known)
	}
	var of []string
	for _, release := range taken.Releases {
		of = append(of, fmt.Sprintf("%s by record %d", strings.Join(release.Rings, " "), release.Record))
	}
	if diff := cmp.Diff([]string{"testers by record 1", "developers by record 3"}, of); diff != "" {
		t.Errorf("taken over (-want +got):\n%s", diff)
	}
	s.wants("adopt testers", "copy ", "adopt developers")
}

// A version that a publish has assigned which was taken back is not assigned again, though
// nothing has its tag, and the log does not know its line any more.
func TestVersionsThatWereTakenBack(t *testing.T) {
	s := newServer(t)
	s.Older("users")
	s.placed("users")
	all := storetest.Shop{}
	for name := range storetest.First {
		all[name] = 2
	}
	hotfix := s.Next(all, "users")
	dies := &registrytest.Mortal{Inner: &http.Transport{}, After: true, Counts: func(r *http.Request) bool {
		name, ok := records.ParseName(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		return r.Method == http.MethodPut && ok && name.Mark == records.Decided
	}}
	if _, err := s.Open(func(o *registry.Options) { o.Transport = dies }).Publish(context.Background(), hotfix); err == nil {
		t.Fatal("it did not die")
	}
	s.Put("deploy", hotfix.Plan.Version().String(), records.ManifestType, []byte(`{"schemaVersion":2}`))
	must(t, s.Open(nil).Mend(context.Background(), s.Rings))
	s.Release(all, "developers")
	s.wants("adopt users", "publish users", "void users", "publish developers")
	mail, _ := hotfix.Plan.Image("mail")
	s.Do(http.MethodDelete, "/v2/"+storetest.Project+"/mail/manifests/"+mail.Version.String(), "", nil)
	s.TakeOver("users")
	history, err := s.Open(nil).History(context.Background(), 1)
	must(t, err)
	assigned, next := history[0].Record.Assigned, mail.Version
	next.Patch++
	if !assigned.Taken("mail", mail.Version) || assigned.Taken("mail", next) {
		t.Errorf("mail %s was assigned, known are %v", mail.Version, assigned["mail"])
	}
}

// forge makes a ring's tag name a release of another version than the one that a ring
// has, as whoever may push to the root image could.
func (s *server) forge(of, ring, version string) (digest string) {
	s.T.Helper()
	release := s.Ring(of).Release
	image := release.Images["deploy"]
	image.Version = storetest.VersionOf(version)
	release.Images["deploy"] = image
	label, err := labels.FormatRelease(release)
	must(s.T, err)
	digest = s.Push("deploy", map[string]string{labels.Release: string(label)})
	s.Move(ring, digest)
	return digest
}

var anyDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

func TestWhatIsNotTakenOver(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(s *server)
		ring    string
		says    string
	}{
		"an unknown ring": {func(s *server) {}, "nowhere", `there is no ring "nowhere"`},
		"a tag that is not there": {func(s *server) { s.Release(storetest.First, "developers") }, "users",
			"ring users has nothing to take over: there is no release behind HOST/acme/shop/deploy:users"},
		"an image that is not ours": {func(s *server) { s.Move("users", s.Push("deploy", nil)) }, "users",
			"an image without our labels: it carries no release"},
		"an image that is gone": {func(s *server) {
			s.Older("users")
			s.Do(http.MethodDelete, "/v2/acme/shop/api/manifests/0.1.0", "", nil)
		}, "users", "HOST/acme/shop/api:0.1.0, which release 0.1.0 of ring users has, is not there"},
		"a version that is other than the ring": {func(s *server) {
			s.Older("users")
			s.Move("0.1.0", s.Push("deploy", nil))
		}, "users", "HOST/acme/shop/deploy:0.1.0 is DIGEST, and ring users has DIGEST as release 0.1.0: let both name one image"},
		"a release without its version's tag": {func(s *server) {
			s.Release(storetest.First, "developers")
			s.forge("developers", "users", "0.9.0")
		}, "users", "HOST/acme/shop/deploy:0.9.0, which release 0.9.0 of ring users has, is not there"},
		"another release of a version that the log has": {func(s *server) {
			s.Release(storetest.First, "developers")
			s.forge("developers", "users", "0.1.0")
		}, "users", "ring users: its tag names DIGEST, which says that it is release 0.1.0; by record 1 of the log that is DIGEST"},
		"a release that the log knows": {func(s *server) {
			s.Move("users", s.Release(storetest.First, "developers").Digests["deploy"])
		}, "users", "the log knows release 0.1.0, which its tag names: place it with `quoit set users 0.1.0`"},
		"a ring that was moved by hand": {func(s *server) {
			s.Release(storetest.First, "developers")
			s.forge("developers", "developers", "0.9.0")
		}, "developers", "ring developers has 0.1.0 (DIGEST) by the log, and HOST/acme/shop/deploy:developers is DIGEST: a ring that the log knows is not taken over, put its tag back with `quoit repair developers`"},
		"a ring that was emptied": {func(s *server) {
			s.Steps(1)
			_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
			must(s.T, err)
			s.forge("developers", "testers", "0.9.0")
		}, "testers", "ring testers has nothing by the log, and"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			test.prepare(s)
			before := s.EveryTag()
			_, err := s.takes(s.Open(nil), s.options(test.ring))
			if err == nil || !strings.Contains(anyDigest.ReplaceAllString(s.Text(err), "DIGEST"), test.says) {
				t.Errorf("error %v\nwant  %s", err, test.says)
			}
			if diff := cmp.Diff(before, s.EveryTag()); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}

func TestAMirrorTakesNothingOver(t *testing.T) {
	source, replica := newServer(t), newServer(t)
	source.Release(storetest.First, "developers")
	_, err := mirror.Copy(context.Background(), source.At(nil), replica.At(nil), mirror.Request{Releases: []string{"developers"}})
	must(t, err)
	_, err = replica.takes(replica.Open(nil), replica.options("developers"))
	if is := new(store.MirrorError); !errors.As(err, &is) {
		t.Errorf("error %v", err)
	}
}

// placed takes over what rings have as an older quoit did: without their images.
func (s *server) placed(rings ...string) {
	s.T.Helper()
	_, err := s.Open(nil).Append(context.Background(), store.Author{Actor: "ann"}, s.Rings, func(newest records.Record) (records.Record, error) {
		record := newest.Following(records.OpTakeOver)
		record.Releases = 1
		for _, ring := range rings {
			older := s.Ring(ring)
			record.After[ring] = records.Place{Root: "deploy", Version: older.Release.Version(), Digest: older.Digest, Release: 1}
		}
		return record, nil
	})
	must(s.T, err)
}

// A record of an older quoit says what rings have, but not what their images are.
func TestReleasesWithoutImages(t *testing.T) {
	s := newServer(t)
	s.Older("developers", "users")
	s.placed("developers", "users")
	taken := s.TakeOver("users")
	if r := taken.Releases[0]; !r.Listed || strings.Join(r.Rings, " ") != "developers users" || len(r.Images) != 6 {
		t.Errorf("taken over: %+v", r)
	}
	for ring, place := range s.Table() {
		if place.Record != 2 || place.Release != 1 {
			t.Errorf("%s has %+v", ring, place)
		}
	}
	s.wants("adopt developers users", "adopt developers users")
	s.sound()
}

func TestConfirming(t *testing.T) {
	for name, test := range map[string]struct {
		confirm func(s *server) error
		is      any
		history []string
	}{
		"somebody who says no": {func(*server) error { return errNo }, &errNo, []string{}},
		"a ring that gets another release meanwhile": {func(s *server) error {
			s.Move("0.2.0", s.forge("users", "users", "0.2.0"))
			s.placed("users")
			return nil
		}, new(*store.OvertakenError), []string{"adopt users"}},
		"a tag that others move meanwhile": {func(s *server) error {
			s.forge("users", "users", "0.2.0")
			return nil
		}, new(*store.DifferenceError), []string{}},
		"a version that others overwrite meanwhile": {func(s *server) error {
			s.Put("mail", "0.1.0", registry.ManifestType, []byte(`{"schemaVersion":2}`))
			return nil
		}, nil, []string{"adopt users"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Older("users")
			mail := s.Tags()["mail"]["0.1.0"]
			options := s.options("users")
			options.Confirm = func(o takeover.Outcome) error {
				if len(o.Releases) != 1 || o.Releases[0].Claims.Commit != "c0ffee" || o.Releases[0].Claims.Project != storetest.Project {
					t.Errorf("shown %+v", o)
				}
				return test.confirm(s)
			}
			taken, err := s.takes(s.Open(nil), options)
			if test.is != nil && !errors.As(err, test.is) || test.is == nil && err != nil {
				t.Errorf("error %v", err)
			}
			s.wants(test.history...)
			if err == nil && taken.Releases[0].Images[4].Digest != mail {
				t.Errorf("what was shown is not what was taken over: %+v", taken)
			}
		})
	}
}

var errNo = refusal("it was not confirmed")

type refusal string

func (r refusal) Error() string { return string(r) }
