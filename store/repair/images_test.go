package repair_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/repair"
	"github.com/quoitbuild/quoit/store/storetest"
)

// lacks is a registry that has lost what ends in one of some digests, until it is written.
func (s *server) lacks(digests ...string) {
	left := slices.Clone(digests)
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		at := slices.IndexFunc(left, func(digest string) bool {
			return strings.HasSuffix(r.URL.Path, digest) || strings.Contains(r.URL.RawQuery, digest[7:])
		})
		switch {
		case at < 0:
			return false
		case r.Method == http.MethodPut:
			left = slices.Delete(left, at, at+1)
			return false
		case r.Method == http.MethodPost:
			return false
		}
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		registrytest.Plain(404, "MANIFEST_UNKNOWN: gone")(w, r)
		return true
	})
}

// parts are the digests of an image: its index, its manifest, its config.
func (s *server) parts(image, digest string) (index, manifest, config string) {
	s.T.Helper()
	_, data := s.Do("GET", "/v2/acme/shop/"+image+"/manifests/"+digest, "", nil)
	manifest, err := registry.NewManifest(registry.IndexType, data).Image()
	must(s.T, err)
	_, data = s.Do("GET", "/v2/acme/shop/"+image+"/manifests/"+manifest, "", nil)
	blob, err := registry.NewManifest(registry.ManifestType, data).Config()
	must(s.T, err)
	return digest, manifest, blob.Digest
}

func TestLostImagesAreTakenFromACopy(t *testing.T) {
	for name, test := range map[string]struct {
		version string // of the image
		lose    func(index, manifest, config string) []string
		want    []string
		unseen  bool // by verify, as no ring has the release
	}{
		"a platform's manifest": {"0.1.0", func(_, manifest, _ string) []string { return []string{manifest} }, []string{"api@%[2]s: the manifest was taken from "}, false},
		"the index":             {"0.1.0", func(index, _, _ string) []string { return []string{index} }, []string{"api@%[1]s: the manifest was taken from "}, false},
		"a blob":                {"0.1.0", func(_, _, config string) []string { return []string{config} }, []string{"api@%[2]s: the blob %[3]s was taken from "}, false},
		"everything": {"0.1.0", func(index, manifest, config string) []string { return []string{index, manifest, config} }, []string{
			"api@%[2]s: the blob %[3]s was taken from ", "api@%[2]s: the manifest was taken from ", "api@%[1]s: the manifest was taken from ",
		}, false},
		"of an older release": {"0.1.1", func(_, manifest, _ string) []string { return []string{manifest} }, []string{"api@%[2]s: the manifest was taken from "}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Release(storetest.First, "developers")
			s.Shift()
			s.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "testers")
			s.Release(storetest.With(storetest.First, storetest.Shop{"api": 3}), "testers")
			media := s.media("developers", "0.1.1")
			index, manifest, config := s.parts("api", s.digest("api", test.version))
			s.lacks(test.lose(index, manifest, config)...)
			found := s.finds()
			if !test.unseen && (!strings.Contains(found, "api@"+index+": it") || !strings.Contains(found, "run `quoit repair --from COPY`")) {
				t.Errorf("verify finds:\n%s", found)
			}
			if done, _ := s.repairs(nil); done != "" && !strings.Contains(done, "tag") {
				t.Errorf("without a copy it did:\n%s", done)
			}
			done, left := s.repairs(media)
			for _, want := range test.want {
				if want = fmt.Sprintf(want, index, manifest, config); !strings.Contains(done, strings.Split(want, "%!")[0]) {
					t.Errorf("it did not: %s\n%s", want, done)
				}
			}
			if left != "" || s.finds() != "" {
				t.Errorf("left:\n%s\nverify finds:\n%s", left, s.finds())
			}
		})
	}
}

// A copy has the releases that were copied: what it lacks is named.
func TestACopyThatLacksItToo(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	media := s.media("testers")
	index, manifest, _ := s.parts("mail", s.digest("mail", "0.2.0"))
	s.lacks(manifest)
	done, left := s.repairs(media)
	if want := "mail@" + index + ": it names " + manifest + ", which is not there: "; done != "" || !strings.HasPrefix(left, want) || !strings.HasSuffix(left, " lacks it too: name another copy") {
		t.Errorf("done:\n%s\nleft:\n%s", done, left)
	}
	_, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), shiftAll)
	must(t, err) // verify names what is lost, as a shift looks at the root image only
}

