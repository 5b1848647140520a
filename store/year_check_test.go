package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

// begin notes the newest record before a step; the project's connection goes on
// from week to week.
func (y *year) begin() { y.submitted = y.newest() }

func (y *year) newest() records.Record {
	y.T.Helper()
	history, err := y.project.History(context.Background(), 1)
	must(y.T, err)
	if len(history) == 0 {
		return records.Record{}
	}
	return history[0].Record
}

// end returns the newest record after a step, and checks what always has to hold.
func (y *year) end() records.Record {
	y.T.Helper()
	after := y.newest()
	if got, want := slices.Sorted(maps.Keys(after.Holds)), slices.Sorted(maps.Keys(y.held)); !slices.Equal(got, want) {
		y.T.Errorf("record %d: %v are held, not %v", after.Sequence, want, got)
	}
	for _, ring := range y.Rings {
		y.complete(ring, after.After)
		for _, other := range y.Rings {
			y.descends(after.After[ring], after.After[other])
		}
	}
	return after
}

// complete checks that a ring's tag is what the log says, and that all versions
// of its release exist.
func (y *year) complete(ring string, table records.Table) {
	y.T.Helper()
	got, want := y.digest("deploy", ring), records.TagOf(table, ring).Digest
	if empty := records.Nothing().Digest; got != want && (got != "" || want != empty) {
		y.T.Errorf("the tag of %s is %s, the log says %s", ring, got, want)
	}
	for name, image := range y.releases[table[ring].Digest].Images {
		if !y.contents[records.Content{Repository: name, Tag: image.Version.String(), Digest: y.digest(name, image.Version.String())}] {
			y.T.Errorf("%s has %s, which lacks %s %s", ring, table[ring].Version, name, image.Version)
		}
	}
	if place := table[ring]; !place.Empty() && y.releases[place.Digest].Version() != place.Version {
		y.T.Errorf("%s has %s, which is %s", ring, place.Version, y.releases[place.Digest].Version())
	}
}

// digest is what a tag names, "" for nothing.
func (y *year) digest(image, tag string) string {
	code, manifest := y.Do("GET", "/v2/"+storetest.Project+"/"+image+"/manifests/"+tag, "", nil)
	if code != http.StatusOK {
		return ""
	}
	return registry.DigestOf(manifest)
}

// descends checks the log's lineages by what the labels say of the parents.
func (y *year) descends(place, ancestor records.Place) {
	y.T.Helper()
	if got, want := place.Descends(ancestor), y.true(place.Digest, ancestor.Digest); got != want {
		y.T.Errorf("%s (%s) descends from %s (release %d): %v, not %v", place.Version, place.Lineage, ancestor.Version, ancestor.Release, want, got)
	}
}

// true reports whether a release descends from another one, or is it.
func (y *year) true(release, ancestor string) bool {
	return ancestor == "" || release == ancestor || y.digests[release][ancestor]
}

// published notes a release, and checks that its images are there, and those that
// their labels name.
func (y *year) published(publication store.Publication, placed versioning.Placed) {
	y.T.Helper()
	y.releases[placed.Digest] = placed.Release
	ancestors := map[string]bool{}
	for _, parent := range placed.Release.Parents {
		ancestors[parent.Digest] = true
		maps.Copy(ancestors, y.digests[parent.Digest])
	}
	y.digests[placed.Digest] = ancestors
	for name, digest := range publication.Digests {
		version := placed.Release.Images[name].Version.String()
		y.contents[records.Content{Repository: name, Tag: version, Digest: digest}] = true
		for label, need := range y.labels(name, version) {
			if dependency, ok := strings.CutPrefix(label, "dependency."); ok && y.digest(dependency, need) == "" {
				y.T.Errorf("%s %s says that it depends on %s %s, which is not there", name, version, dependency, need)
			}
		}
	}
}

// labels are those of a version.
func (y *year) labels(image, version string) map[string]string {
	y.T.Helper()
	at := "/v2/" + storetest.Project + "/" + image
	_, index := y.Do("GET", at+"/manifests/"+version, "", nil)
	digest, err := registry.NewManifest(registry.IndexType, index).Image()
	must(y.T, err)
	_, manifest := y.Do("GET", at+"/manifests/"+digest, "", nil)
	blob, err := registry.NewManifest(registry.ManifestType, manifest).Config()
	must(y.T, err)
	_, data := y.Do("GET", at+"/blobs/"+blob.Digest, "", nil)
	var config struct {
		Config struct{ Labels map[string]string }
	}
	must(y.T, json.Unmarshal(data, &config))
	return config.Config.Labels
}

