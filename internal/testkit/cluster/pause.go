package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/internal/testkit/image"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// pauseImage has the process that holds a pod's namespaces.
const pauseImage = "quoitbuild/test-pause:1"

// pushPause makes the image and pushes it as ref.
func pushPause(ctx context.Context, built tools.Tools, ref string) error {
	work, err := os.MkdirTemp("", "quoit-pause-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	layer, err := image.Layer(filepath.Join(work, "pause.tar"), func(t *image.Tree) error {
		return t.File(filepath.Join(built["node"], "pause"), "/pause", 0o755)
	})
	if err != nil {
		return fmt.Errorf("making the image of pods: %w", err)
	}
	pause, err := image.New(image.Config(v1.Config{Entrypoint: []string{"/pause"}}), layer)
	if err != nil {
		return fmt.Errorf("making the image of pods: %w", err)
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	if err := remote.Write(tag, pause, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("pushing the image of pods: %w", err)
	}
	return nil
}
