package apply

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/versioning"
)

// program makes an executable of a root image, for a session that runs it.
func program(t *testing.T, timeout time.Duration, script string) (*session, *strings.Builder) {
	t.Helper()
	target := render.Target{Project: "acme/shop", Site: "eu", Ring: "users", Namespace: "shop", Action: deploy.Upgrade, To: versioning.Version{Major: 2}}
	s := newFake().sessionFor(t, Request{Target: target, From: versioning.Version{Major: 1}, Timeout: timeout})
	file := filepath.Join(s.request.Root, "hooks", "pre-upgrade")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s.report.console.out = &out
	return s, &out
}

func TestAProgramOfTheRootIsToldWhatHappens(t *testing.T) {
	s, out := program(t, DefaultTimeout, `echo $QUOIT_ACTION $QUOIT_FROM_VERSION $QUOIT_TO_VERSION $QUOIT_SITE $QUOIT_RING; printf '\033[2J'; test -d hooks`)
	if err := s.runHooks(t.Context(), "pre-upgrade"); err != nil {
		t.Fatal(err)
	}
	if want := "running pre-upgrade hook /hooks/pre-upgrade\nupgrade 1.0.0 2.0.0 eu users\n" + `\x1b[2J`; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestAProgramThatFailsEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		script  string
		want    string
	}{
		"an exit code":  {DefaultTimeout, "exit 3", "pre-upgrade hook /hooks/pre-upgrade: exit status 3"},
		"no end":        {100 * time.Millisecond, "exec sleep 60", "pre-upgrade hook /hooks/pre-upgrade: did not end within 100ms"},
		"a missing one": {DefaultTimeout, "/nowhere/shell", "pre-upgrade hook /hooks/pre-upgrade: exit status 127"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := program(t, c.timeout, c.script)
			err := s.runHooks(t.Context(), "pre-upgrade")
			var failure *HookError
			if !errors.As(err, &failure) || failure.Point != "pre-upgrade" {
				t.Fatalf("got %v", err)
			}
			mustFail(t, err, c.want)
			if strings.Contains(err.Error(), s.request.Root) {
				t.Errorf("the error names this machine's folder: %v", err)
			}
		})
	}
}
