package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/layout"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
)

// versioned is what a registry has under tags, without votes and hints.
func (s *server) versioned() map[string]map[string]string {
	all := s.EveryTag()
	for tag := range all[records.Repository] {
		if name, ok := records.ParseName(tag); !ok || name.Mark != records.Decided {
			delete(all[records.Repository], tag)
		}
	}
	return all
}

func (s *server) layout(dir string) *layout.Layout {
	s.T.Helper()
	l, err := layout.Open(dir, storetest.Project)
	must(s.T, err)
	return l
}

func copies(t *testing.T, from, to registry.Namespace, releases ...string) mirror.Copied {
	t.Helper()
	copied, err := mirror.Copy(context.Background(), from, to, mirror.Request{Releases: releases})
	must(t, err)
	return copied
}

func TestCopyToALayoutAndOn(t *testing.T) {
	source, replica, dir := newServer(t), newServer(t), filepath.Join(t.TempDir(), "media")
	source.Release(storetest.First, "developers")
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "developers")
	dry, err := mirror.Copy(context.Background(), source.At(nil), source.layout(dir), mirror.Request{Releases: []string{"developers", "0.1.0"}, DryRun: true})
	must(t, err)
	if _, err := os.Stat(dir); err == nil {
		t.Error("the dry run wrote something")
	}
	copied := copies(t, source.At(nil), source.layout(dir), "developers", "0.1.0")
	if dry.Copied != copied.Copied || dry.Records != copied.Records || !cmp.Equal(dry.Written, copied.Written) {
		t.Errorf("the dry run said %+v, it was %+v", dry, copied)
	}
	copies(t, source.layout(dir), replica.At(nil), "developers", "0.1.0")
	if diff := cmp.Diff(source.versioned(), replica.versioned()); diff != "" {
		t.Errorf("the mirror (-source +mirror):\n%s", diff)
	}
	replica.Whole()
	report, err := verify.Verify(context.Background(), replica.Open(nil), nil)
	must(t, err)
	if len(report.Findings) > 0 || report.Records != 2 || report.Mirror != source.Host()+"/"+storetest.Project || report.Images != 12 {
		t.Errorf("verify: %+v", report)
	}
	again := copies(t, source.layout(dir), replica.At(nil), "developers", "0.1.0")
	if (again.Copied != mirror.Amount{}) || len(again.Written) > 0 || again.Records > 0 {
		t.Errorf("again: %+v", again)
	}
	_, err = replica.Open(nil).Publish(context.Background(), source.Next(storetest.With(storetest.First, storetest.Shop{"api": 3}), "developers"))
	if err == nil || !strings.Contains(err.Error(), "is a mirror of "+source.Host()+"/"+storetest.Project) {
		t.Errorf("publishing to the mirror: %v", err)
	}
}

// copyCrash copies a ring to a target that has something of it, and dies at a request.
func copyCrash(t *testing.T, source, target *server, dying *registrytest.Mortal, want map[string]map[string]string) {
	before := target.has("developers")
	dying.Inner = &http.Transport{}
	_, err := mirror.Copy(context.Background(), source.At(nil), target.At(func(o *registry.Options) { o.Transport = dying }), mirror.Request{Releases: []string{"developers"}})
	if dying.Dead != (err != nil) {
		t.Fatalf("dead %v, error %v", dying.Dead, err)
	}
	target.Whole()
	mark := records.RingName("developers")
	copied := target.digest(mark) == want[records.Repository][mark]
	if copied {
		before = source.has("developers")
	}
	if got := target.has("developers"); got != before {
		t.Errorf("the ring has %s, not %s; it was copied: %v", got, before, copied)
	}
	report, err := verify.Verify(context.Background(), target.Open(nil), nil)
	must(t, err)
	for _, finding := range report.Findings { // but for a tag that was moved before the mark
		if copied || target.EveryTag()["deploy"]["developers"] != want["deploy"]["developers"] || !strings.Contains(finding.Reference, "/deploy:developers") || !strings.Contains(finding.Next, "`quoit repair") {
			t.Errorf("verify: %v", finding)
		}
	}
	copies(t, source.At(nil), target.At(nil), "developers")
	if diff := cmp.Diff(want, target.EveryTag()); diff != "" {
		t.Error(diff)
	}
}

