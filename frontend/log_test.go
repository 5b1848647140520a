package frontend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// append appends a record that changes what rings have.
func (w *world) append(change func(*records.Record)) records.Sealed {
	w.t.Helper()
	sealed, err := store.New(w.at, "acme/shop").Append(w.t.Context(), store.Author{Actor: "bob"}, versioning.Rings([]string{"developers", "testers", "users"}),
		func(newest records.Record) (records.Record, error) {
			record := newest.Following(records.OpSet)
			change(&record)
			return record, nil
		})
	w.must(err)
	return sealed
}

// gives gives a ring what another one has.
func gives(from, to string) func(*records.Record) {
	return func(r *records.Record) { r.After[to] = r.After[from] }
}

// digestOf is what a tag of the project's registry names.
func (w *world) digestOf(image, tag string) string {
	w.t.Helper()
	digest, found, err := w.at.Repository(image).Head(w.t.Context(), tag)
	w.must(err)
	if !found {
		w.t.Fatalf("%s:%s is not there", image, tag)
	}
	return digest
}

// move lets a tag name what another one does.
func (w *world) move(image, tag, to string) {
	w.t.Helper()
	repository := w.at.Repository(image)
	manifest, _, err := repository.Get(w.t.Context(), to)
	w.must(err)
	_, err = repository.Put(w.t.Context(), tag, manifest)
	w.must(err)
}

// decided are the tags that a plan looked up in the project's registry, without those
// of the log that have one content for ever.
func (w *world) decided() []string {
	var tags []string
	for _, ref := range w.askedItsRegistry() {
		if !strings.Contains(ref, "@sha256:") && !strings.Contains(ref, "/records:record-") {
			tags = append(tags, strings.TrimPrefix(ref, shopRegistry+"/"))
		}
	}
	slices.Sort(tags)
	return tags
}

// TestNoTagButTheHintIsRead: whatever the rings have, and whoever has named the record.
func TestNoTagButTheHintIsRead(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	w.append(gives("developers", "testers"))
	w.append(gives("developers", "users"))
	w.write("web/f", "another web")
	w.publish(Options{})
	w.append(gives("testers", "post"))
	sealed := w.append(gives("users", "testers"))
	w.write("api/f", "another api")
	for _, o := range []Options{{}, {Ring: "testers"}, {Ring: "users"}, {Ring: "ante"}, {Merge: []string{"users"}}, {Target: "base"}, {Target: "web"}, {Request: RequestPlan}} {
		w.Gateway = w.again()
		o.Record = sealed.Digest
		if _, err := w.run(o); err != nil {
			t.Fatal(err)
		}
		if tags := w.decided(); len(tags) > 0 {
			t.Errorf("%+v looks at %v", o, tags)
		}
		w.Gateway = w.again()
		o.Record = ""
		if _, err := w.run(o); err != nil {
			t.Fatal(err)
		}
		if tags := w.decided(); !slices.Equal(tags, []string{"records:records"}) {
			t.Errorf("%+v, by the hint, looks at %v", o, tags)
		}
	}
}

// again is the same BuildKit, which remembers nothing.
func (w *world) again() *gatewaytest.Gateway {
	g := gatewaytest.New()
	g.Folder, g.Registry, g.Contents, g.Fail = w.Folder, w.Registry, w.contents, w.Fail
	return g
}

// TestTagsOfOthersAreNotBelieved: whoever may push to all repositories but the log's, and
// has the sources, so that his labels are just those of the plan.
func TestTagsOfOthersAreNotBelieved(t *testing.T) {
	for name, attack := range map[string]func(w *world, forged func(image string) []byte){
		"the wanted version of an image":       func(w *world, forged func(string) []byte) { w.push("web", "0.1.1", forged("web")) },
		"the wanted version of the root image": func(w *world, forged func(string) []byte) { w.push("deploy", "0.1.1", forged("deploy")) },
		"all of them": func(w *world, forged func(string) []byte) {
			w.push("web", "0.1.1", forged("web"))
			w.push("deploy", "0.1.1", forged("deploy"))
		},
		"a sibling's version with others":     func(w *world, forged func(string) []byte) { w.push("base", "0.1.0", []byte(`{"config":{}}`)) },
		"an unchanged image's version":        func(w *world, forged func(string) []byte) { w.push("api", "0.1.0", forged("web")) },
		"the ring's tag":                      func(w *world, forged func(string) []byte) { w.push("deploy", "developers", forged("deploy")) },
		"the tag of a ring without a release": func(w *world, forged func(string) []byte) { w.push("deploy", "testers", forged("deploy")) },
		"post":                                func(w *world, forged func(string) []byte) { w.push("deploy", "post", forged("deploy")) },
		"ante":                                func(w *world, forged func(string) []byte) { w.push("deploy", "ante", forged("deploy")) },
		"a ring's tag, to what is no image":   func(w *world, forged func(string) []byte) { w.push("deploy", "developers", []byte("no JSON")) },
		"a ring's tag, to an emptied one": func(w *world, forged func(string) []byte) {
			w.push("deploy", "developers", []byte(`{"config":{"Labels":{"io.github.quoitbuild.empty":"1"}}}`))
		},
		"a ring's tag, by hand": func(w *world, forged func(string) []byte) {
			w.move("deploy", "developers", w.digestOf("deploy", "0.1.0"))
		},
		"a major, in a ring without a release": func(w *world, forged func(string) []byte) {
			w.push("deploy", "users", []byte(strings.ReplaceAll(string(forged("deploy")), "0.1.", "9.1.")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, shop)
			w.publish(Options{})
			w.write("web/f", "another web")
			res, wanted := w.build(Options{Export: true})
			before := len(w.Solved())
			attack(w, func(image string) []byte { return res.Metadata[exptypes.ExporterImageConfigKey+"/"+image] })
			_, plan := w.build(Options{Export: true})
			wantChanges(t, changes(plan), changes(wanted)...)
			for i, image := range plan.Images {
				if image.Adopted || image.Digest != wanted.Images[i].Digest {
					t.Errorf("%s: adopted %t, digest %s, want %s", image.Name, image.Adopted, image.Digest, wanted.Images[i].Digest)
				}
			}
			if len(w.Solved())-before != 2 {
				t.Errorf("%d graphs are solved, want those of web and deploy", len(w.Solved())-before)
			}
		})
	}
}

