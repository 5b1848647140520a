// Package llb turns the images of a project into one LLB graph.
//
// Each image is compiled by BuildKit's own Dockerfile compiler with marks in
// place of its context and of its siblings. The marks tell what the image reads
// and needs; once versions are decided they are replaced by the project's one
// context and by the siblings' graphs, or by registry images for those that did
// not change.
//
// [Compiler.All] compiles, [Builder.Image] makes the graph that is solved.
// [Externals] looks up what the project does not build, [Select] says which of the
// project's files are sent.
package llb

import (
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Source is what the project says of one image.
type Source struct {
	Name string
	// Context is the image's folder below the project's root, "." for the root.
	Context string
	// File is the container file's path below the project's root.
	File string
	// Map holds the container file's bytes, for excerpts in errors. It has no
	// definition: every ref of a result would carry it.
	Map *bk.SourceMap
	// Files is the source that the container file was read from.
	Files *bk.Definition
	// IgnoreFile holds the bytes of the ignore file that applies, Ignore its
	// patterns.
	IgnoreFile []byte
	Ignore     []string
	// Target is the stage to build, "" for the last.
	Target string
	// Args are the build arguments with a value.
	Args map[string]string
	// Labels are the manifest's and the command line's.
	Labels map[string]string
	// Platforms are all that the image is built for, at least one.
	Platforms []ocispecs.Platform
}

// Syntax returns the frontend that the container file asks for in its syntax
// line and the line's text, or "" if the embedded compiler is meant.
func (s Source) Syntax() (ref, cmdline string, location []parser.Range) {
	ref, cmdline, location, ok := parser.DetectSyntax(s.Map.Data)
	if !ok || isDockerfileFrontend(ref) {
		return "", "", nil
	}
	return ref, cmdline, location
}

// check refuses a file that the embedded compiler is not to read.
func (s Source) check() error {
	if ref, _, _ := s.Syntax(); ref != "" {
		return nil
	}
	return checkBounds(s.Map.Data, s.Args)
}

func isDockerfileFrontend(ref string) bool {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	name = strings.TrimPrefix(name, "docker.io/")
	return name == "docker/dockerfile" || name == "docker/dockerfile-upstream"
}
