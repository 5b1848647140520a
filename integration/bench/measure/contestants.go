package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/integration/bench/project"
	"github.com/quoitbuild/quoit/integration/bench/report"

	bk "github.com/moby/buildkit/client/llb"

	"github.com/quoitbuild/quoit/revision"
)

// Contestant does a piece of work in its own way.
type Contestant struct {
	name    string
	Project *project.Project // nil for the empty solve
	Command Command
	// before, if set, is run when BuildKit rests, right before the command and outside
	// of the measured time. What it returns is called after the command.
	before func(context.Context) (after func(), err error)
}

// QuoitBuild is quoit build --push with the frontend in the command.
func (b *Bench) QuoitBuild(p *project.Project, host string) Contestant {
	return Contestant{name: report.NameQuoit, Project: p, Command: Command{
		Dir: p.Dir, Args: []string{b.Quoit, "build", "--push", "--progress", "quiet"}, Env: []string{"QUOIT_REGISTRY=" + host},
	}}
}

// QuoitPlan is quoit plan with the frontend in the command.
func (b *Bench) QuoitPlan(p *project.Project, host string) Contestant {
	return Contestant{name: report.NamePlan, Project: p, Command: Command{
		Dir: p.Dir, Args: []string{b.Quoit, "plan", "--progress", "quiet"}, Env: []string{"QUOIT_REGISTRY=" + host},
	}}
}

// Start is what it takes to start the program.
func (b *Bench) Start(p *project.Project) Contestant {
	return Contestant{name: report.NameStart, Project: p, Command: Command{Dir: p.Dir, Args: []string{b.Quoit, "--version"}}}
}

// QuoitFresh is quoit build --push on a machine that has nothing but the project.
func (b *Bench) QuoitFresh(p *project.Project, host string) Contestant {
	c := b.QuoitBuild(p, host)
	c.name = report.NameFresh
	cache := filepath.Join(b.dir, "fresh")
	c.Command.Env = append(c.Command.Env, "XDG_CACHE_HOME="+cache)
	c.before = func(context.Context) (func(), error) { return func() {}, os.RemoveAll(cache) }
	return c
}

// QuoitAfter is quoit build --push right after busy, a build of another project
// whose base was changed.
func (b *Bench) QuoitAfter(p *project.Project, host string, busy Contestant) Contestant {
	c := b.QuoitBuild(p, host)
	c.name = report.NameAfter
	c.before = func(ctx context.Context) (func(), error) {
		b.serial++
		if err := busy.Project.WriteBase(fmt.Sprintf("before %d", b.serial)); err != nil {
			return nil, err
		}
		return func() {}, b.Run(ctx, busy.Command)
	}
	return c
}

// QuoitBeside is quoit build --push while busy runs, a build of another project whose
// base was changed.
func (b *Bench) QuoitBeside(p *project.Project, host string, busy Contestant) Contestant {
	c := b.QuoitBuild(p, host)
	c.name = report.NameBeside
	c.before = func(ctx context.Context) (func(), error) {
		b.serial++
		if err := busy.Project.WriteBase(fmt.Sprintf("beside %d", b.serial)); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(ctx)
		cpu := cpuTime(b.buildkit.PID)
		done := make(chan error, 1)
		go func() { done <- b.cmd(ctx, busy.Command).Run() }()
		stop := func() { cancel(); <-done }
		for cpuTime(b.buildkit.PID)-cpu < time.Second {
			if err := pause(ctx, restPeriod); err != nil {
				stop()
				return nil, err
			}
			if len(done) > 0 {
				cancel()
				return nil, fmt.Errorf("%s ended before BuildKit was busy: %w", busy.name, <-done)
			}
		}
		return stop, nil
	}
	return c
}

// GitStatus is git status of a project whose files are in git.
func (b *Bench) GitStatus(ctx context.Context, p *project.Project) (Contestant, error) {
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "."},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "-m", "all"},
	} {
		if err := b.Run(ctx, Command{Dir: p.Dir, Args: append([]string{"git"}, args...)}); err != nil {
			return Contestant{}, err
		}
	}
	return Contestant{name: report.NameGitStatus, Project: p, Command: Command{Dir: p.Dir, Args: []string{"git", "status"}}}, nil
}

