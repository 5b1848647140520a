package store

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
)

// versioned is what a registry has under tags, without votes and hints.
func (s *server) versioned() map[string]map[string]string {
	all := s.everyTag()
	for tag := range all[records.Repository] {
		if name, ok := records.ParseName(tag); !ok || name.Mark != records.Decided {
			delete(all[records.Repository], tag)
		}
	}
	return all
}

func (s *server) layout(dir string) *Layout {
	s.t.Helper()
	l, err := OpenLayout(dir, acmeShop)
	must(s.t, err)
	return l
}

func copies(t *testing.T, from, to Store, releases ...string) Copied {
	t.Helper()
	copied, err := Copy(context.Background(), from, to, CopyRequest{Releases: releases})
	must(t, err)
	return copied
}

func TestCopyToALayoutAndOn(t *testing.T) {
	source, mirror, dir := newServer(t), newServer(t), filepath.Join(t.TempDir(), "media")
	source.release(firstShop, "developers")
	source.release(with(firstShop, shop{"api": 2}), "developers")
	dry, err := Copy(context.Background(), source.open(nil), source.layout(dir), CopyRequest{Releases: []string{"developers", "0.1.0"}, DryRun: true})
	must(t, err)
	if _, err := os.Stat(dir); err == nil {
		t.Error("the dry run wrote something")
	}
	copied := copies(t, source.open(nil), source.layout(dir), "developers", "0.1.0")
	if dry.Copied != copied.Copied || dry.Records != copied.Records || !cmp.Equal(dry.Written, copied.Written) {
		t.Errorf("the dry run said %+v, it was %+v", dry, copied)
	}
	copies(t, source.layout(dir), mirror.open(nil), "developers", "0.1.0")
	if diff := cmp.Diff(source.versioned(), mirror.versioned()); diff != "" {
		t.Errorf("the mirror (-source +mirror):\n%s", diff)
	}
	mirror.whole()
	report, err := mirror.open(nil).Verify(context.Background(), nil)
	must(t, err)
	if len(report.Findings) > 0 || report.Records != 2 || report.Mirror != source.host()+"/"+acmeShop || report.Images != 12 {
		t.Errorf("verify: %+v", report)
	}
	again := copies(t, source.layout(dir), mirror.open(nil), "developers", "0.1.0")
	if (again.Copied != Amount{}) || len(again.Written) > 0 || again.Records > 0 {
		t.Errorf("again: %+v", again)
	}
	_, err = mirror.open(nil).Publish(context.Background(), source.next(with(firstShop, shop{"api": 3}), "developers"))
	if err == nil || !strings.Contains(err.Error(), "is a mirror of "+source.host()+"/"+acmeShop) {
		t.Errorf("publishing to the mirror: %v", err)
	}
}

// copyCrash copies a release, which may be the next one, and dies at a request.
func copyCrash(t *testing.T, source *server, next bool, dying *mortal, want map[string]map[string]string) {
	target := newServer(t)
	if next {
		copies(t, source.open(nil), target.open(nil), "0.1.0")
	}
	dying.inner = &http.Transport{}
	_, err := Copy(context.Background(), source.open(nil), target.open(func(o *Options) { o.Transport = dying }), CopyRequest{Releases: []string{"developers"}})
	if dying.dead != (err != nil) {
		t.Fatalf("dead %v, error %v", dying.dead, err)
	}
	target.whole()
	report, err := target.open(nil).Verify(context.Background(), nil)
	must(t, err)
	if len(report.Findings) > 0 {
		t.Errorf("verify: %v", report.Findings)
	}
	copies(t, source.open(nil), target.open(nil), "developers")
	if diff := cmp.Diff(want, target.everyTag()); diff != "" {
		t.Error(diff)
	}
}

func TestEveryCrashOfACopyCanBeResumed(t *testing.T) {
	for _, next := range []bool{false, true} {
		source, undisturbed := newServer(t), newServer(t)
		first := source.release(firstShop, "developers")
		source.release(with(firstShop, shop{"mail": 2}), "developers")
		if next {
			copies(t, source.open(nil), undisturbed.open(nil), "0.1.0")
		}
		source.sign(first.Digests["api"], "api")
		undisturbed.requests()
		copies(t, source.open(nil), undisturbed.open(nil), "developers")
		requests := undisturbed.requests()
		for _, after := range []bool{false, true} {
			for n := range len(requests) {
				if reads := strings.HasPrefix(requests[n], "GET") || strings.HasPrefix(requests[n], "HEAD"); after && reads {
					continue
				}
				t.Run(fmt.Sprintf("next %v, at request %d, %s, after it %v", next, n, requests[n], after), func(t *testing.T) {
					t.Parallel()
					copyCrash(t, source, next, &mortal{left: n, after: after}, undisturbed.everyTag())
				})
			}
		}
	}
}

