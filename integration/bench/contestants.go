package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	bk "github.com/moby/buildkit/client/llb"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/revision"
)

// contestant does a piece of work in its own way.
type contestant struct {
	name    string
	project *project // nil for the empty solve
	command command
}

// quoitBuild is quoit build --push with the frontend in the command.
func (b *bench) quoitBuild(p *project, host string) contestant {
	return contestant{nameQuoit, p, command{
		dir: p.dir, args: []string{b.quoit, "build", "--push", "--progress", "quiet"}, env: []string{"QUOIT_REGISTRY=" + host},
	}}
}

func (b *bench) quoitPlan(p *project, host string) contestant {
	return contestant{namePlan, p, command{
		dir: p.dir, args: []string{b.quoit, "plan", "--progress", "quiet"}, env: []string{"QUOIT_REGISTRY=" + host},
	}}
}

// quoitImage is docker buildx build with the frontend's image.
func (b *bench) quoitImage(p *project, host string) contestant {
	args := []string{
		"buildx", "build", "--builder", b.builder, "--progress=quiet", "-f", "quoit.yaml",
		"--build-arg", "BUILDKIT_SYNTAX=" + b.frontend, "--build-arg", "QUOIT_REGISTRY=" + host, ".",
	}
	return contestant{nameImage, p, command{dir: p.dir, args: args}}
}

// bake is docker buildx bake of the targets, of all without any.
func (b *bench) bake(name string, p *project, host string, targets ...string) contestant {
	args := []string{"buildx", "bake", "--builder", b.builder, "--progress=quiet", "-f", "docker-bake.json"}
	tag := "dev"
	switch name {
	case nameBake:
		args = append(args, "--push")
	case nameBakePlain:
		args = append(args, "--push", "--provenance=false")
		tag = "plain"
	}
	return contestant{name, p, command{
		dir: p.dir, args: append(args, targets...), env: []string{"REGISTRY=" + host, "TAG=" + tag},
	}}
}

// dockerfile is docker buildx build of one image with docker/dockerfile as a
// syntax image.
func (b *bench) dockerfile(p *project) contestant {
	args := []string{
		"buildx", "build", "--builder", b.builder, "--progress=quiet",
		"--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1", ".",
	}
	return contestant{nameDockerfile, p, command{dir: p.dir, args: args}}
}

// empty is a solve of nothing but a small file, always the same: what BuildKit
// itself needs for a client, a session and a build.
func (b *bench) empty(ctx context.Context) (contestant, error) {
	def, err := bk.Scratch().File(bk.Mkfile("/empty", 0o644, nil)).Marshal(ctx)
	if err != nil {
		return contestant{}, err
	}
	data, err := def.ToPB().MarshalVT()
	if err != nil {
		return contestant{}, err
	}
	return contestant{nameEmpty, nil, command{
		dir: b.dir, args: []string{"buildctl", "build", "--progress=quiet"}, stdin: data,
	}}, nil
}

// hash is our hash step's command, outside of any build.
func (b *bench) hash(p *project) (contestant, error) {
	data, err := json.Marshal(revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{{
		Name: "deploy", Context: ".", Reads: []revision.Read{{Path: "/src", Follow: true}},
	}}})
	if err != nil {
		return contestant{}, err
	}
	request := filepath.Join(b.dir, "request.json")
	if err := os.WriteFile(request, data, 0o644); err != nil {
		return contestant{}, err
	}
	return contestant{nameHash, p, command{
		dir: b.dir, args: []string{b.quoit, frontend.HashCommand, p.dir, request, filepath.Join(b.dir, "answer.json")},
	}}, nil
}

// sha256sum is the program over all files of a single image, as many processes
// at a time as there are processors.
func (b *bench) sha256sum(p *project) contestant {
	var names strings.Builder
	names.WriteString("src/salt.txt\x00")
	for i := range p.files {
		names.WriteString(hugeFile(i) + "\x00")
	}
	check := func(stdout []byte) error {
		if lines := strings.Count(string(stdout), "\n"); lines != p.files+1 {
			return fmt.Errorf("sha256sum printed %d lines for %d files", lines, p.files+1)
		}
		return nil
	}
	return contestant{nameSHA256Sum, p, command{
		dir: p.dir, args: []string{"xargs", "-0", "-P", fmt.Sprint(runtime.NumCPU()), "-n", "1000", "sha256sum"},
		stdin: []byte(names.String()), output: check,
	}}
}
