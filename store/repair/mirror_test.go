package repair_test

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/repair"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// has is the version that a ring has by the log; of a mirror, by what was copied.
func (s *server) has(ring string) string {
	s.T.Helper()
	state, err := s.Open(nil).State(context.Background(), ring)
	must(s.T, err)
	return version(state, ring)
}

func version(state store.State, ring string) string {
	if place := state.Rings()[ring]; !place.Empty() {
		return place.Version.String()
	}
	return "-"
}

// copiesFrom copies rings and versions from another registry.
func (s *server) copiesFrom(from registry.Namespace, releases ...string) {
	s.T.Helper()
	_, err := mirror.Copy(context.Background(), from, s.At(nil), mirror.Request{Releases: releases})
	must(s.T, err)
}

// chain is a project whose releases run an image of others, and a mirror of it, which has
// developers by the last record, testers by an earlier one, and an older version.
func chain(t *testing.T) (project, media *server) {
	project, media = newServer(t), newServer(t)
	box := project.Push("vendor", map[string]string{"whose": "another's"})
	for revision := range 3 {
		p := project.Open(nil)
		plan := project.Plan(p, storetest.With(storetest.First, storetest.Shop{"api": revision + 1}), "developers")
		plan.Externals = map[string]versioning.External{"box": {Reference: project.Host() + "/acme/shop/vendor:1", Digest: box}}
		_, err := p.Publish(t.Context(), store.Publication{Plan: plan, Rings: project.Rings, Digests: project.PushPlan(plan)})
		must(t, err)
		if revision < 2 {
			project.Shift()
			media.copiesFrom(project.At(nil), "testers")
		}
	}
	media.copiesFrom(project.At(nil), "developers")
	return project, media
}

// mirrorOf is another mirror, copied from one of a chain.
func mirrorOf(t *testing.T, media *server) *server {
	s := newServer(t)
	s.copiesFrom(media.At(nil), "developers", "testers", "0.1.0")
	return s
}

// marks lets what says by which record a ring was copied name something else.
func (s *server) marks(ring string, manifest []byte) {
	s.Put(records.Repository, records.RingName(ring), records.ManifestType, manifest)
}

// contents of a manifest.
func (s *server) contents(image, identifier string) []byte {
	_, data := s.Do("GET", "/v2/"+storetest.Project+"/"+image+"/manifests/"+identifier, "", nil)
	return data
}