func TestEveryCrashOfACopyCanBeResumed(t *testing.T) {
	source, media := newServer(t), t.TempDir()
	first := source.Release(storetest.First, "developers")
	copies(t, source.At(nil), source.layout(media), "developers")
	source.sign(first.Digests["api"], "api")
	source.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	for name, prepare := range map[string]func(target *server){
		"to nothing":                             func(*server) {},
		"to a mirror that lacks the ring":        func(target *server) { copies(t, source.layout(media), target.At(nil), "0.1.0") },
		"to a mirror that has the one before it": func(target *server) { copies(t, source.layout(media), target.At(nil), "developers") },
	} {
		undisturbed := newServer(t)
		prepare(undisturbed)
		undisturbed.Requests()
		copies(t, source.At(nil), undisturbed.At(nil), "developers")
		requests := undisturbed.Requests()
		for _, after := range []bool{false, true} {
			for n := 0; n < len(requests); n += dose.Of(6, 1, 1) {
				if reads := strings.HasPrefix(requests[n], "GET") || strings.HasPrefix(requests[n], "HEAD"); after && reads {
					continue
				}
				t.Run(fmt.Sprintf("%s, at request %d, %s, after it %v", name, n, requests[n], after), func(t *testing.T) {
					t.Parallel()
					target := newServer(t)
					prepare(target)
					copyCrash(t, source, target, &registrytest.Mortal{Left: n, After: after}, undisturbed.EveryTag())
				})
			}
		}
	}
}

func TestCopiesThatAreRefused(t *testing.T) {
	ctx := context.Background()
	source := newServer(t)
	source.Release(storetest.First, "developers")
	other := newServer(t)
	other.Release(storetest.First, "developers")
	older := source.layout(t.TempDir())
	copies(t, source.At(nil), older, "developers")
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "developers")
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 3}), "developers")
	index := []byte(`{"schemaVersion":2,"mediaType":"` + registry.IndexType + `","manifests":[]}`)
	for name, test := range map[string]struct {
		prepare func(target *server)
		from    registry.Namespace
		want    string
		writes  bool
	}{
		"a version's tag has other contents": {
			prepare: func(target *server) { target.Put("api", "0.1.2", registry.IndexType, index) },
			want:    "HOST/acme/shop/api:0.1.2 is " + registry.DigestOf(index) + " there, and ",
		},
		"the target is a project": {
			prepare: func(target *server) { target.Release(storetest.First, "developers") }, want: "HOST/acme/shop has a log and is not a mirror",
		},
		"the target is a mirror of another project": {
			prepare: func(target *server) { copies(t, other.At(nil), target.At(nil), "developers") },
			want:    "record 1 is ",
		},
		"the target has a record that was changed": {
			prepare: func(target *server) {
				copies(t, source.At(nil), target.At(nil), "0.1.0")
				target.Put(records.Repository, "record-00000002", registry.IndexType, index)
				target.Put(records.Repository, "record-00000003", registry.IndexType, index)
			},
			want: "record 2 is " + registry.DigestOf(index) + " at ",
		},
		"the source is older": {
			prepare: func(target *server) { copies(t, source.At(nil), target.At(nil), "0.1.0") }, from: older,
			want: "HOST/acme/shop has record 2 (",
		},
		"a ring is empty":             {from: source.At(nil), want: "ring users is empty"},
		"a ring that a mirror lacks":  {from: older, want: "ring users was not copied to "},
		"a release that there is not": {want: "release 9.9.9 is not in the log"},
	} {
		t.Run(name, func(t *testing.T) {
			target := newServer(t)
			if test.prepare != nil {
				test.prepare(target)
			}
			if test.from == nil {
				test.from = source.At(nil)
			}
			releases := []string{"developers"}
			if strings.Contains(test.want, "users") {
				releases = []string{"users"}
			} else if strings.Contains(test.want, "9.9.9") {
				releases = []string{"9.9.9"}
			}
			before := target.EveryTag()
			target.Requests()
			_, err := mirror.Copy(ctx, test.from, target.At(nil), mirror.Request{Releases: releases})
			if err == nil || !strings.Contains(target.Text(err), test.want) {
				t.Errorf("got  %s\nwant %s", target.Text(err), test.want)
			}
			for _, request := range target.Requests() {
				if !strings.HasPrefix(request, "GET") && !strings.HasPrefix(request, "HEAD") {
					t.Errorf("it made %s", request)
				}
			}
			if diff := cmp.Diff(before, target.EveryTag()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCopyOfABrokenSource(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a blob is lost":             {registrytest.Plain(404, "BLOB_UNKNOWN: gone"), "the registry lost it (404)"},
		"a blob is altered":          {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "!!") }, "the contents have another digest"},
		"a blob is short":            {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{") }, "bytes or more, not 2"},
		"a blob is long":             {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{} ") }, "bytes or more, not 2"},
		"a blob cannot be read":      {registrytest.Plain(403, "DENIED: no"), "this account may not pull from there (403)"},
		"the registry is in trouble": {registrytest.Plain(503, ""), "the registry is in trouble (503"},
	} {
		t.Run(name, func(t *testing.T) {
			source, target := newServer(t), newServer(t)
			source.Release(storetest.First, "developers")
			blob := registry.DigestOf([]byte("{}"))
			source.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				hit := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, blob)
				if hit {
					test.answer(w, r)
				}
				return hit
			})
			for where, to := range map[string]registry.Namespace{"registry": target.At(nil), "layout": target.layout(t.TempDir())} {
				_, err := mirror.Copy(context.Background(), source.At(nil), to, mirror.Request{Releases: []string{"developers"}})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: got %v, want %s", where, err, test.want)
				}
			}
			if tags := target.versioned(); len(tags["api"])+len(tags["deploy"]) > 0 {
				t.Errorf("tags %v", tags)
			}
		})
	}
}