// QuoitImage is docker buildx build with the frontend's image.
func (b *Bench) QuoitImage(p *project.Project, host string) Contestant {
	args := []string{
		"buildx", "build", "--builder", b.builder, "--progress=quiet", "-f", "quoit.yaml",
		"--build-arg", "BUILDKIT_SYNTAX=" + b.frontend, "--build-arg", "QUOIT_REGISTRY=" + host, ".",
	}
	return Contestant{name: report.NameImage, Project: p, Command: Command{Dir: p.Dir, Args: args}}
}

// Bake is docker buildx bake of the targets, of all without any.
func (b *Bench) Bake(name string, p *project.Project, host string, targets ...string) Contestant {
	args := []string{"buildx", "bake", "--builder", b.builder, "--progress=quiet", "-f", "docker-bake.json"}
	tag := "dev"
	switch name {
	case report.NameBake, report.NameBakeAll:
		args = append(args, "--push")
	case report.NameBakePlain:
		args = append(args, "--push", "--provenance=false")
		tag = "plain"
	}
	return Contestant{name: name, Project: p, Command: Command{
		Dir: p.Dir, Args: append(args, targets...), Env: []string{"REGISTRY=" + host, "TAG=" + tag},
	}}
}

// Dockerfile is docker buildx build of one image with docker/dockerfile as a
// syntax image.
func (b *Bench) Dockerfile(p *project.Project) Contestant {
	args := []string{
		"buildx", "build", "--builder", b.builder, "--progress=quiet",
		"--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1", ".",
	}
	return Contestant{name: report.NameDockerfile, Project: p, Command: Command{Dir: p.Dir, Args: args}}
}

// Empty is a solve of nothing but a small file, always the same: what BuildKit
// itself needs for a client, a session and a build.
func (b *Bench) Empty(ctx context.Context) (Contestant, error) {
	def, err := bk.Scratch().File(bk.Mkfile("/empty", 0o644, nil)).Marshal(ctx)
	if err != nil {
		return Contestant{}, err
	}
	data, err := def.ToPB().MarshalVT()
	if err != nil {
		return Contestant{}, err
	}
	return Contestant{name: report.NameEmpty, Command: Command{
		Dir: b.dir, Args: []string{"buildctl", "build", "--progress=quiet"}, stdin: data,
	}}, nil
}

// Hash is our hash step's command, outside of any build.
func (b *Bench) Hash(p *project.Project) (Contestant, error) {
	data, err := json.Marshal(revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{{
		Name: "deploy", Context: ".", Reads: []revision.Read{{Path: "/src", Follow: true}},
	}}})
	if err != nil {
		return Contestant{}, err
	}
	request := filepath.Join(b.dir, "request.json")
	if err := os.WriteFile(request, data, 0o644); err != nil {
		return Contestant{}, err
	}
	return Contestant{name: report.NameHash, Project: p, Command: Command{
		Dir: b.dir, Args: []string{b.Quoit, revision.StepCommand, p.Dir, request, filepath.Join(b.dir, "answer.json")},
	}}, nil
}

// SHA256Sum is the program over all files of a single image, as many processes
// at a time as there are processors.
func (b *Bench) SHA256Sum(p *project.Project) Contestant {
	var names strings.Builder
	names.WriteString("src/salt.txt\x00")
	for i := range p.Files {
		names.WriteString(project.HugeFile(i) + "\x00")
	}
	check := func(stdout []byte) error {
		if lines := strings.Count(string(stdout), "\n"); lines != p.Files+1 {
			return fmt.Errorf("sha256sum printed %d lines for %d files", lines, p.Files+1)
		}
		return nil
	}
	return Contestant{name: report.NameSHA256Sum, Project: p, Command: Command{
		Dir: p.Dir, Args: []string{"xargs", "-0", "-P", fmt.Sprint(runtime.NumCPU()), "-n", "1000", "sha256sum"},
		stdin: []byte(names.String()), output: check,
	}}
}
