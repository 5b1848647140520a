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

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
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
	t.Setenv("BUILDKIT_HOST", "")
	if o.BuildKit.address() == "" {
		t.Error("by default BuildKit is nowhere")
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

func TestThisBinaryAsABuildStep(t *testing.T) {
	if step, err := AnswerStep(t.Context(), []string{"build"}); step || err != nil {
		t.Errorf("a command is a step: %v", err)
	}
	if step, err := AnswerStep(t.Context(), []string{frontend.HashCommand, "/nonexistent", "/nonexistent", "/nonexistent"}); !step || err == nil {
		t.Errorf("%v, %v", step, err)
	}
	linux := []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{{OS: "plan9", Architecture: "mips"}}}}
	if err := checkArchitecture(linux); err == nil || !strings.Contains(err.Error(), "# syntax=…") {
		t.Error(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkStatic(script); !errors.Is(err, errNotStatic) {
		t.Error(err)
	}
	if st, path, err := runSelf(nil); err != nil || st.Output() == nil || !strings.HasPrefix(path, "/builder.test") {
		t.Errorf("%s, %v", path, err)
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
