//go:build stack

package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// TestCrashInThePush is killed at random points while BuildKit pushes the images
// by digest, all at once. QUOIT_TEST_SEED replays a run. A layer that another
// repository of the registry has by then is mounted instead of sent, so a push may
// have fewer writes than the one that was counted: then it is killed at the tags
// that come next.
func TestCrashInThePush(t *testing.T) {
	p, points := crashSmall, 3
	if os.Getenv("QUOIT_TEST_LONG") != "" {
		p, points = crashShop, 10
	}
	logPoints(t, &points)
	random := rand.New(rand.NewPCG(seed(t), 0))
	pushing := byBuildkit(proxy.IsWrite)
	want, requests := p.undisturbed(t)
	count := 0
	for _, request := range requests {
		if pushing(request) {
			count++
		}
	}
	for _, k := range random.Perm(count)[:points] {
		done := random.IntN(2) == 1
		t.Run(fmt.Sprintf("%s, killed %s request %d of %d", p.name, moment(done), k+1, count), func(t *testing.T) {
			t.Parallel()
			v := p.victim(t)
			v.kill(t, k+1, func(r proxy.Request) bool { return pushing(r) || tagging(r) }, done)
			v.afterwards(t, want)
		})
	}
}

// TestCrashInTheSecondPart is killed when a first part of very many images is
// pushed and the second is not: nothing has a tag, and the same command ends as
// if nothing had been.
func TestCrashInTheSecondPart(t *testing.T) {
	if os.Getenv("QUOIT_TEST_LONG") == "" {
		t.Skip("a publish of 130 images: QUOIT_TEST_LONG=1 runs it, TestCrashInThePush has one part")
	}
	t.Parallel()
	dir, prefix := generated(t, frontend.MaxPart+2)
	p := startProxy(t)
	cmd := stack.Command(t.Context(), quoitRun, "build", "--push")
	cmd.Env, cmd.Dir = append(cmd.Env, "QUOIT_REGISTRY="+p.Host), dir
	root := func(r proxy.Request) bool { return strings.Contains(r.Path, "/deploy/manifests/sha256:") }
	killAt(t, cmd, p, 1, proxy.All(byBuildkit(proxy.IsWrite), root), false)
	version, err := name.ParseReference(prefix + "/base:0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	var refused *transport.Error
	if _, err := remote.Head(version, remote.WithContext(t.Context())); !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
		t.Errorf("%s is there, or cannot be looked up: %v", version, err)
	}
	mustQuoit(t, dir, "build", "--push")
	checkWhole(t, prefix)
	if released := release(t, prefix+"/deploy:developers"); len(released.Images) != frontend.MaxPart+2 {
		t.Errorf("the release has %d images", len(released.Images))
	}
	mustQuoit(t, dir, "verify")
}
