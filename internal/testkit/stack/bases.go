package stack

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/image"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// basesRecipe is to be raised when the way the base images are made changes.
const basesRecipe = "2"

// recipe is all that the base images depend on.
type recipe struct {
	Version  string
	Go       string            // version of the Go tree in golang
	Release  string            // golang's tag: the release that our go.mod asks for
	Settings map[string]string // non-default settings of Go that golang keeps
	CA       [sha256.Size]byte // the machine's bundle of certificates
	Frontend string            // folder of dockerfile-frontend
	goroot   string
}

// buildBases returns a registry's storage folder that has the base images. It
// must only be read.
func buildBases(ctx context.Context, built tools.Tools, progress io.Writer) (string, error) {
	r, err := readRecipe(ctx, built)
	if err != nil {
		return "", fmt.Errorf("building base images: %w", err)
	}
	key, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("building base images: %w", err)
	}
	cache, err := tools.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "bases", fmt.Sprintf("%x", sha256.Sum256(key))[:16])
	dir, err = tools.Once(dir, func(tmp string) error {
		fmt.Fprintln(progress, "building the base images busybox, debian and golang (once, about 60 s)")
		return r.fill(ctx, built, tmp)
	})
	if err != nil {
		return "", fmt.Errorf("building base images: %w", err)
	}
	return filepath.Join(dir, "storage"), nil
}

func readRecipe(ctx context.Context, built tools.Tools) (recipe, error) {
	r := recipe{Version: basesRecipe, Settings: map[string]string{}, Frontend: filepath.Base(built["buildkit"])}
	out, err := exec.CommandContext(ctx, "go", "env", "-json").Output()
	if err != nil {
		return r, fmt.Errorf("reading go env: %w", err)
	}
	env := map[string]string{}
	if err := json.Unmarshal(out, &env); err != nil {
		return r, fmt.Errorf("reading go env: %w", err)
	}
	r.Go, r.goroot = env["GOVERSION"], env["GOROOT"]
	out, err = exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.GoVersion}}", tools.ModulePath).Output()
	if err != nil {
		return r, fmt.Errorf("reading our Go version: %w", err)
	}
	r.Release = goRelease(string(out))
	out, err = exec.CommandContext(ctx, "go", "env", "-changed", "-json", "GOPROXY", "GOSUMDB", "GOFLAGS").Output()
	if err != nil {
		return r, fmt.Errorf("reading go env: %w", err)
	}
	if err := json.Unmarshal(out, &r.Settings); err != nil {
		return r, fmt.Errorf("reading go env: %w", err)
	}
	bundle, err := os.ReadFile(image.CABundle)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("reading certificates: %w", err)
	}
	r.CA = sha256.Sum256(bundle)
	return r, nil
}

// fill makes the images and pushes them through a registry into dir/storage.
func (r recipe) fill(ctx context.Context, built tools.Tools, dir string) (err error) {
	work, err := os.MkdirTemp("", "quoit-bases-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	images, err := r.images(ctx, built, work)
	if err != nil {
		return err
	}
	registry, err := startRegistry(ctx, built, dir, daemon.Options{}, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Stop()) }()
	for _, repository := range slices.Sorted(maps.Keys(images)) {
		ref, err := name.ParseReference(registry.Host + "/" + repository)
		if err != nil {
			return err
		}
		if err := remote.Write(ref, images[repository], remote.WithContext(ctx)); err != nil {
			return fmt.Errorf("pushing %s: %w", repository, err)
		}
	}
	return nil
}

// goRelease is the minor release of a Go version: 1.26 of 1.26.8.
func goRelease(version string) string {
	parts := strings.SplitN(strings.TrimSpace(version), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