// A shift of a release whose root image is gone moves nothing.
func TestAShiftOfALostRoot(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	lost := s.digest("deploy", "0.2.0")
	s.loses("deploy:developers", "deploy:0.2.0")
	s.lacks(lost)
	if _, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), shiftAll); err == nil {
		t.Error("it was shifted")
	}
	s.SetFault(nil)
	if table := s.Table(); table["testers"].Version.String() != "0.1.0" || !table["users"].Empty() {
		t.Errorf("the rings have %v", table)
	}
}

// Records are taken from a copy too: their digests are in those that came after.
func TestLostRecordsAreTakenFromACopy(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	media := s.media("developers")
	third := s.digest("records", "record-00000003")
	s.forgets(3)
	s.lacks(third)
	if found := s.finds(); !strings.Contains(found, "records:record-00000003: the record is not there, and later ones are: run `quoit repair --from COPY`") {
		t.Errorf("verify finds:\n%s", found)
	}
	done, left := s.repairs(nil)
	if !strings.Contains(left, "records@"+third+": record 3 is gone: run `quoit repair --from COPY`") {
		t.Errorf("done:\n%s\nleft:\n%s", done, left)
	}
	done, left = s.repairs(media)
	if !strings.Contains(done, "records@"+third+": the record was taken from ") || !strings.Contains(done, "records:record-00000003: ") || left != "" {
		t.Errorf("done:\n%s\nleft:\n%s", done, left)
	}
	if found := s.finds(); found != "" {
		t.Errorf("verify finds:\n%s", found)
	}
}

// A mirror is repaired from where it was copied from, with its externals and rings.
func TestARepairOfAMirror(t *testing.T) {
	s, replica := newServer(t), newServer(t)
	s.Release(storetest.First, "developers")
	s.Shift()
	_, err := mirror.Copy(context.Background(), s.At(nil), replica.At(nil), mirror.Request{Releases: []string{"developers", "testers"}})
	must(t, err)
	whole := replica.EveryTag()
	s.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "developers")
	_, manifest, _ := replica.parts("api", replica.digest("api", "0.1.0"))
	replica.loses("deploy:testers", "mail:0.1.0", "records:record-00000001")
	replica.lacks(manifest)
	done, left := replica.repairs(s.At(nil))
	if replica.SetFault(nil); left != "" || !equal(whole, replica.EveryTag()) {
		t.Errorf("done:\n%s\nleft:\n%s", done, left)
	}
	if found := replica.finds(); found != "" {
		t.Errorf("verify finds:\n%s", found)
	}
}

// A repair that dies at any request is completed by the next one.
func TestEveryCrashOfARepair(t *testing.T) {
	prepare := func() (*server, registry.Namespace) {
		s := newServer(t)
		s.Steps(2)
		media := s.media("developers", "testers")
		third := s.digest("records", "record-00000003")
		_, manifest, config := s.parts("api", s.digest("api", "0.1.0"))
		s.forgets(3)
		s.loses("records:records", "mail:0.2.0")
		s.puts("deploy", "developers")
		s.lacks(third, manifest, config)
		return s, media
	}
	s, media := prepare()
	s.Requests()
	options := repair.Options{Rings: storetest.Rings, From: media}
	_, err := repair.Repair(context.Background(), s.Open(nil), options)
	must(t, err)
	requests := s.Requests()
	writes := 0
	for n, request := range requests {
		if strings.HasPrefix(request, "GET") || strings.HasPrefix(request, "HEAD") {
			continue
		}
		if writes++; writes%dose.Of(3, 1, 1) > 0 {
			continue
		}
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("at request %d, %s, after it %v", n, request, after), func(t *testing.T) {
				t.Parallel()
				s, media := prepare()
				dying := &registrytest.Mortal{Inner: &http.Transport{}, Left: n, After: after}
				options := repair.Options{Rings: storetest.Rings, From: media}
				_, err := repair.Repair(context.Background(), s.Open(func(o *registry.Options) { o.Transport = dying }), options)
				if dying.Dead != (err != nil) {
					t.Fatalf("dead %v, error %v", dying.Dead, err)
				}
				outcome, err := repair.Repair(context.Background(), s.Open(nil), options)
				if err != nil || len(outcome.Left) > 0 {
					t.Errorf("%v, left %v", err, outcome.Left)
				}
				if found := s.finds(); found != "" {
					t.Errorf("verify finds:\n%s", found)
				}
			})
		}
	}
}
