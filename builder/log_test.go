package builder

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// quick is a registry that wants nobody to wait.
type quick struct{ *memory.Namespace }

func (quick) Pace() registry.Pace { return registry.Pace{Backoff: time.Millisecond} }

// logOf is a project in memory with a release for each revision.
func logOf(t *testing.T, revisions ...string) (quick, Options) {
	t.Helper()
	at := quick{memory.New("registry.example.com/acme/shop")}
	for _, revision := range revisions {
		if _, err := storetest.Publish(t.Context(), at, revision); err != nil {
			t.Fatal(err)
		}
	}
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return at, Options{Manifest: m, Project: store.New(at, "acme/shop"), Push: true}
}

// move lets a tag name what another one does.
func move(t *testing.T, at quick, image, tag, to string) {
	t.Helper()
	contents, found, err := at.Repository(image).Get(t.Context(), to)
	if err != nil || !found {
		t.Fatalf("%s:%s is not there: %v", image, to, err)
	}
	if _, err := at.Repository(image).Put(t.Context(), tag, contents); err != nil {
		t.Fatal(err)
	}
}

// read reads the log to its end.
func (o Options) read(t *testing.T) (*reading, string, error) {
	t.Helper()
	r := o.readLog(t.Context(), "")
	record, err := r.record(t.Context(), "given")
	return r, record, err
}

func planOf(t *testing.T, state store.State, ring string) versioning.Plan {
	t.Helper()
	plan := somePlan()
	plan.Images, plan.Ring = plan.Images[1:], ring
	plan.Images[0].Dependencies = nil
	if place := state.Newest.Record.After[ring]; !place.Empty() {
		plan.Current = &versioning.Held{Ring: ring, Version: place.Version, Digest: place.Digest}
	}
	return plan
}

func TestTheNewestRecordIsNamed(t *testing.T) {
	_, o := logOf(t)
	if _, record, err := o.read(t); record != rings.NoRecord || err != nil {
		t.Errorf("without a log: %s, %v", record, err)
	}
	at, o := logOf(t, "1", "2")
	newest, _, err := at.Repository(records.Repository).Head(t.Context(), "record-00000002")
	if err != nil {
		t.Fatal(err)
	}
	if _, record, err := o.read(t); record != newest || err != nil {
		t.Errorf("it is %s, want %s: %v", record, newest, err)
	}
	for name, change := range map[string]func(*Options){
		"no store":                     func(o *Options) { o.Project = nil },
		"a first release":              func(o *Options) { o.Frontend.First = true },
		"a build that looks at nobody": func(o *Options) { o.Frontend.Ring = versioning.None },
	} {
		changed := o
		change(&changed)
		r, record, err := changed.read(t)
		if record != "given" || err != nil {
			t.Errorf("%s: %s, %v", name, record, err)
		}
		plan := somePlan()
		if err := r.warn(t.Context(), changed, &plan); err != nil || len(plan.Warnings) > 0 {
			t.Errorf("%s: %v, warnings %v", name, err, plan.Warnings)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := (&reading{done: make(chan struct{})}).record(stopped, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestASilentRegistryEndsABuild, or a plan: what they read of the log has an end, by itself
// and by an interrupt, and nothing was written then.
func TestASilentRegistryEndsABuild(t *testing.T) {
	for name, interrupted := range map[string]bool{"by itself": false, "by an interrupt": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				silent := registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				p, err := store.Open("registry.example.com", "acme/shop", registry.Options{Transport: silent, Keychain: authn.NewMultiKeychain()})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				begin, longest := time.Now(), time.Minute
				if interrupted {
					time.AfterFunc(time.Second, cancel)
					longest = time.Second
				}
				var silence *registry.RequestError
				o := Options{Project: p, Push: true}
				_, err = o.readLog(ctx, "").record(ctx, "")
				if took := time.Since(begin); took > longest || p.Wrote() || !interrupted && !errors.As(err, &silence) || interrupted && !errors.Is(err, context.Canceled) {
					t.Errorf("after %s, it wrote: %t: %v", took, p.Wrote(), err)
				}
				time.Sleep(5 * time.Minute) // until a request that several share has come to its own end
			})
		})
	}
}

