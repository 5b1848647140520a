package stack

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/quoitbuild/quoit/internal/testkit/image"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

const suite = "bookworm"

// images makes the base images, by repository and tag; their layers are files
// in work.
func (r recipe) images(ctx context.Context, built tools.Tools, work string) (map[string]v1.Image, error) {
	busybox, err := busyboxImage(work)
	if err != nil {
		return nil, fmt.Errorf("making busybox: %w", err)
	}
	debian, err := debianImage(ctx, work)
	if err != nil {
		return nil, fmt.Errorf("making debian: %w", err)
	}
	golang, err := r.golangImage(debian, work)
	if err != nil {
		return nil, fmt.Errorf("making golang: %w", err)
	}
	frontend, err := frontendImage(filepath.Join(built["buildkit"], "dockerfile-frontend"), work)
	if err != nil {
		return nil, fmt.Errorf("making docker/dockerfile: %w", err)
	}
	return map[string]v1.Image{
		"library/busybox:latest":            busybox,
		"library/debian:" + suite + "-slim": debian,
		"library/golang:" + r.Release:       golang,
		"docker/dockerfile:1":               frontend,
	}, nil
}

func busyboxImage(work string) (v1.Image, error) {
	program, err := tools.Find("busybox")
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("listing applets: %w", err)
	}
	layer, err := image.Layer(filepath.Join(work, "busybox.tar"), func(t *image.Tree) error {
		return t.Busybox(program, string(applets))
	})
	if err != nil {
		return nil, err
	}
	return image.New(image.Config(v1.Config{Env: []string{"PATH=" + image.DefaultPath}, Cmd: []string{"sh"}}), layer)
}

// debianImage is what mmdebstrap makes of the packages, and the machine's
// certificates, so that RUN steps reach what the machine reaches. sqlite3 is
// there so that the shop's base image installs nothing.
func debianImage(ctx context.Context, work string) (v1.Image, error) {
	file := filepath.Join(work, "debian.tar")
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates,sqlite3",
		`--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"`, suite, file)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("running mmdebstrap: %w\n%s", err, output)
	}
	system, err := image.FileLayer(file)
	if err != nil {
		return nil, err
	}
	certificates, err := image.Layer(filepath.Join(work, "certificates.tar"), func(t *image.Tree) error {
		return t.File(image.CABundle, image.CABundle, 0o644)
	})
	if err != nil {
		return nil, err
	}
	config := image.Config(v1.Config{Env: []string{"PATH=" + image.DefaultPath}, Cmd: []string{"bash"}})
	return image.New(config, system, certificates)
}

func (r recipe) golangImage(debian v1.Image, work string) (v1.Image, error) {
	layer, err := image.Layer(filepath.Join(work, "golang.tar"), func(t *image.Tree) error {
		for _, dir := range []string{"/go", "/go/bin", "/go/src"} {
			if err := t.Dir(dir, 0o1777); err != nil {
				return err
			}
		}
		return t.Copy(r.goroot, "/usr/local/go")
	})
	if err != nil {
		return nil, err
	}
	golang, err := mutate.AppendLayers(debian, layer)
	if err != nil {
		return nil, err
	}
	file, err := golang.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := *file.Config.DeepCopy()
	config.WorkingDir = "/go"
	config.Env = []string{
		"PATH=/go/bin:/usr/local/go/bin:" + image.DefaultPath,
		"GOLANG_VERSION=" + r.Go[len("go"):],
		"GOTOOLCHAIN=local",
		"GOPATH=/go",
	}
	for _, key := range slices.Sorted(maps.Keys(r.Settings)) {
		config.Env = append(config.Env, key+"="+r.Settings[key])
	}
	return mutate.Config(golang, config)
}

// frontendImage is docker/dockerfile with the labels of its own Dockerfile.
func frontendImage(program, work string) (v1.Image, error) {
	layer, err := image.Layer(filepath.Join(work, "frontend.tar"), func(t *image.Tree) error {
		return t.File(program, "/bin/dockerfile-frontend", 0o755)
	})
	if err != nil {
		return nil, err
	}
	return image.New(image.Config(v1.Config{
		Entrypoint: []string{"/bin/dockerfile-frontend"},
		Env:        []string{"PATH=" + image.DefaultPath},
		Labels: map[string]string{
			"moby.buildkit.frontend.network.none": "true",
			"moby.buildkit.frontend.caps": "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests," +
				"moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring,moby.buildkit.frontend.contexts.zstd",
		},
	}), layer)
}