// TestASiblingComesByTheDigestOfTheLog: what its version's tag names is never run.
func TestASiblingComesByTheDigestOfTheLog(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	assigned := w.digestOf("base", "0.1.0")
	w.push("base", "0.1.0", []byte(`{"config":{"Labels":{"evil":"1"}}}`))
	w.write("api/f", "another api")
	before := len(w.Solved())
	for _, o := range []Options{{Export: true}, {Target: "base"}, {Target: "api"}} {
		w.build(o)
	}
	found := false
	for _, def := range w.Solved()[before:] {
		sources, err := gatewaytest.Sources(def)
		w.must(err)
		for _, source := range sources {
			if strings.Contains(source, shopRegistry+"/base") {
				found = true
				if source != "docker-image://"+shopRegistry+"/base@"+assigned {
					t.Errorf("built on %s, the log says %s", source, assigned)
				}
			}
		}
	}
	if !found {
		t.Error("nothing is built on base")
	}
}

// TestEveryImageThatIsNotBuiltHasItsDigest: whichever record has published it.
func TestEveryImageThatIsNotBuiltHasItsDigest(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	w.write("web/f", "another web")
	w.publish(Options{})
	w.append(gives("developers", "testers")) // so the newest record is no publish
	for _, text := range []string{"another api", "api"} {
		w.write("api/f", text)
		_, plan := w.build(Options{Request: ""})
		for _, image := range plan.Images {
			want := ""
			if !image.Built() {
				want = w.digestOf(image.Name, image.Version.String())
			}
			if image.Digest != want {
				t.Errorf("%s %s: digest %q, want %q", image.Name, image.Version, image.Digest, want)
			}
		}
	}
}

// TestAVersionIsAdoptedOnlyFromARing: that has it by the log, with equal identity.
func TestAVersionIsAdoptedOnlyFromARing(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	w.write("web/f", "another web")
	w.publish(Options{})
	w.append(gives("developers", "testers"))
	back := w.digestOf("deploy", "0.1.0")
	w.append(func(r *records.Record) {
		place := r.After["developers"]
		place.Version, place.Digest, place.Record, place.Release, place.Lineage = versioning.Version{Minor: 1}, back, 1, 1, ""
		r.After["users"] = place
	})
	// Users goes back to the first release, and the same change comes again.
	_, plan := w.build(Options{Export: true, Ring: "users"})
	for _, name := range []string{"web", "deploy"} {
		if image, _ := plan.Image(name); image.Version.String() != "0.1.1" || !image.Adopted || image.Digest != w.digestOf(name, "0.1.1") {
			t.Errorf("what testers has is %+v", image)
		}
	}
	w.write("web/f", "a third web")
	_, plan = w.build(Options{Export: true, Ring: "users"})
	if web, _ := plan.Image("web"); web.Version.String() != "0.2.0" || web.Adopted {
		t.Errorf("a version that testers has with other contents is planned: %+v", web)
	}
}

