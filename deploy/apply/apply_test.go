package apply

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

// unreachable is a cluster that answers nothing.
var unreachable = &rest.Config{Host: "http://127.0.0.1:1", Timeout: time.Second}

// TestWhatIsWrongWithTheFilesIsSaidWithoutACluster: before anything is asked.
func TestWhatIsWrongWithTheFilesIsSaidWithoutACluster(t *testing.T) {
	request := Request{Target: render.Target{Project: "acme/shop", Site: "eu", Environment: "prod", Namespace: "shop", Action: deploy.Install,
		Images: map[string]string{"api": "r.io/acme/shop/api@sha256:" + strings.Repeat("a", 64)}}, Root: folder(t, nil), TakeOver: true}
	var out strings.Builder
	result, err := Run(t.Context(), unreachable, request, &out)
	var missing *render.MissingOverlayError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
	if result.Site != "eu" || result.Schema != 1 || result.Action != deploy.Install || out.Len() > 0 {
		t.Errorf("the result is %+v, it says %q", result, out.String())
	}
	request.Root = folder(t, map[string]string{"overlays/prod/kustomization.yaml": "resources: []\n"})
	if _, err := Run(t.Context(), unreachable, request, &out); err == nil || errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
	request.Timeout = -time.Second
	_, err = Run(t.Context(), unreachable, request, &out)
	mustFail(t, err, "the timeout is negative")
}

func TestAWarningOfTheServerIsPrintedOnce(t *testing.T) {
	var out strings.Builder
	w := &warnings{progress: &out, seen: map[string]bool{}}
	for _, text := range []string{"old API\x1b[2J\n", "old API\x1b[2J\n", "", "other"} {
		w.HandleWarningHeader(299, "", text)
		w.HandleWarningHeader(199, "", text+"!")
	}
	if want := `warning: old API\x1b[2J` + "\nwarning: other\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
	for i := range 2 * maxWarnings {
		w.HandleWarningHeader(299, "", strings.Repeat("x", i+1))
	}
	if got := strings.Count(out.String(), "\n"); got != maxWarnings {
		t.Errorf("%d lines", got)
	}
	(&warnings{seen: map[string]bool{}}).HandleWarningHeader(299, "", "nobody reads it")
}

func TestARequestSaysWhatItLacks(t *testing.T) {
	_, err := Run(context.Background(), &rest.Config{}, Request{Target: render.Target{Site: "eu"}}, io.Discard)
	mustFail(t, err, "no environment, no namespace, no root folder")
	_, err = Run(context.Background(), &rest.Config{}, Request{Target: render.Target{Site: "eu", Environment: "prod", Namespace: "shop", Action: "remove"}, Root: "/"}, io.Discard)
	mustFail(t, err, `unknown action "remove"`)
}