// forward checks that a build takes no version of a ring back.
func (y *year) forward(ring string, before, after versioning.Release) {
	y.T.Helper()
	for name, image := range after.Images {
		if was := before.Images[name].Version; image.Version.Compare(was) < 0 {
			y.T.Errorf("in %s, %s goes back from %s to %s by a build", ring, name, was, image.Version)
		}
	}
}

// lost checks that what nothing descends from any more was said to be dropped,
// and nothing else.
func (y *year) lost(after records.Record, dropped []store.ReleaseName) {
	y.T.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, place := range y.submitted.After {
		kept := func(ring string) bool { return y.true(after.After[ring].Digest, place.Digest) }
		if !slices.ContainsFunc(y.Rings, kept) {
			want[place.Digest] = true
		}
	}
	for _, release := range dropped {
		got[release.Digest] = true
		y.happened["dropped"]++
	}
	if !maps.Equal(want, got) {
		y.T.Errorf("record %d: %v were dropped, it says %v", after.Sequence, want, got)
	}
}

// asked checks that releases would really be lost, and returns their rings.
func (y *year) asked(discard *versioning.DiscardError) (rings []string) {
	y.T.Helper()
	for _, change := range discard.Changes {
		if rings = append(rings, change.Ring); y.true(change.To.Digest, change.From.Digest) {
			y.T.Errorf("%s would be lost by %s, which descends from it", change.From.Version, change.To.Version)
		}
	}
	if now := y.end(); now.Sequence != y.submitted.Sequence {
		y.T.Errorf("it is record %d, and stopped", now.Sequence)
	}
	return rings
}

// kept checks that a shift replaces releases by what descends from them, unless
// it was told otherwise.
func (y *year) kept(outcome store.RingOutcome, discard []string) {
	y.T.Helper()
	for _, change := range outcome.Changes {
		if change.From != nil && !y.true(change.To.Digest, change.From.Digest) && !slices.Contains(discard, change.Ring) {
			y.T.Errorf("%s lost %s to %s, and nobody asked", change.Ring, change.From, change.To)
		}
	}
}

// shifted checks what the rings have after a shift.
func (y *year) shifted(request versioning.ShiftRequest, after records.Record) {
	y.T.Helper()
	first, last := max(1, slices.Index(y.Rings, request.From)), len(y.Rings)-1
	if request.To != "" {
		last = slices.Index(y.Rings, request.To)
	}
	for i, ring := range y.Rings {
		want := y.submitted.After[ring]
		if i > first && i <= last {
			if from := y.Rings[i-1]; !y.held[from] && !y.held[ring] && !y.submitted.After[from].Empty() {
				want = y.submitted.After[from]
			}
		}
		if got := after.After[ring]; got != want {
			y.T.Errorf("after shift %v, %s has %s, not %s", request, ring, got.Version, want.Version)
		}
	}
}

// verified holds the whole registry against its log.
func (y *year) verified() {
	y.T.Helper()
	report, err := verify.Verify(context.Background(), y.project, nil)
	must(y.T, err)
	if len(report.Findings) > 0 {
		y.T.Errorf("verify: %v", report.Findings)
	}
}

// everyKind checks that the year was not a dull one.
func (y *year) everyKind() {
	for _, kind := range []string{"build", "hotfix", "merge", "shift", "discard", "unshift", "partial unshift", "set", "hold", "unhold", "held"} {
		if y.happened[kind] == 0 {
			y.T.Errorf("there was no %s: %v", kind, y.happened)
		}
	}
}

func (y *year) tell(kind, format string, values ...any) {
	y.happened[kind]++
	y.story = append(y.story, fmt.Sprintf("%3d %s %s", y.submitted.Sequence+1, kind, fmt.Sprintf(format, values...)))
}

// week lets what happens in so many of a hundred weeks happen, in any order.
func (y *year) week() {
	habits := []struct {
		percent int
		do      func()
	}{{40, y.hotfix}, {25, y.hold}, {15, y.set}, {90, y.shift}, {30, y.unshift}, {40, y.unhold}, {30, y.shift}}
	y.chance.Shuffle(len(habits), func(i, j int) { habits[i], habits[j] = habits[j], habits[i] })
	for _, some := range habits {
		if y.chance.IntN(100) < some.percent {
			some.do()
		}
	}
}