func TestLogsThatCannotBeRead(t *testing.T) {
	sealed := func(w *world) string {
		w.publish(Options{})
		return w.digestOf("records", "records")
	}
	for name, test := range map[string]struct {
		prepare func(*world) string // returns what is given as the newest record
		words   []string
	}{
		"a record that is not there": {func(*world) string { return "sha256:" + strings.Repeat("a", 64) }, []string{"/records@sha256:aaaa", "is not found, although the log names it: run the same command again later, and if that does not help, check what lies between"}},
		"no record":                  {func(w *world) string { return w.push("records", "", []byte(`{"config":{"Labels":{"a":"b"}}}`)) }, []string{records.ErrNotRecord.Error(), "quoit verify"}},
		"another image as the hint":  {func(w *world) string { w.push("records", "records", []byte(`{}`)); return "" }, []string{"/records:records", "quoit verify"}},
		"a newer record": {func(w *world) string {
			w.push("records", "records", fmt.Appendf(nil, `{"config":{"Labels":{"io.github.quoitbuild.record":"{\"schema\":%d}"}}}`, records.Schema+1))
			return ""
		}, []string{"update quoit"}},
		"a mirror": {func(w *world) string {
			sealed(w)
			mark, config, err := store.MirrorMark("registry.example.com/acme/origin")
			w.must(err)
			w.must(registry.Ensure(w.t.Context(), w.at.Repository("records"), config))
			_, err = w.at.Repository("records").Put(w.t.Context(), "records", mark)
			w.must(err)
			return ""
		}, []string{shopRegistry + " is a mirror: build at its origin"}},
		"a root image that is gone": {func(w *world) string {
			digest, root := sealed(w), w.digestOf("deploy", "developers")
			w.Fail = func(ref string) error {
				if strings.HasSuffix(ref, "/deploy@"+root) {
					return errors.New(ref + ": not found")
				}
				return nil
			}
			return digest
		}, []string{"/deploy@sha256:", "run `quoit repair`, or give ring developers another release than 0.1.0 with `quoit set`"}},
		"a root image that is none": {func(w *world) string {
			sealed(w)
			other := w.push("deploy", "", []byte(`{"config":{"Labels":{"a":"b"}}}`))
			return w.append(func(r *records.Record) {
				r.After["developers"] = records.Place{Root: "deploy", Version: versioning.Version{Major: 7}, Digest: other, Record: 1, Release: 1}
			}).Digest
		}, []string{"is not the record that published deploy 7.0.0, which developers has: run `quoit verify`"}},
		"a publish that is gone": {func(w *world) string {
			sealed(w)
			digest := w.append(gives("developers", "testers")).Digest
			w.Fail = func(ref string) error {
				if strings.Contains(ref, "/records") && !strings.HasSuffix(ref, digest) {
					return errors.New(ref + ": not found")
				}
				return nil
			}
			return digest
		}, []string{"is not found, although the log names it: run the same command again later, and if that does not help, run `quoit repair`"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, shop)
			w.fails(Options{Record: test.prepare(w), Request: RequestPlan}, test.words...)
		})
	}
}

// TestARecordThatWasNamedIsTheOneThatCounts: and without a log nothing is looked up.
func TestARecordThatWasNamedIsTheOneThatCounts(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	first := w.digestOf("records", "records")
	w.write("web/f", "another web")
	w.publish(Options{})
	if _, plan := w.build(Options{Record: first}); plan.Current.Version.String() != "0.1.0" {
		t.Errorf("by the first record it continues %v", plan.Current)
	}
	w.Gateway = w.again()
	_, plan := w.build(Options{Record: rings.NoRecord})
	if asked := w.askedItsRegistry(); plan.Current != nil || len(asked) > 0 {
		t.Errorf("without a log it continues %v, and asked for %v", plan.Current, asked)
	}
	// The command finds the record while the project is read.
	asked := 0
	w.Opts = Options{Filename: DefaultManifest, Request: RequestPlan, Record: rings.NoRecord}.Attrs()
	res, err := New(Host{Folder: w.Folder, Manifest: []byte(shop["quoit.yaml"]), Runner: runner, Record: func(context.Context) (string, error) {
		asked++
		return first, nil
	}})(t.Context(), w.Gateway)
	if err != nil || asked != 1 || !strings.Contains(string(res.Metadata["result.txt"]), "0.1.0 → 0.1.1") {
		t.Errorf("error %v, asked %d times: %s", err, asked, res.Metadata["result.txt"])
	}
}

// TestAReleaseThatIsOlderThanTheLog: its images' digests are nowhere, and no tag is asked.
func TestAReleaseThatIsOlderThanTheLog(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	w.append(func(r *records.Record) {
		place := r.After["developers"]
		place.Record = 0
		r.After["developers"] = place
	})
	if _, plan := w.build(Options{Export: true}); len(plan.Changed()) > 0 || plan.Images[1].Digest != "" {
		t.Errorf("the plan is %v", plan)
	}
	w.write("web/f", "another web") // needs no digest
	w.build(Options{Export: true})
	w.write("api/f", "another api")
	w.fails(Options{Export: true}, "developers has base 0.1.0 in a release that is older than the log", "quoit take-over developers", "QUOIT_REBUILD=base")
	w.fails(Options{Target: "base"}, "quoit take-over developers")
	if _, plan := w.build(Options{Export: true, Rebuild: []string{"base"}}); len(plan.PublishOrder()) != 4 {
		t.Errorf("the plan is %v", plan)
	}
}
