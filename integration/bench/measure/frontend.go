package measure

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// frontendLabel finds the labels of the frontend's image in the Dockerfile.
var frontendLabel = regexp.MustCompile(`(?m)^LABEL (moby\.buildkit\.frontend\.[a-z.]+)="([^"]*)"$`)

// pushFrontend makes the frontend's image of a binary, file, that this machine's Go
// builds, the same image as the Dockerfile's: a build in BuildKit takes minutes
// whenever its cache of modules is empty, and nothing of it is measured.
func pushFrontend(ctx context.Context, s *stack.Stack, file string) (ref string, err error) {
	if err := build(ctx, file, "cmd/quoit-frontend"); err != nil {
		return "", err
	}
	labels, err := frontendLabels()
	if err != nil {
		return "", err
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	image, err := frontendImage(binary, labels)
	if err != nil {
		return "", fmt.Errorf("making the frontend's image: %w", err)
	}
	ref = s.Ref("quoitbuild/quoit:bench")
	tag, err := name.ParseReference(ref)
	if err != nil {
		return "", err
	}
	if err := remote.Write(tag, image, remote.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("pushing the frontend's image: %w", err)
	}
	return ref, nil
}

// frontendLabels are those of the repository's Dockerfile.
func frontendLabels() (map[string]string, error) {
	root, err := tools.RepoRoot()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	labels := map[string]string{}
	for _, match := range frontendLabel.FindAllSubmatch(text, -1) {
		labels[string(match[1])] = string(match[2])
	}
	if len(labels) == 0 {
		return nil, fmt.Errorf("the Dockerfile has no labels of a frontend")
	}
	return labels, nil
}

func frontendImage(binary []byte, labels map[string]string) (v1.Image, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "quoit-frontend", Mode: 0o755, Size: int64(len(binary))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil }
	only, err := tarball.LayerFromOpener(open)
	if err != nil {
		return nil, err
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/quoit-frontend"}, Labels: labels},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, only)
}