func TestNothingIsBuiltForAMirror(t *testing.T) {
	at, o := logOf(t, "1")
	mark, config, err := store.MirrorMark("registry.example.com/acme/origin")
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Ensure(t.Context(), at.Repository(records.Repository), config); err != nil {
		t.Fatal(err)
	}
	if _, err := at.Repository(records.Repository).Put(t.Context(), string(records.Hint), mark); err != nil {
		t.Fatal(err)
	}
	var mirror *store.MirrorError
	r, _, err := o.read(t)
	if !errors.As(err, &mirror) || mirror.Origin != "registry.example.com/acme/origin" || !r.failed(err) || r.failed(context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestAPlanThatGoesByTags: as an old frontend image makes it.
func TestAPlanThatGoesByTags(t *testing.T) {
	_, o := logOf(t, "1")
	r, _, err := o.read(t)
	if err != nil {
		t.Fatal(err)
	}
	honest := planOf(t, r.state, "developers")
	if err := r.agrees(honest); err != nil {
		t.Error(err)
	}
	other, empty, next := honest, honest, honest
	other.Current = &versioning.Held{Ring: "developers", Digest: "sha256:other"}
	empty.Current = nil
	next.Next = &versioning.Held{Ring: "users", Digest: "sha256:other"}
	for want, plan := range map[string]versioning.Plan{
		"ring developers had sha256:other, the log says sha256:": other, "ring developers had nothing, the log says sha256:": empty,
		"ring users had sha256:other, the log says nothing": next,
	} {
		if err := r.agrees(plan); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "frontend image") {
			t.Errorf("error %v, want %s", err, want)
		}
		if _, err := (job{Options: o, log: r}).check(t.Context(), plan); err == nil {
			t.Error("it is built")
		}
	}
}

// TestWhatAnotherCommandHasLeftUndoneComesFirst: also if there is nothing to publish.
func TestWhatAnotherCommandHasLeftUndoneComesFirst(t *testing.T) {
	at, o := logOf(t, "1", "2")
	newest, _, err := at.Repository(records.Repository).Head(t.Context(), "record-00000002")
	if err != nil {
		t.Fatal(err)
	}
	done := records.Name{Mark: records.Done, Sequence: 2, Value: newest}.String()
	move(t, at, records.Repository, string(records.Hint), "record-00000001")
	if r, _, err := o.read(t); err != nil || !r.state.Closed {
		t.Errorf("a hint that is behind: %v, closed %t", err, r.state.Closed)
	}
	move(t, at, "deploy", "developers", "0.1.0")
	if _, err := at.Repository(records.Repository).Delete(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	r, record, err := o.read(t)
	if err != nil || r.state.Closed || record != newest {
		t.Fatalf("%v, closed %t, the newest record is %s", err, r.state.Closed, record)
	}
	asked := 0
	o.Check = func(context.Context, versioning.Plan) (bool, error) { asked++; return true, nil }
	plan := planOf(t, r.state, "developers")
	noop := plan
	noop.Images = []versioning.ImagePlan{{Name: "deploy", Version: plan.Current.Version}}
	var unready *unreadyError
	for _, plan := range []versioning.Plan{plan, noop} {
		if _, err := (job{Options: o, log: r}).check(t.Context(), plan); !errors.As(err, &unready) || asked > 0 {
			t.Fatalf("error %v, asked %d times", err, asked)
		}
	}
	if err := r.warn(t.Context(), o, &plan); err != nil || len(plan.Warnings) != 1 || plan.Warnings[0] != "record 2 of the log is not completed: `quoit build --push` sees to that first, and versions may become others" {
		t.Errorf("error %v, warnings %v", err, plan.Warnings)
	}
	o.Push = false
	if dirty, err := (job{Options: o, log: r}).check(t.Context(), plan); err != nil || !dirty || asked != 1 {
		t.Errorf("a build that publishes nothing: %v, dirty %t", err, dirty)
	}
	var out bytes.Buffer
	o.BuildKit.Progress.Out = &out
	if err := o.prepare(t.Context(), unready); err != nil || out.String() != "record 2 of the log, a publish, is not completed: that comes first\n" {
		t.Errorf("%v: %s", err, out.String())
	}
	ring, _, _ := at.Repository("deploy").Head(t.Context(), "developers")
	if after, _, err := o.read(t); err != nil || !after.state.Closed || ring != after.state.Rings()["developers"].Digest {
		t.Errorf("error %v, closed %t, the ring's tag is %s", err, after.state.Closed, ring)
	}
	// A registry that lets no tag move keeps the hint as it is.
	if after := o.readLog(t.Context(), newest); true {
		if <-after.done; !after.state.Closed {
			t.Error("it would be completed for ever")
		}
	}
}

// TestATagThatSomebodyMovedStopsWhatWouldWriteIt: before anything is built.
func TestATagThatSomebodyMovedStopsWhatWouldWriteIt(t *testing.T) {
	at, o := logOf(t, "1", "2")
	move(t, at, "deploy", "developers", "0.1.0")
	r, _, err := o.read(t)
	if err != nil {
		t.Fatal(err)
	}
	o.Check = func(context.Context, versioning.Plan) (bool, error) { t.Error("it goes on"); return false, nil }
	plan := planOf(t, r.state, "developers")
	var differs *store.DifferenceError
	if _, err := (job{Options: o, log: r}).check(t.Context(), plan); !errors.As(err, &differs) || !strings.Contains(err.Error(), "deploy:developers") {
		t.Errorf("error %v", err)
	}
	if err := r.warn(t.Context(), o, &plan); err != nil || len(plan.Warnings) != 1 || plan.Warnings[0] != differs.Error() {
		t.Errorf("error %v, warnings %v, want %v", err, plan.Warnings, differs)
	}
	noop := plan
	noop.Images = []versioning.ImagePlan{{Name: "deploy", Version: plan.Current.Version}}
	if _, err := (job{Options: o, log: r}).check(t.Context(), noop); err != nil {
		t.Errorf("nothing is published: %v", err)
	}
}

// TestALogOfAnOlderQuoitIsUpgraded: before something is published, and not for nothing.
func TestALogOfAnOlderQuoitIsUpgraded(t *testing.T) {
	_, o := logOf(t, "1")
	r, _, err := o.read(t)
	if err != nil {
		t.Fatal(err)
	}
	r.state.Newest.Record.Schema = 1
	plan := planOf(t, r.state, "developers")
	var unready *unreadyError
	if _, err := (job{Options: o, log: r}).check(t.Context(), plan); !errors.As(err, &unready) || unready.complete {
		t.Fatalf("error %v", err)
	}
	if err := o.prepare(t.Context(), unready); err != nil {
		t.Error(err)
	}
	if err := r.warn(t.Context(), o, &plan); err != nil || len(plan.Warnings) != 1 || !strings.HasPrefix(plan.Warnings[0], "record 1 of the log is by an older quoit: ") {
		t.Errorf("error %v, warnings %v", err, plan.Warnings)
	}
	plan.Images[0].Changed = false
	if _, err := (job{Options: o, log: r}).check(t.Context(), plan); err != nil {
		t.Errorf("nothing is published: %v", err)
	}
}
