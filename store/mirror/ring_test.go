package mirror_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
)

// has is the version that a ring has by the log; of a mirror, by what was copied.
func (s *server) has(ring string) string {
	s.T.Helper()
	state, err := s.Open(nil).State(context.Background())
	must(s.T, err)
	state, err = s.Open(nil).Settled(context.Background(), state)
	must(s.T, err)
	if place := state.Rings()[ring]; !place.Empty() {
		return place.Version.String()
	}
	return "-"
}

// digest is what a tag of the log names.
func (s *server) digest(tag string) string { return s.EveryTag()[records.Repository][tag] }

// A ring at a mirror has what the record says by which it was copied: its tag is for others.
func TestARingAtAMirrorHasWhatWasCopied(t *testing.T) {
	source, replica, second := newServer(t), newServer(t), newServer(t)
	source.Release(storetest.First, "developers")
	source.Shift()
	copies(t, source.At(nil), replica.At(nil), "developers")
	if replica.digest("ring-developers") != source.digest("record-00000002") || replica.digest("ring-testers") != "" {
		t.Errorf("the mirror has %v", replica.EveryTag()[records.Repository])
	}
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "developers")
	copies(t, source.At(nil), replica.At(nil), "testers")
	if got := replica.has("developers") + " " + replica.has("testers"); got != "0.1.0 0.1.0" {
		t.Errorf("the rings have %s", got)
	}
	copies(t, source.At(nil), replica.At(nil), "developers")
	replica.Move("developers", replica.Push("deploy", map[string]string{"whose": "eve's"}))
	copied := copies(t, replica.At(nil), second.At(nil), "developers", "testers")
	if got := second.has("developers") + " " + second.has("testers"); got != "0.2.0 0.1.0" || copied.Releases[0].Version != "0.2.0" {
		t.Errorf("the rings have %s", got)
	}
	if second.digest("ring-testers") != replica.digest("ring-testers") {
		t.Error("the second mirror has testers by another record")
	}
}

// older is a project by an older quoit, and a mirror of it which does not say by which
// records its rings were copied.
func older(t *testing.T) (source, replica *server) {
	source, replica = newServer(t), newServer(t)
	source.Frozen("grown")
	copies(t, source.At(nil), replica.At(nil), "developers", "testers")
	for _, ring := range []string{"developers", "testers"} {
		replica.Do("DELETE", "/v2/acme/shop/records/manifests/"+records.RingName(ring), "", nil)
	}
	return source, replica
}

func TestCopyFromAnOlderMirror(t *testing.T) {
	source, replica := older(t)
	second := newServer(t)
	copied := copies(t, replica.At(nil), second.At(nil), "developers")
	if copied.Releases[0].Version != source.has("developers") || second.digest("ring-developers") != source.digest("record-00000014") {
		t.Errorf("%+v %v", copied, second.EveryTag()[records.Repository])
	}
	eve := replica.Push("deploy", map[string]string{"whose": "eve's"})
	replica.Move("developers", eve)
	_, err := mirror.Copy(context.Background(), replica.At(nil), second.At(nil), mirror.Request{Releases: []string{"developers"}})
	if err == nil || !strings.Contains(err.Error(), "ring developers names "+eve) {
		t.Errorf("a tag that no record gave the ring: %v", err)
	}
}

// Where a mirror says of one ring by which record it was copied, another one's tag is
// somebody else's, also if the ring once had what it names.
func TestARingThatWasNotCopied(t *testing.T) {
	source, replica, second := newServer(t), newServer(t), newServer(t)
	source.Release(storetest.First, "developers")
	source.Shift()
	copies(t, source.At(nil), replica.At(nil), "developers")
	replica.Move("testers", source.Table()["testers"].Digest)
	_, err := mirror.Copy(context.Background(), replica.At(nil), second.At(nil), mirror.Request{Releases: []string{"testers"}})
	if err == nil || !strings.Contains(err.Error(), "ring testers was not copied to ") {
		t.Error(err)
	}
}

// A mark that is lost is no reason to believe a tag.
func TestCopyFromAMirrorThatHasLostAMark(t *testing.T) {
	source, replica := newServer(t), newServer(t)
	source.Release(storetest.First, "developers")
	copies(t, source.At(nil), replica.At(nil), "developers")
	replica.Do("DELETE", "/v2/acme/shop/records/manifests/ring-developers", "", nil)
	_, err := mirror.Copy(context.Background(), replica.At(nil), newServer(t).At(nil), mirror.Request{Releases: []string{"developers"}})
	if err == nil || !strings.Contains(err.Error(), "/records:ring-developers is lost: run `quoit verify`") {
		t.Error(err)
	}
}