func TestCopyOfAReleaseThatIsOlderThanTheLog(t *testing.T) {
	source, replica := newServer(t), newServer(t)
	source.Older("developers", "users")
	older := source.Ring("users")
	source.TakeOver("developers", "users")
	source.Several(2)
	copies(t, source.At(nil), replica.At(nil), "users", "developers")
	report, err := verify.Verify(context.Background(), replica.Open(nil), nil)
	must(t, err)
	if len(report.Findings) > 0 || len(report.Rings) != 2 {
		t.Errorf("verify: %+v", report)
	}
	if users := replica.Ring("users"); users == nil || users.Digest != older.Digest {
		t.Errorf("users has %+v", users)
	}
}

// What an older quoit took over without its images is not copied by the tags of these.
func TestCopyOfAReleaseWithoutImages(t *testing.T) {
	source, replica := newServer(t), newServer(t)
	source.Frozen("older")
	_, err := mirror.Copy(context.Background(), source.At(nil), replica.At(nil), mirror.Request{Releases: []string{"users"}})
	if unlisted := new(store.UnlistedError); !errors.As(err, &unlisted) || unlisted.Ring != "users" || len(replica.EveryTag()) > 0 {
		t.Fatalf("%v, the mirror has %v", err, replica.EveryTag())
	}
	source.TakeOver("users")
	copies(t, source.At(nil), replica.At(nil), "users")
}

// A mirror whose ring was copied before the ring moved is whole, and copies what it has.
func TestCopyFromAMirrorThatIsBehind(t *testing.T) {
	source, replica, second := newServer(t), newServer(t), newServer(t)
	source.Release(storetest.First, "developers")
	copies(t, source.At(nil), replica.At(nil), "developers")
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 2}), "developers")
	source.Release(storetest.With(storetest.First, storetest.Shop{"api": 2, "mail": 7}), "testers")
	copies(t, source.At(nil), replica.At(nil), "testers")
	copied := copies(t, replica.At(nil), second.At(nil), "developers", "testers")
	for _, s := range []*server{replica, second} {
		report, err := verify.Verify(context.Background(), s.Open(nil), nil)
		must(t, err)
		if len(report.Findings) > 0 || len(report.Rings) != 2 || report.Mirror != source.Host()+"/"+storetest.Project {
			t.Errorf("verify: %+v", report)
		}
		if held := s.Ring("developers").Release.Version().String(); held != "0.1.0" {
			t.Errorf("developers has %s", held)
		}
	}
	if copied.Releases[0].Version != "0.1.0" {
		t.Errorf("%+v", copied.Releases)
	}
	forged := replica.Push("deploy", map[string]string{"whose": "another's"})
	replica.Move("developers", forged)
	report, err := verify.Verify(context.Background(), replica.Open(nil), nil)
	must(t, err)
	if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].String(), "deploy:developers: it is "+forged) {
		t.Errorf("a ring that somebody has moved: %v", report.Findings)
	}
}