func TestCopiesThatAreRefused(t *testing.T) {
	ctx := context.Background()
	source := newServer(t)
	source.release(firstShop, "developers")
	other := newServer(t)
	other.release(firstShop, "developers")
	older := source.layout(t.TempDir())
	copies(t, source.open(nil), older, "developers")
	source.release(with(firstShop, shop{"api": 2}), "developers")
	source.release(with(firstShop, shop{"api": 3}), "developers")
	index := []byte(`{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[]}`)
	for name, test := range map[string]struct {
		prepare func(target *server)
		from    Store
		want    string
		writes  bool
	}{
		"a version's tag has other contents": {
			prepare: func(target *server) { target.put("api", "0.1.2", ociIndex, index) },
			want:    "HOST/acme/shop/api:0.1.2 is " + digestOf(index) + " there, and ",
		},
		"the target is a project": {
			prepare: func(target *server) { target.release(firstShop, "developers") }, want: "HOST/acme/shop has a log and is no mirror",
		},
		"the target is a mirror of another project": {
			prepare: func(target *server) { copies(t, other.open(nil), target.open(nil), "developers") },
			want:    "record 1 is ",
		},
		"the target has a record that was changed": {
			prepare: func(target *server) {
				copies(t, source.open(nil), target.open(nil), "0.1.0")
				target.put(records.Repository, "record-00000002", ociIndex, index)
				target.put(records.Repository, "record-00000003", ociIndex, index)
			},
			want: "record 2 is " + digestOf(index) + " at ",
		},
		"the source is older": {
			prepare: func(target *server) { copies(t, source.open(nil), target.open(nil), "0.1.0") }, from: older,
			want: "HOST/acme/shop has record 2 (",
		},
		"a ring is empty":             {from: source.open(nil), want: "ring users is empty"},
		"a ring that a mirror lacks":  {from: older, want: "ring users was not copied to "},
		"a release that there is not": {want: "release 9.9.9 is not in the log"},
	} {
		t.Run(name, func(t *testing.T) {
			target := newServer(t)
			if test.prepare != nil {
				test.prepare(target)
			}
			if test.from == nil {
				test.from = source.open(nil)
			}
			releases := []string{"developers"}
			if strings.Contains(test.want, "users") {
				releases = []string{"users"}
			} else if strings.Contains(test.want, "9.9.9") {
				releases = []string{"9.9.9"}
			}
			before := target.everyTag()
			target.requests()
			_, err := Copy(ctx, test.from, target.open(nil), CopyRequest{Releases: releases})
			if err == nil || !strings.Contains(target.text(err), test.want) {
				t.Errorf("got  %s\nwant %s", target.text(err), test.want)
			}
			for _, request := range target.requests() {
				if !strings.HasPrefix(request, "GET") && !strings.HasPrefix(request, "HEAD") {
					t.Errorf("it made %s", request)
				}
			}
			if diff := cmp.Diff(before, target.everyTag()); diff != "" {
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
		"a blob is lost":             {plain(404, "BLOB_UNKNOWN: gone"), "the registry lost it (404)"},
		"a blob is altered":          {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "!!") }, "the contents have another digest"},
		"a blob is short":            {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{") }, "bytes or more, not 2"},
		"a blob is long":             {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{} ") }, "bytes or more, not 2"},
		"a blob cannot be read":      {plain(403, "DENIED: no"), "this account may not pull from there (403)"},
		"the registry is in trouble": {plain(503, ""), "the registry is in trouble (503"},
	} {
		t.Run(name, func(t *testing.T) {
			source, target := newServer(t), newServer(t)
			source.release(firstShop, "developers")
			blob := digestOf([]byte("{}"))
			source.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				hit := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, blob)
				if hit {
					test.answer(w, r)
				}
				return hit
			})
			for where, to := range map[string]Store{"registry": target.open(nil), "layout": target.layout(t.TempDir())} {
				_, err := Copy(context.Background(), source.open(nil), to, CopyRequest{Releases: []string{"developers"}})
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
	source, mirror := newServer(t), newServer(t)
	publication := source.next(firstShop, "developers")
	for _, name := range publication.Plan.PublishOrder() {
		_, index := source.do("GET", "/v2/"+acmeShop+"/"+name+"/manifests/"+publication.Digests[name], "", nil)
		source.put(name, "0.1.0", ociIndex, index)
	}
	source.move("developers", publication.Digests["deploy"])
	source.move("users", publication.Digests["deploy"])
	source.several(2)
	copies(t, source.open(nil), mirror.open(nil), "users", "developers")
	report, err := mirror.open(nil).Verify(context.Background(), nil)
	must(t, err)
	if len(report.Findings) > 0 || len(report.Rings) != 2 {
		t.Errorf("verify: %+v", report)
	}
	if users := mirror.ring("users"); users == nil || users.Digest != publication.Digests["deploy"] {
		t.Errorf("users holds %+v", users)
	}
}

// A mirror whose ring was copied before the ring moved is whole, and copies what it has.
func TestCopyFromAMirrorThatIsBehind(t *testing.T) {
	source, mirror, second := newServer(t), newServer(t), newServer(t)
	source.release(firstShop, "developers")
	copies(t, source.open(nil), mirror.open(nil), "developers")
	source.release(with(firstShop, shop{"api": 2}), "developers")
	source.release(with(firstShop, shop{"api": 2, "mail": 7}), "testers")
	copies(t, source.open(nil), mirror.open(nil), "testers")
	copied := copies(t, mirror.open(nil), second.open(nil), "developers", "testers")
	for _, s := range []*server{mirror, second} {
		report, err := s.open(nil).Verify(context.Background(), nil)
		must(t, err)
		if len(report.Findings) > 0 || len(report.Rings) != 2 || report.Mirror != source.host()+"/"+acmeShop {
			t.Errorf("verify: %+v", report)
		}
		if held := s.ring("developers").Release.Version().String(); held != "0.1.0" {
			t.Errorf("developers holds %s", held)
		}
	}
	if copied.Releases[0].Version != "0.1.0" {
		t.Errorf("%+v", copied.Releases)
	}
	forged := mirror.push("deploy", map[string]string{"whose": "another's"})
	mirror.move("developers", forged)
	report, err := mirror.open(nil).Verify(context.Background(), nil)
	must(t, err)
	if len(report.Findings) != 1 || !strings.Contains(report.Findings[0].String(), "deploy:developers: it is "+forged) {
		t.Errorf("a ring that somebody has moved: %v", report.Findings)
	}
}