// What a mirror loses, or what somebody puts in its place, is found by verify and mended by
// what it says: it never leads a ring to another release than the one that was copied.
func TestWhatAMirrorLoses(t *testing.T) {
	const (
		alone, project, media, again = "repair", "repair from the project", "repair from another copy", "copy again"
	)
	tests := map[string]struct {
		lose  func(t *testing.T, s *server)
		finds string   // by verify
		not   []string // which ways do not mend it
		reads string   // what developers then has; "" is an error
	}{
		"nothing": {func(*testing.T, *server) {}, "", nil, "0.3.0"},
		"a mark": {func(_ *testing.T, s *server) { s.loses("records:ring-developers") },
			"deploy:developers: it is DEVELOPERS, and ring developers has nothing by the log: if the ring was copied, records:ring-developers is lost: copy it again, or put it back with `quoit repair --from COPY`", []string{alone, project}, "-"},
		"every mark": {func(_ *testing.T, s *server) { s.loses("records:ring-developers", "records:ring-testers") },
			"records:ring-testers is lost: copy it again, or put it back with `quoit repair --from COPY`", nil, "-"},
		"a mark that names no record": {func(_ *testing.T, s *server) { s.marks("developers", []byte(`{"schemaVersion":2,"config":{}}`)) },
			"records:ring-developers: it is MARK: it names no record: ", []string{alone, project}, ""},
		"a mark that names an image": {func(_ *testing.T, s *server) { s.puts("records", "ring-developers") },
			"records:ring-developers: it is MARK: it names no record: ", []string{alone, project}, ""},
		"a mark that names a record of another log": {func(t *testing.T, s *server) {
			other := newServer(t)
			other.Release(storetest.First, "developers")
			_, config := other.Do("GET", "/v2/"+storetest.Project+"/records/blobs/"+other.configOf("record-00000001"), "", nil)
			s.PushBlob(records.Repository, config)
			s.marks("developers", other.contents(records.Repository, "record-00000001"))
		}, "records:ring-developers: it is MARK: it names a record 1 that is not the log's: copy the ring again, or put it back with `quoit repair --from COPY`", []string{alone, project}, "0.1.0"},
		"a mark that names a record which gives the ring nothing": {func(_ *testing.T, s *server) {
			s.loses("records:ring-testers", "deploy:testers")
			s.marks("testers", s.contents(records.Repository, "record-00000001"))
		}, "records:ring-testers: it is MARK: it names record 1, which gives ring testers nothing: ", []string{alone, project}, "0.3.0"},
		"a mark and the ring's tag": {func(_ *testing.T, s *server) { s.puts("records", "ring-developers"); s.puts("deploy", "developers") },
			"records:ring-developers: it is MARK: it names no record: ", []string{alone, project}, ""},
		"a ring's tag":                     {func(_ *testing.T, s *server) { s.loses("deploy:developers") }, "deploy:developers: it is not there, and ring developers has 0.3.0 by the log", nil, "0.3.0"},
		"a ring's tag that names another":  {func(_ *testing.T, s *server) { s.puts("deploy", "developers") }, "deploy:developers: it is DEVELOPERS, and ring developers has 0.3.0 by the log", nil, "0.3.0"},
		"the newest record's tag":          {func(_ *testing.T, s *server) { s.loses("records:record-00000005") }, "records:record-00000005: the tag of the record is not there", nil, "0.3.0"},
		"the tags of all records":          {func(_ *testing.T, s *server) { s.forgets(5) }, "records:record-00000001: the tag of the record is not there", nil, "0.3.0"},
		"a record's config":                {func(_ *testing.T, s *server) { s.lacks(s.configOf("record-00000005")) }, "records:ring-developers: it is MARK: it names no record: ", []string{alone, again}, ""},
		"a record":                         {loseRecord("record-00000003"), "records:record-00000003: the record is not there, and later ones are: run `quoit repair --from COPY`", []string{alone, again}, "0.3.0"},
		"an external":                      {loseImage("externals/box", 0), "externals/box@BOX: it is not there: run `quoit repair --from COPY`", []string{alone}, "0.3.0"},
		"an external's manifest":           {loseImage("externals/box", 1), "externals/box@BOX: it names ", []string{alone}, "0.3.0"},
		"an external's blob":               {loseImage("externals/box", 2), "externals/box@BOX: it names the blob ", []string{alone, again}, "0.3.0"},
		"an external's tag":                {func(_ *testing.T, s *server) { s.loses("externals/box:0.3.0") }, "externals/box:0.3.0: it is not there, release 0.3.0 says ", nil, "0.3.0"},
		"an external's tag that is others": {func(_ *testing.T, s *server) { s.puts("externals/box", "0.3.0") }, "externals/box:0.3.0: it is ", []string{again}, "0.3.0"},
		"an image":                         {loseImage("api", 0), "api@API: it is not there: run `quoit repair --from COPY`, which takes it from a copy\n", []string{alone}, "0.3.0"},
		"a platform of an image":           {loseImage("api", 1), "api@API: it names ", []string{alone}, "0.3.0"},
		"a root image":                     {loseImage("deploy", 0), "deploy@DEVELOPERS: it is not there", []string{alone}, "0.3.0"},
	}
	origin, copied := chain(t)
	for i, name := range slices.Sorted(maps.Keys(tests)) {
		test := tests[name]
		for j, way := range []string{alone, project, media, again} {
			if (i+j)%dose.Of(3, 1, 1) != 0 {
				continue
			}
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				s := mirrorOf(t, copied)
				whole := s.EveryTag()
				test.lose(t, s)
				wants := strings.NewReplacer("MARK", s.digest("records", "ring-"+markedOf(test.finds)), "DEVELOPERS", cmp.Or(s.digest("deploy", "developers"), whole["deploy"]["developers"]),
					"BOX", whole["externals/box"]["0.3.0"], "API", whole["api"]["0.3.0"])
				if found := s.finds() + "\n"; !strings.Contains("\n"+found, wants.Replace(test.finds)) || test.finds != "" && !strings.Contains(found, "`quoit repair") {
					t.Errorf("verify finds:\n%swant\n%s", found, wants.Replace(test.finds))
				}
				if state, err := s.Open(nil).State(t.Context(), "developers"); err == nil && test.reads != version(state, "developers") || err != nil && test.reads != "" {
					t.Errorf("developers has %v, %v", state.Rings()["developers"], err)
				}
				from := map[string]registry.Namespace{project: origin.At(nil), media: copied.At(nil)}[way]
				switch copying := (mirror.Request{Releases: []string{"developers", "testers"}}); {
				case slices.Contains(test.not, way):
					if way == again {
						_, _ = mirror.Copy(t.Context(), copied.At(nil), s.At(nil), copying) // it may refuse
					} else {
						_, _ = repair.Repair(t.Context(), s.Open(nil), repair.Options{Rings: storetest.Rings, From: from}) // so too
					}
					if s.finds() == "" {
						t.Error("verify finds nothing, though this does not mend it")
					}
					return
				case way == again:
					_, err := mirror.Copy(t.Context(), copied.At(nil), s.At(nil), copying)
					must(t, err)
				default:
					s.repairs(from)
				}
				found := s.finds()
				s.SetFault(nil)
				now := s.EveryTag()
				if name == "every mark" { // a later record gives it the same
					delete(whole[records.Repository], "ring-testers")
				}
				for image, tags := range whole {
					for tag, digest := range tags {
						if now[image][tag] != digest {
							t.Errorf("%s:%s was %s, and is %q", image, tag, digest, now[image][tag])
						}
					}
				}
				if found != "" {
					t.Errorf("after it verify finds:\n%s", found)
				}
				if got := s.has("developers") + " " + s.has("testers") + " " + s.has("users"); got != "0.3.0 0.2.0 -" {
					t.Errorf("the rings have %s", got)
				}
			})
		}
	}
}

