//go:build stack

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// ran is what became of a command.
type ran struct {
	stdout, stderr string
	code           int
	err            error // it could not be run
}

// runQuoit is quoit for use outside of the test's own goroutine, and with a
// registry of its own.
func runQuoit(ctx context.Context, dir, registry string, args ...string) ran {
	cmd := stack.Command(ctx, quoitRun, args...)
	cmd.Env = append(cmd.Env, "QUOIT_REGISTRY="+registry, "XDG_CACHE_HOME="+cacheOf(dir))
	var out, progress bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &progress
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		err = nil
	}
	return ran{stdout: out.String(), stderr: progress.String(), code: cmd.ProcessState.ExitCode(), err: err}
}

// proxy is one before the stack's registry, for a test.
func startProxy(t *testing.T) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Start(stack.Registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// A place is a request that every publish of a change to s000 makes, in a
// project whose ring developers has 0.1.0 and whose other rings are empty.
type place struct {
	match func(proxy.Request) bool
	skip  int
	// args are the command's; by default it publishes.
	args []string
}

var places = map[string]place{
	"the plan's look at the log":          {match: byQuoit("GET", proxy.Manifest("records", "records")), args: []string{"plan"}},
	"the plan's look for a newer record":  {match: byQuoit("HEAD", proxy.Manifest("records", "record-00000002")), args: []string{"plan"}},
	"the plan's reading of the record":    {match: byQuoit("GET", proxy.Blob("records")), args: []string{"plan"}},
	"the plan's look at the ring's tag":   {match: byQuoit("HEAD", proxy.Manifest("deploy", "developers")), args: []string{"plan"}},
	"the look at the log":                 {match: byQuoit("GET", proxy.Manifest("records", "records"))},
	"the reading of the record":           {match: byQuoit("GET", proxy.Blob("records"))},
	"the reading of the release":          {match: byQuoit("GET", proxy.ByDigest("deploy"))},
	"the look at a version":               {match: byQuoit("HEAD", proxy.Manifest("s000", "0.1.1"))},
	"the status of a ring":                {match: proxy.Manifest("deploy", "developers"), args: []string{"status"}},
	"the push of a blob":                  {match: func(r proxy.Request) bool { return r.Kind() == "uploads" && proxy.IsWrite(r) }},
	"the push of a manifest":              {match: proxy.All(proxy.Method("PUT"), proxy.ByDigest("s000"))},
	"the publish's look at the ring":      {match: byQuoit("HEAD", proxy.Manifest("deploy", "developers"))},
	"the publish's reading of a manifest": {match: byQuoit("GET", proxy.ByDigest("s000"))},
	"the version's tag":                   {match: byQuoit("PUT", proxy.Manifest("s000", "0.1.1"))},
	"the reading back of a tag":           {match: byQuoit("HEAD", proxy.Manifest("s000", "0.1.1")), skip: 1},
	"the ring's tag":                      {match: byQuoit("PUT", proxy.Manifest("deploy", "developers"))},
}

func byQuoit(method string, match func(proxy.Request) bool) func(proxy.Request) bool {
	return proxy.All(proxy.Method(method), match, func(r proxy.Request) bool { return strings.HasPrefix(r.UserAgent, "quoit/") })
}

func byBuildkit(match func(proxy.Request) bool) func(proxy.Request) bool {
	return proxy.All(match, func(r proxy.Request) bool { return !strings.HasPrefix(r.UserAgent, "quoit/") })
}

var registryFaults = map[string]struct {
	fault proxy.Fault
	says  []string // one of them
	// harmless tells of places where the fault is none.
	harmless func(method string) bool
}{
	"401 without a challenge": {fault: proxy.Unauthorized(""), says: []string{"docker login"}},
	"401 Basic":               {fault: proxy.Unauthorized("Basic"), says: []string{"docker login"}},
	"403":                     {fault: proxy.Status(403, "DENIED", "no"), says: []string{"docker login"}},
	"429":                     {fault: proxy.TooManyRequests(0), says: []string{"run the same command again later"}},
	"500":                     {fault: proxy.Status(500, "UNKNOWN", "oops"), says: []string{"run the same command again later"}},
	"502 with a page":         {fault: proxy.HTML(502), says: []string{"run the same command again later"}},
	"503":                     {fault: proxy.Status(503, "UNAVAILABLE", "no"), says: []string{"run the same command again later"}},
	"a broken connection":     {fault: proxy.Drop(), says: []string{"run the same command again later"}},
}

// cells are the pairs of place and fault that are tried without QUOIT_TEST_LONG:
// every place and every fault, those that matter most in several.
var cells = [][2]string{
	{"the plan's look at the log", "401 without a challenge"},
	{"the plan's look at the log", "403"},
	{"the plan's look for a newer record", "502 with a page"},
	{"the plan's reading of the record", "401 Basic"},
	{"the plan's look at the ring's tag", "403"},
	{"the look at the log", "401 Basic"},
	{"the look at the log", "a broken connection"},
	{"the reading of the record", "403"},
	{"the reading of the record", "429"},
	{"the reading of the release", "a broken connection"},
	{"the reading of the release", "503"},
	{"the look at a version", "403"},
	{"the look at a version", "500"},
	{"the status of a ring", "401 Basic"},
	{"the status of a ring", "403"},
	{"the status of a ring", "503"},
	{"the push of a blob", "401 Basic"},
	{"the push of a blob", "429"},
	{"the push of a manifest", "401 without a challenge"},
	{"the push of a manifest", "403"},
	{"the push of a manifest", "502 with a page"},
	{"the publish's look at the ring", "403"},
	{"the publish's look at the ring", "500"},
	{"the publish's reading of a manifest", "401 Basic"},
	{"the version's tag", "403"},
	{"the version's tag", "503"},
	{"the reading back of a tag", "429"},
	{"the ring's tag", "401 without a challenge"},
	{"the ring's tag", "500"},
	{"the ring's tag", "a broken connection"},
}

func allCells() [][2]string {
	var all [][2]string
	for at := range places {
		for what := range registryFaults {
			all = append(all, [2]string{at, what})
		}
	}
	return all
}

// faultRun is one cell: a fault that stays, and then the command again without it.
type faultRun struct {
	dir, prefix string
	proxy       *proxy.Proxy
	matched     int
	before      string // digest of the ring's tag
	during      string
	faulty      ran
	again       ran
}

// atOnce bounds the commands that run side by side: they wait most of the time.
const atOnce = 6

func TestRegistryFaults(t *testing.T) {
	chosen := cells
	if os.Getenv("QUOIT_TEST_LONG") != "" {
		chosen = allCells()
	}
	runs := make([]*faultRun, len(chosen))
	for i := range chosen {
		runs[i] = prepareFault(t)
	}
	var group sync.WaitGroup
	slots := make(chan bool, atOnce)
	for i, cell := range chosen {
		group.Go(func() {
			slots <- true
			defer func() { <-slots }()
			runs[i].run(t.Context(), places[cell[0]], registryFaults[cell[1]].fault)
		})
	}
	group.Wait()
	for i, cell := range chosen {
		t.Run(cell[1]+" at "+cell[0], func(t *testing.T) {
			runs[i].check(t, registryFaults[cell[1]].says)
		})
	}
}

func prepareFault(t *testing.T) *faultRun {
	dir, prefix := small(t)
	return &faultRun{dir: dir, prefix: prefix, proxy: startProxy(t)}
}

func (r *faultRun) run(ctx context.Context, at place, fault proxy.Fault) {
	if r.faulty = runQuoit(ctx, r.dir, stack.Registry, "build", "--push"); r.faulty.code != 0 {
		return
	}
	if r.faulty.err = os.WriteFile(filepath.Join(r.dir, service, "main.txt"), []byte("2"), 0o644); r.faulty.err != nil {
		return
	}
	r.before = ringDigest(ctx, r.prefix)
	if r.faulty.err = os.RemoveAll(cacheOf(r.dir)); r.faulty.err != nil { // what is known is not asked for
		return
	}
	r.proxy.Use(proxy.Rule{Match: at.match, Skip: at.skip, Fault: fault})
	args := at.args
	if args == nil {
		args = []string{"build", "--push"}
	}
	r.faulty = runQuoit(ctx, r.dir, r.proxy.Host, args...)
	for _, request := range r.proxy.Requests() {
		if at.match(request) {
			r.matched++
		}
	}
	r.during = ringDigest(ctx, r.prefix)
	r.proxy.Use()
	r.again = runQuoit(ctx, r.dir, r.proxy.Host, "build", "--push")
}

func (r *faultRun) check(t *testing.T, says []string) {
	if r.matched == 0 {
		t.Fatalf("no request was chosen: %+v", r.faulty)
	}
	// A build says what it will make, if it gets that far.
	if r.faulty.err != nil || r.faulty.code != 1 || r.faulty.stdout != "" && !strings.HasPrefix(r.faulty.stdout, "developers: many 0.1.0 → 0.1.1 ") {
		t.Errorf("error %v, exit code %d, it prints %s", r.faulty.err, r.faulty.code, r.faulty.stdout)
	}
	last := r.faulty.stderr[max(0, strings.LastIndex(r.faulty.stderr, "error: ")):]
	for _, want := range append([]string{r.proxy.Host + "/" + repository(r.prefix) + "/"}, says...) {
		if !strings.Contains(last, want) {
			t.Errorf("the error does not say %q:\n%s", want, last)
		}
	}
	for _, never := range []string{"panic:", "goroutine ", "welcome aboard"} {
		if strings.Contains(r.faulty.stderr, never) {
			t.Errorf("it says %q:\n%s", never, r.faulty.stderr)
		}
	}
	if r.before == "" || r.during != r.before {
		t.Errorf("the ring had %q and has %q", r.before, r.during)
	}
	if r.again.err != nil || r.again.code != 0 {
		t.Fatalf("the same command again: error %v, exit code %d\n%s", r.again.err, r.again.code, r.again.stderr)
	}
	want := map[string]string{"base": "0.1.0", "s000": "0.1.1", "deploy": "0.1.1"}
	if diff := cmp.Diff(want, versions(t, r.prefix, "developers")); diff != "" {
		t.Errorf("versions afterwards (-undisturbed +disturbed):\n%s", diff)
	}
	checkWhole(t, r.prefix)
}

// ringDigest is what the first ring's tag names, "" if nothing can be read.
func ringDigest(ctx context.Context, prefix string) string {
	parsed, err := name.ParseReference(prefix + "/deploy:developers")
	if err != nil {
		return ""
	}
	found, err := remote.Head(parsed, remote.WithContext(ctx))
	if err != nil {
		return ""
	}
	return found.Digest.String()
}

// checkWhole checks that the first ring names the root's version of that
// release, and that every tag of every image names a complete image.
func checkWhole(t *testing.T, prefix string) {
	t.Helper()
	released := release(t, prefix+"/deploy:developers")
	if ring, root := digestOf(t, prefix+"/deploy:developers"), digestOf(t, prefix+"/deploy:"+released.Version().String()); ring != root {
		t.Errorf("the ring names %s, its version %s", ring, root)
	}
	for name := range released.Images {
		for _, tag := range tagsOf(t, prefix+"/"+name) {
			validImage(t, prefix+"/"+name+":"+tag, validate.Fast)
		}
	}
}

// putRelease puts a release of the root image into the first ring, past quoit. BuildKit
// knows nothing of it.
func putRelease(t *testing.T, prefix string) {
	t.Helper()
	one := versioning.Version{Minor: 1}
	root := versioning.Image{Version: one, Revision: "sha256:" + strings.Repeat("1", 64), Platforms: []string{"linux/amd64"}}
	project := repository(prefix)
	all, err := labels.Root(labels.ImageInfo{Project: project, Name: "deploy", Version: one, Revision: root.Revision},
		versioning.Release{Project: project, Root: "deploy", Images: map[string]versioning.Image{"deploy": root}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"0.1.0", "developers"} {
		putLabels(t, prefix+"/deploy:"+tag, all)
	}
}

// TestDamagedReleases has faults in what is read of a release that nobody knows.
func TestDamagedReleases(t *testing.T) {
	t.Parallel()
	for at, match := range map[string]func(proxy.Request) bool{
		"the manifest": proxy.ByDigest("deploy"), "the config": proxy.Blob("deploy"),
	} {
		for what, fault := range map[string]struct {
			fault proxy.Fault
			says  string
		}{
			"cut off":                  {proxy.Cut(), "the connection broke (unexpected EOF): run the same command again later"},
			"tampered with":            {proxy.Tamper(), "the contents have "},
			"denied":                   {proxy.Status(403, "DENIED", "no"), "this account may not pull from there"},
			"lost":                     {proxy.Status(404, "BLOB_UNKNOWN", "gone"), "404"},
			"a page that says nothing": {proxy.HTML(404), "404"},
		} {
			t.Run(fmt.Sprintf("%s of the release is %s", at, what), func(t *testing.T) {
				dir, prefix := small(t)
				putRelease(t, prefix)
				mustQuoit(t, dir, "take-over", "developers", "--yes")
				if err := os.RemoveAll(cacheOf(dir)); err != nil {
					t.Fatal(err)
				}
				p := startProxy(t)
				p.Use(proxy.Rule{Match: byQuoit("GET", match), Fault: fault.fault})
				got := runQuoit(t.Context(), dir, p.Host, "plan")
				for _, want := range []string{p.Host + "/" + repository(prefix) + "/deploy@sha256:", fault.says} {
					if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, want) {
						t.Errorf("exit code %d, it prints %s; it does not say %q:\n%s", got.code, got.stdout, want, got.stderr)
					}
				}
			})
		}
	}
}

func TestFaultsThatPass(t *testing.T) {
	t.Parallel()
	for at, match := range map[string]func(proxy.Request) bool{
		"the push of a manifest": proxy.All(proxy.Method("PUT"), proxy.ByDigest("s000")),
		"the version's tag":      places["the version's tag"].match,
		"the ring's tag":         places["the ring's tag"].match,
	} {
		for what, fault := range map[string]proxy.Fault{"an error": proxy.Status(503, "UNAVAILABLE", "no"), "a lost answer": proxy.LoseAnswer()} {
			t.Run("once "+what+" at "+at, func(t *testing.T) {
				dir, prefix := small(t)
				publish(t, dir, prefix, "developers")
				edit(t, dir, "2")
				p := startProxy(t)
				p.Use(proxy.Rule{Match: match, Times: 1, Fault: fault})
				if got := runQuoit(t.Context(), dir, p.Host, "build", "--push"); got.code != 0 {
					t.Errorf("exit code %d\n%s", got.code, got.stderr)
				}
				want := map[string]string{"base": "0.1.0", "s000": "0.1.1", "deploy": "0.1.1"}
				if diff := cmp.Diff(want, versions(t, prefix, "developers")); diff != "" {
					t.Errorf("versions (-want +got):\n%s", diff)
				}
				checkWhole(t, prefix)
			})
		}
	}
}

func TestRegistryThatIsNotThere(t *testing.T) {
	t.Parallel()
	dir, _ := small(t)
	down := startProxy(t)
	down.Down()
	for name, registry := range map[string]struct{ host, says string }{
		"refused connections": {down.Host, "check that the"},
		"an unknown name":     {"registry.invalid", "check the registry's address"},
	} {
		for _, args := range [][]string{{"plan"}, {"build", "--push"}, {"status"}} {
			t.Run(name+" for quoit "+strings.Join(args, " "), func(t *testing.T) {
				got := runQuoit(t.Context(), dir, registry.host, args...)
				if got.err != nil || got.code != 1 || got.stdout != "" {
					t.Errorf("error %v, exit code %d, it prints %s", got.err, got.code, got.stdout)
				}
				for _, want := range []string{registry.host, registry.says} {
					if !strings.Contains(got.stderr, want) {
						t.Errorf("it does not say %q:\n%s", want, got.stderr)
					}
				}
			})
		}
	}
}

func TestInterrupt(t *testing.T) {
	hanging := map[string]proxy.Fault{
		"the plan's look at the log": proxy.Hold(), "the status of a ring": proxy.Hold(),
		"the reading of the release": proxy.Hold(), "the push of a blob": proxy.Hold(),
		// Where the token's server is gone, BuildKit's push waits for ever.
		"the push of a manifest": proxy.Unauthorized("Bearer"),
		"the version's tag":      proxy.Hold(), "the ring's tag": proxy.Hold(),
	}
	for at, fault := range hanging {
		t.Run("while the registry lets one wait at "+at, func(t *testing.T) {
			args := places[at].args
			if args == nil {
				args = []string{"build", "--push"}
			}
			dir, prefix := small(t)
			publish(t, dir, prefix, "developers")
			before := ringDigest(t.Context(), prefix)
			edit(t, dir, "2")
			p := startProxy(t)
			p.Use(proxy.Rule{Match: places[at].match, Fault: fault})
			cmd := stack.Command(t.Context(), quoitRun, args...)
			var output bytes.Buffer
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
			cmd.Env = append(cmd.Env, "QUOIT_REGISTRY="+p.Host)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if err := p.Await(t.Context(), places[at].match); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the code tells
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("it ended after %s", took)
			}
			if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(output.String(), "interrupted") {
				t.Errorf("exit code %d\n%s", code, output.String())
			}
			if after := ringDigest(t.Context(), prefix); after != before {
				t.Errorf("the ring had %s and has %s", before, after)
			}
			p.Use()
			if got := runQuoit(t.Context(), dir, p.Host, "build", "--push"); got.code != 0 {
				t.Errorf("the same command again: exit code %d\n%s", got.code, got.stderr)
			}
			if got := versions(t, prefix, "developers")["s000"]; got != "0.1.1" {
				t.Errorf("s000 is %s afterwards", got)
			}
		})
	}
}

