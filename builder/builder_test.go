package builder

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/builder/dial"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store"
)

// nobody is where no BuildKit is.
var nobody = BuildKit{Address: "unix:///nonexistent/buildkitd.sock"}

func TestOptionsThatAreWrittenWronglyAreSaidBeforeBuildKitIsAsked(t *testing.T) {
	for option, b := range map[string]BuildKit{
		"secret":     {Secrets: []string{"id=x,src=/nonexistent"}},
		"ssh":        {SSH: []string{"x=/nonexistent"}},
		"cache-from": {CacheFrom: []string{"type=x,y"}},
		"cache-to":   {CacheTo: []string{"type=x,y"}},
		"progress":   {Progress: Progress{Mode: "loud"}},
		"builder":    {Builder: "mine"}, // and an address
		"tlskey":     {TLS: dial.TLS{Cert: "cert.pem"}},
	} {
		b.Address = nobody.Address
		var wrong *OptionError
		_, err := Connect(t.Context(), b)
		if !errors.As(err, &wrong) || wrong.Option != option || !strings.HasPrefix(err.Error(), option+": ") || errors.Unwrap(wrong) == nil {
			t.Errorf("%s: %v", option, err)
		}
	}
}

func TestABuildKitThatDoesNotAnswerIsNamed(t *testing.T) {
	o := Options{Dir: t.TempDir(), File: "quoit.yaml", Manifest: someManifest(t), BuildKit: nobody}
	const want = "BuildKit does not answer at unix:///nonexistent/buildkitd.sock: start buildkitd, or name another one with --addr or BUILDKIT_HOST: "
	if _, err := Build(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
	o.BuildKit.Address = ""
	t.Setenv("BUILDKIT_HOST", nobody.Address)
	if _, err := Plan(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
	t.Setenv("BUILDKIT_HOST", "carrier-pigeon://x")
	if _, err := Plan(t.Context(), o); err == nil || !strings.Contains(err.Error(), "carrier-pigeon://x") {
		t.Error(err)
	}
}

// unasked is a namespace of which nothing is read.
type unasked struct {
	*memory.Namespace
	t *testing.T
}

func (u unasked) Repository(name string) registry.Repository {
	u.t.Errorf("repository %s is asked", name)
	return u.Namespace.Repository(name)
}

// TestAGraphAsksNobody: neither the project's registry, nor a BuildKit unless a container
// file names a frontend that only a BuildKit runs.
func TestAGraphAsksNobody(t *testing.T) {
	dir := t.TempDir()
	write := func(image, text string) {
		t.Helper()
		file := filepath.Join(dir, image, "Dockerfile")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("api", "FROM scratch\n")
	write("deploy", "FROM api\n")
	at := unasked{memory.New("registry.example.com/acme/shop"), t}
	o := Options{Dir: dir, File: "quoit.yaml", Manifest: someManifest(t), Project: store.New(at, "acme/shop"), BuildKit: nobody, Push: true}
	g, err := Graph(t.Context(), o)
	want := graph.Listing{Schema: 1, Root: "deploy", Images: []graph.Needs{{Name: "api", Needs: []string{}}, {Name: "deploy", Needs: []string{"api"}}}}
	if diff := cmp.Diff(want, g); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	o.BuildKit.Progress.Mode = "loud"
	if _, err := Graph(t.Context(), o); !errors.As(err, new(*OptionError)) {
		t.Errorf("a mode of progress that there is not: error %v", err)
	}
	o.BuildKit.Progress.Mode = ""
	write("deploy", "# syntax=example.com/other/frontend\nanything\n")
	const why, none = "only a BuildKit runs the frontend example.com/other/frontend", "BuildKit does not answer at"
	if _, err := Graph(t.Context(), o); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), none) {
		t.Errorf("error %v", err)
	}
	o.Project = nil
	if _, err := Graph(t.Context(), o); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("without a store: error %v", err)
	}
}

func TestAJobAsksForWhatTheOptionsSay(t *testing.T) {
	dir := t.TempDir()
	m := someManifest(t)
	m.Syntax = "ghcr.io/quoitbuild/quoit:1"
	asked := 0
	o := Options{Dir: dir, File: filepath.Join(dir, "other.yaml"), Manifest: m, Push: true, Commit: func() (string, string) {
		asked++
		return "c0ffee", "https://example.com/shop.git"
	}}
	o.Frontend = frontend.Options{Ring: "users", Export: true, Args: map[string]string{frontend.ArgEpoch: "7"}}
	j := job{Options: o, part: 2}
	opt, err := j.solveOpt()
	if err != nil {
		t.Fatal(err)
	}
	got, err := frontend.ParseOptions(opt.FrontendAttrs)
	if err != nil {
		t.Fatal(err)
	}
	if got.Filename != "other.yaml" || got.Commit != "c0ffee" || got.Source != "https://example.com/shop.git" || got.Part == nil || *got.Part != 2 || asked != 1 {
		t.Errorf("%+v, asked %d times", got, asked)
	}
	if len(opt.LocalMounts) != 2 || opt.Ref == "" {
		t.Errorf("locals %v, name %q", opt.LocalMounts, opt.Ref)
	}
	if e := j.exporters(); e.ring != "users" || e.epoch != "7" || e.part != 2 {
		t.Errorf("exporters %+v", e)
	}
	if sharedKey(dir) == sharedKey(t.TempDir()) {
		t.Error("two folders share what BuildKit keeps of them")
	}
	j.Dir = "/nonexistent"
	if _, err := j.solveOpt(); err == nil {
		t.Error("a folder that is not there is sent")
	}
}

// TestWaitingForABuildEnds: after an interrupt it waits for a second, not for BuildKit.
func TestWaitingForABuildEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var hanging, ended errgroup.Group
		never := make(chan struct{})
		defer close(never)
		hanging.Go(func() error { <-never; return nil })
		ended.Go(func() error { return io.EOF })
		if err := wait(ctx, &ended); err != io.EOF {
			t.Error(err)
		}
		cancel()
		begin := time.Now()
		if err := wait(ctx, &hanging); !errors.Is(err, context.Canceled) || time.Since(begin) != grace {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

func TestProgressGoesToWhoeverWantsItToo(t *testing.T) {
	from, seen := make(chan *client.SolveStatus), 0
	to := Solve{See: func(*client.SolveStatus) { seen++ }}.watch(from)
	go func() {
		defer close(from)
		for range 3 {
			from <- &client.SolveStatus{}
		}
	}()
	passed := 0
	for range to {
		passed++
	}
	if seen != 3 || passed != 3 {
		t.Errorf("%d are seen, %d passed on", seen, passed)
	}
	if unwatched := (Solve{}).watch(from); unwatched != from {
		t.Error("nobody watches, and it is passed on")
	}
}

func TestTheCallersOptionsStayAsTheyAre(t *testing.T) {
	attrs := map[string]string{"a": "b"}
	o := Options{Manifest: &manifest.Manifest{}, BuildKit: nobody, Frontend: frontend.Options{Args: attrs}}
	_, _ = Build(t.Context(), o)
	if o.Frontend.Export || len(attrs) != 1 {
		t.Errorf("the caller's options are %+v", o.Frontend)
	}
}