// markedOf is the ring whose mark a finding is about.
func markedOf(finding string) string {
	_, ring, _ := strings.Cut(finding, "records:ring-")
	ring, _, _ = strings.Cut(ring, ":")
	return ring
}

// configOf is the digest of a record's config.
func (s *server) configOf(tag string) string {
	s.T.Helper()
	config, err := registry.NewManifest(records.ManifestType, s.contents(records.Repository, tag)).Config()
	must(s.T, err)
	return config.Digest
}

// loseRecord lets a registry lose a record, with its tags.
func loseRecord(tag string) func(*testing.T, *server) {
	return func(_ *testing.T, s *server) {
		digest := s.digest(records.Repository, tag)
		s.loses(records.Repository + ":" + tag)
		s.lacks(digest)
	}
}

// loseImage lets a registry lose the index of the newest version of an image, a manifest,
// or a blob, of one repository.
func loseImage(image string, part int) func(*testing.T, *server) {
	return func(_ *testing.T, s *server) {
		index, manifest, config := s.parts(image, s.digest(image, "0.3.0"))
		s.lacks([]string{index, manifest, config}[part])
	}
}

// A mirror's newest release is brought back, though nobody there says that it is done.
func TestARepairOfAMirrorThatHasAPublishOnly(t *testing.T) {
	s, replica := newServer(t), newServer(t)
	s.Release(storetest.First, "developers")
	replica.copiesFrom(s.At(nil), "developers")
	_, manifest, _ := replica.parts("api", replica.digest("api", "0.1.0"))
	replica.lacks(manifest)
	if done, left := replica.repairs(s.At(nil)); !strings.Contains(done, "api@"+manifest+": the manifest was taken from ") || left != "" {
		t.Errorf("done:\n%s\nleft:\n%s", done, left)
	}
}

// A ring that was never copied gets no mark, whatever somebody has pushed for it.
func TestARingThatWasNotCopied(t *testing.T) {
	_, copied := chain(t)
	for name, push := range map[string]func(s *server){
		"an image of others":          func(s *server) { s.puts("deploy", "users") },
		"a release that the ring had": func(s *server) { s.Put("deploy", "users", registry.IndexType, s.contents("deploy", "0.1.0")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := mirrorOf(t, copied)
			push(s)
			before := s.EveryTag()
			done, left := s.repairs(nil)
			if done != "" || left != "records:ring-users: nothing says by which record of the log the ring was copied: copy it again with `quoit copy`" || !equal(before, s.EveryTag()) {
				t.Errorf("done:\n%s\nleft:\n%s", done, left)
			}
			if done, _ := s.repairs(copied.At(nil)); done != "" || s.has("users") != "-" {
				t.Errorf("done:\n%s", done)
			}
		})
	}
}

// A tag does not decide what a ring has whose mark is broken, also if the ring once had what
// it names, and nothing else has a mark.
func TestATagDoesNotDecideABrokenMark(t *testing.T) {
	_, copied := chain(t)
	for name, others := range map[string]bool{"others have marks": true, "it is the only one": false} {
		t.Run(name, func(t *testing.T) {
			s := mirrorOf(t, copied)
			s.Put("deploy", "developers", registry.IndexType, s.contents("deploy", "0.1.0"))
			s.puts("records", "ring-developers")
			if !others {
				s.loses("records:ring-testers", "deploy:testers")
			}
			before := s.EveryTag()
			done, left := s.repairs(nil)
			if done != "" || left != "records:ring-developers: nothing says by which record of the log the ring was copied: copy it again with `quoit copy`" || !equal(before, s.EveryTag()) {
				t.Errorf("done:\n%s\nleft:\n%s", done, left)
			}
			s.repairs(copied.At(nil))
			if got := s.has("developers"); got != "0.3.0" || s.digest("deploy", "developers") != copied.digest("deploy", "developers") {
				t.Errorf("developers has %s", got)
			}
		})
	}
}

// The registry of an external is asked for what is lost only.
func TestARepairAsksOthersForWhatIsLostOnly(t *testing.T) {
	origin, copied := chain(t)
	s := mirrorOf(t, copied)
	origin.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		foreign := strings.Contains(r.URL.Path, "/vendor/")
		if foreign {
			w.WriteHeader(http.StatusForbidden)
		}
		return foreign
	})
	if done, left := s.repairs(origin.At(nil)); done+left != "" {
		t.Errorf("done:\n%s\nleft:\n%s", done, left)
	}
}