// TestFirstReleaseInARegistryThatHidesIt is for registries that answer 403 for
// a repository that nobody has pushed to.
func TestFirstReleaseInARegistryThatHidesIt(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	p := startProxy(t)
	var mu sync.Mutex
	pushed := map[string]bool{}
	p.Use(proxy.Rule{
		Match: func(r proxy.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			pushed[r.Repository()] = pushed[r.Repository()] || proxy.IsWrite(r)
			return r.Kind() == "manifests" && !pushed[r.Repository()]
		},
		Fault: proxy.Status(403, "DENIED", "no such repository, or no right to it"),
	})
	got := runQuoit(t.Context(), dir, p.Host, "build", "--push")
	if got.code != 1 || !strings.Contains(got.stderr, "say --first if nothing was published to the project yet") {
		t.Errorf("without --first: exit code %d\n%s", got.code, got.stderr)
	}
	if got = runQuoit(t.Context(), dir, p.Host, "build", "--push", "--first"); got.code != 0 {
		t.Errorf("with --first: exit code %d\n%s", got.code, got.stderr)
	}
	want := map[string]string{"base": "0.1.0", "s000": "0.1.0", "deploy": "0.1.0"}
	if diff := cmp.Diff(want, versions(t, prefix, "developers")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestTwoPublishersAtOnce(t *testing.T) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	edits := []string{"left", "right"}
	results := make([]ran, len(edits))
	dirs := make([]string, len(edits))
	var group sync.WaitGroup
	for i, content := range edits {
		dirs[i] = copyOf(t, dir)
		edit(t, dirs[i], content)
	}
	for i := range edits {
		group.Go(func() { results[i] = runQuoit(t.Context(), dirs[i], stack.Registry, "build", "--push") })
	}
	group.Wait()
	won := 0
	for i, got := range results {
		switch {
		case got.code == 0:
			won++
		case got.code == 3, got.code == 1 && (strings.Contains(got.stderr, "is taken by") || strings.Contains(got.stderr, "somebody else writes there too")):
		default:
			t.Errorf("%s: exit code %d, error %v\n%s", edits[i], got.code, got.err, got.stderr)
		}
	}
	if won == 0 {
		t.Error("nobody won")
	}
	checkWhole(t, prefix)
	released := release(t, prefix+"/deploy:developers")
	held := string(extract(t, prefix+"/s000:"+released.Images["s000"].Version.String(), "/main.txt"))
	for i, got := range results {
		if won == 1 && got.code == 0 && held != edits[i] {
			t.Errorf("%s won, the ring has %s", edits[i], held)
		}
	}
	for i := range edits { // one after the other, each ends in the ring
		mustQuoit(t, dirs[i], "build", "--push")
		s000 := release(t, prefix+"/deploy:developers").Images["s000"].Version.String()
		if got := string(extract(t, prefix+"/s000:"+s000, "/main.txt")); got != edits[i] {
			t.Errorf("s000 %s has %s, just published was %s", s000, got, edits[i])
		}
	}
	if got := string(extract(t, prefix+"/s000:"+released.Images["s000"].Version.String(), "/main.txt")); got != held {
		t.Errorf("s000 %s had %s and has %s", released.Images["s000"].Version, held, got)
	}
	checkWhole(t, prefix)
}

func TestA404OfAProxyIsNoEmptyRing(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	between := startProxy(t)
	between.Use(proxy.Rule{Match: proxy.Method("HEAD"), Fault: proxy.HTML(404)})
	out, stderr, code := quoit(t, dir, "plan", "--registry", between.Host)
	if code == 0 && !strings.Contains(out, "nothing to do") || strings.Contains(out, "first release") {
		t.Errorf("exit code %d\n%s\n%s", code, out, stderr)
	}
}
