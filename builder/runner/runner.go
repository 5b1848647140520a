// Package runner is what answers a step of a build, where a BuildKit has the project's
// files: a program for Linux that is static and depends on nothing else. The quoit command
// has one for each architecture, which `make build` puts into it. Built without them, as by
// go install, it is that program itself, where it is a static one for Linux.
//
// A program is a local source that BuildKit knows again by the program's digest: it gets it
// once, whatever the project and the folder that it lies in.
package runner

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
)

// Programs are those that this command has, by the architecture of their machine.
type Programs map[string]Program

// Program runs on Linux.
type Program struct {
	key   digest.Digest // differs if the program does
	files fsutil.FS     // nothing but the program
}

// Find returns the programs that this command has. The error says what to do without any.
func Find() (Programs, error) {
	found, err := embedded(programs)
	if err != nil || len(found) > 0 {
		return found, err
	}
	own, err := self()
	if err != nil {
		return nil, err
	}
	return Programs{runtime.GOARCH: own}, nil
}

// local is the local source that has the program for an architecture, name the program.
func local(architecture string) string { return "quoit-runner-" + architecture }

const name = "quoit-runner"

// Locals are local sources for [Programs.Runner], of which BuildKit asks for one at most.
func (p Programs) Locals() map[string]fsutil.FS {
	locals := map[string]fsutil.FS{}
	for architecture, program := range p {
		locals[local(architecture)] = program.files
	}
	return locals
}

// Runner says how a BuildKit runs the program for its machine, as a frontend wants to know
// it. The session's shared key has to be empty, or BuildKit gets the program for each.
func (p Programs) Runner(c gateway.Client) (bk.State, string, error) {
	machine := platforms.DefaultSpec()
	if workers := c.BuildOpts().Workers; len(workers) > 0 && len(workers[0].Platforms) > 0 {
		machine = platforms.Normalize(workers[0].Platforms[0])
	}
	program, ok := p[machine.Architecture]
	if !ok || machine.OS != "linux" {
		return bk.State{}, "", fmt.Errorf("BuildKit runs on %s/%s, and this command has programs for linux/%s: name the frontend in the manifest's first line, # syntax=…",
			machine.OS, machine.Architecture, strings.Join(slices.Sorted(maps.Keys(p)), ", linux/"))
	}
	st := bk.Local(local(machine.Architecture), bk.SharedKeyHint(program.key.String()), dockerui.WithInternalName("load quoit's own program"))
	return st, "/" + name, nil
}