// Once records of this quoit come to a mirror of an older one, its rings have marks: at every
// moment they have what they had.
func TestAnOlderMirrorKeepsWhatItsRingsHave(t *testing.T) {
	prepare := func() (source, replica *server) {
		source, replica = older(t)
		source.Release(storetest.With(storetest.First, storetest.Shop{"mail": 9}), "developers")
		return source, replica
	}
	source, replica := prepare()
	before, testers := replica.has("developers"), replica.has("testers")
	writes := func(r *http.Request) bool { return r.Method == http.MethodPut || r.Method == http.MethodPost }
	for n := 0; ; n++ {
		dying := &registrytest.Mortal{Inner: &http.Transport{}, Left: n, Counts: writes, After: true}
		_, err := mirror.Copy(context.Background(), source.At(nil), replica.At(func(o *registry.Options) { o.Transport = dying }), mirror.Request{Releases: []string{"developers"}})
		want := before
		if err == nil {
			want = source.has("developers")
		}
		if got := replica.has("developers"); got != want || replica.has("testers") != testers {
			t.Errorf("after write %d (%v) the mirror has %s and %s", n, err, got, replica.has("testers"))
		}
		if err == nil {
			if n < 4 {
				t.Errorf("%d writes are enough", n)
			}
			break
		}
	}
	replica.verified()
}

// unfinished lets a publish die before it says that it is done.
func (s *server) unfinished(sources storetest.Shop) {
	s.T.Helper()
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		done := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "-done-")
		if done {
			registrytest.Status(403)(w, r)
		}
		return done
	})
	if _, err := s.Open(nil).Publish(context.Background(), s.Next(sources, "developers")); err == nil {
		s.T.Error("the publish did not die")
	}
	s.SetFault(nil)
}

// A publish counts for a copy from when it is done.
func TestCopyWhileAPublishIsNotDone(t *testing.T) {
	source, replica := newServer(t), newServer(t)
	source.unfinished(storetest.First)
	_, err := mirror.Copy(context.Background(), source.At(nil), replica.At(nil), mirror.Request{Releases: []string{"developers"}})
	if err == nil || !strings.Contains(err.Error(), "record 1 (publish) is not completed yet") {
		t.Errorf("the first publish: %v", err)
	}
	must(t, source.Open(nil).Settle(context.Background(), storetest.Rings))
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "developers")
	copies(t, source.At(nil), replica.At(nil), "0.1.0")
	source.unfinished(storetest.With(storetest.First, storetest.Shop{"api": 3}))
	before := source.has("developers")
	for range 2 {
		copied := copies(t, source.At(nil), replica.At(nil), "developers")
		if copied.Releases[0].Version != before || replica.has("developers") != before || replica.digest("record-00000003") != "" {
			t.Errorf("%+v, and the mirror has %s", copied, replica.has("developers"))
		}
	}
	// One that saw it done has copied it: then the log goes on there, and nothing goes back.
	source.Shift()
	copies(t, source.At(nil), replica.At(nil), "developers", "testers")
	if replica.has("developers") == before || replica.has("testers") == "-" {
		t.Errorf("after a shift the mirror has %s and %s", replica.has("developers"), replica.has("testers"))
	}
}

// A log with gaps is copied as far as the newest record vouches for it.
func TestCopyOfALogWithGaps(t *testing.T) {
	source := newServer(t)
	source.Steps(4) // nine records
	for _, tag := range []string{"record-00000001", "record-00000002", "record-00000003", "record-00000005"} {
		source.Do("DELETE", "/v2/acme/shop/records/manifests/"+tag, "", nil)
	}
	replica := newServer(t)
	copied := copies(t, source.At(nil), replica.At(nil), "developers", "testers")
	if copied.Records != 9 || copied.Gap != 0 {
		t.Errorf("without some tags: %+v", copied)
	}
	lost := replica.digest("record-00000003")
	source.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		hit := strings.HasSuffix(r.URL.Path, "/records/manifests/"+lost)
		if hit {
			registrytest.Plain(404, "MANIFEST_UNKNOWN: no")(w, r)
		}
		return hit
	})
	gapped := newServer(t)
	copied = copies(t, source.At(nil), gapped.At(nil), "developers", "testers")
	if copied.Records != 6 || copied.Gap != 3 || gapped.has("testers") != replica.has("testers") {
		t.Errorf("without a record: %+v", copied)
	}
	source.Release(storetest.With(storetest.First, storetest.Shop{"mail": 77}), "developers")
	for _, to := range []*server{replica, gapped} {
		if copied := copies(t, source.At(nil), to.At(nil), "developers"); copied.Records != 1 {
			t.Errorf("the next release: %+v", copied)
		}
	}
}
