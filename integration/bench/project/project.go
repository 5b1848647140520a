// Package project generates projects to be measured: for Quoit, and the same for docker
// buildx bake. No two of them have a file or a build step in common.
//
//	p := &project.Project{Dir: dir, Name: "bench/p1", Salt: "1", Shape: project.Star, Images: 10, Files: 20, Size: 512}
//	err := p.Write()
package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// placeholder is the registry that container files name; clients are told the
// true one.
const placeholder = "registry.example.com"

// What is usual in a project, and the size of the huge one: 1 GB.
const (
	UsualFiles = 20
	UsualSize  = 512
	HugeFiles  = 100_000
	HugeSize   = 10_737
)

// Shape says how the images of a project hang together.
type Shape string

const (
	// Star is a base, services on it, and a root image.
	Star Shape = "star"
	// RootContext is a star whose images have the project's root as context.
	RootContext Shape = "root-context"
	// Chain is a line of images, each on the one before, and a root image.
	Chain Shape = "chain"
	// Single is one image with one COPY.
	Single Shape = "single"
)

// Project is a generated project and what is equivalent for bake. No two
// projects have a build step in common: each has a salt in all its files, so
// that what one contestant runs is not in the cache of another.
type Project struct {
	Dir    string
	Name   string // such as bench/q1: repositories are below it
	Salt   string
	Shape  Shape
	Images int
	Files  int // of each service
	Size   int // bytes of each file
}

// services are the names of the images between base and root image.
func (p Project) services() []string {
	count := p.Images - 2
	switch p.Shape {
	case Chain:
		count = p.Images - 1
	case Single:
		count = 0
	}
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("s%04d", i))
	}
	return names
}

// Write makes the project's files anew.
func (p Project) Write() error {
	if err := os.RemoveAll(p.Dir); err != nil {
		return err
	}
	if p.Shape == Single {
		return p.writeSingle()
	}
	if err := p.WriteBase(""); err != nil {
		return err
	}
	names := p.services()
	for i, name := range names {
		if err := p.writeService(name, p.parent(i)); err != nil {
			return err
		}
	}
	return p.writeProject()
}

// parent is the image that service i builds on; "" for none of the project's.
func (p Project) parent(i int) string {
	switch {
	case p.Shape != Chain:
		return "base"
	case i == 0:
		return ""
	default:
		return p.services()[i-1]
	}
}

// WriteBase writes the base image, or for a chain its first image's step. The
// edit tells its versions apart.
func (p Project) WriteBase(edit string) error {
	content := fmt.Sprintf("%s %s\n", p.Salt, edit)
	if p.Shape == Chain {
		return p.file("services/s0000/step.txt", content)
	}
	return errorsOf(
		p.file("images/base/Dockerfile", p.from("", "images/base")+"RUN cat /tmp/step.txt > /base\n"),
		p.file("images/base/step.txt", content),
	)
}

// writeService writes a service's container file and its sources.
func (p Project) writeService(name, parent string) error {
	dir := "services/" + name
	prefix := ""
	if p.Shape == RootContext {
		prefix = dir + "/"
	}
	text := p.from(parent, dir) + "COPY " + prefix + "src /app\nRUN cat /app/file-0000.txt > /first\n"
	if err := p.file(dir+"/Dockerfile", text); err != nil {
		return err
	}
	if p.Shape == Chain {
		if err := p.file(dir+"/step.txt", p.Salt+" "+name+"\n"); err != nil {
			return err
		}
	}
	for i := range p.Files {
		if err := p.file(sourceFile(dir, i), p.source(name, i, "")); err != nil {
			return err
		}
	}
	return nil
}

// from is the beginning of a container file: an image of the project, or
// busybox with a file in it that makes this project's steps its own.
func (p Project) from(parent, dir string) string {
	if p.Shape == Chain && parent != "" {
		return "FROM " + p.reference(parent) + "\nCOPY step.txt /tmp/" + filepath.Base(dir) + ".txt\n"
	}
	if parent != "" {
		return "FROM " + p.reference(parent) + "\n"
	}
	from := "step.txt"
	if p.Shape == RootContext {
		from = dir + "/step.txt"
	}
	return "FROM busybox\nCOPY " + from + " /tmp/step.txt\n"
}

// BakeName is where bake's images of the project are.
func (p Project) BakeName() string { return p.Name + "-bake" }

func (p Project) reference(image string) string {
	return placeholder + "/" + p.Name + "/" + image
}

func sourceFile(dir string, i int) string { return fmt.Sprintf("%s/src/file-%04d.txt", dir, i) }

// source is the content of a file, different for each.
func (p Project) source(owner string, i int, edit string) string {
	line := fmt.Sprintf("%s %s %d %s\n", p.Salt, owner, i, edit)
	return strings.Repeat(line, max(1, p.Size/len(line)))
}

// EditLeaf changes one file of one service.
func (p Project) EditLeaf(service, edit string) error {
	return p.file(sourceFile("services/"+service, 0), p.source(service, 0, edit))
}

// Leaf is the service that nothing but the root image builds on.
func (p Project) Leaf() string {
	names := p.services()
	return names[len(names)-1]
}

// file writes one file of the project.
func (p Project) file(name, content string) error {
	full := filepath.Join(p.Dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return os.WriteFile(full, []byte(content), 0o644)
}

// member is an image as manifest and bake file have it.
type member struct{ name, context, file, parent string }

// members are all images of the project.
func (p Project) members() []member {
	if p.Shape == Single {
		return []member{{name: "deploy", context: "."}}
	}
	var all []member
	if p.Shape != Chain {
		all = append(all, member{name: "base", context: "images/base"})
	}
	for i, name := range p.services() {
		all = append(all, member{name: name, context: "services/" + name, parent: p.parent(i)})
	}
	all = append(all, member{name: "deploy", context: "images/deploy"})
	if p.Shape == RootContext {
		for i := range all {
			all[i].file, all[i].context = all[i].context+"/Dockerfile", "."
		}
	}
	return all
}

// writeProject writes root image, manifest and bake file.
func (p Project) writeProject() error {
	overlays := "overlays"
	if p.Shape == RootContext {
		overlays = "images/deploy/overlays"
	}
	if err := errorsOf(
		p.file("images/deploy/Dockerfile", "FROM scratch\nCOPY "+overlays+" /overlays\n"),
		p.file("images/deploy/overlays/dev.yaml", "# "+p.Salt+"\n"),
	); err != nil {
		return err
	}
	return p.writeManifests()
}

func (p Project) writeManifests() error {
	var m bytes.Buffer
	fmt.Fprintf(&m, "project: %s\nregistry: %s\nroot: deploy\nimages:\n", p.Name, placeholder)
	for _, image := range p.members() {
		if image.file == "" {
			fmt.Fprintf(&m, "  %s: %q\n", image.name, image.context)
		} else {
			fmt.Fprintf(&m, "  %s: {context: %q, file: %q}\n", image.name, image.context, image.file)
		}
	}
	bake, err := p.bakeFile()
	if err != nil {
		return err
	}
	return errorsOf(p.file("quoit.yaml", m.String()), p.file("docker-bake.json", string(bake)))
}

// bakeTarget is a target of a bake file.
type bakeTarget struct {
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile,omitempty"`
	Contexts   map[string]string `json:"contexts,omitempty"`
	Tags       []string          `json:"tags"`
}

// bakeFile is docker-bake.json: the same images, their references linked to
// each other's targets. Registry and tag are variables.
func (p Project) bakeFile() ([]byte, error) {
	targets := map[string]bakeTarget{}
	var names []string
	for _, image := range p.members() {
		t := bakeTarget{
			Context: image.context, Dockerfile: image.file,
			Tags: []string{"${REGISTRY}/" + p.BakeName() + "/" + image.name + ":${TAG}"},
		}
		if image.parent != "" {
			t.Contexts = map[string]string{p.reference(image.parent): "target:" + image.parent}
		}
		targets[image.name] = t
		names = append(names, image.name)
	}
	variable := func(value string) map[string]string { return map[string]string{"default": value} }
	return json.MarshalIndent(map[string]any{
		"variable": map[string]any{"REGISTRY": variable(placeholder), "TAG": variable("dev")},
		"group":    map[string]any{"default": map[string]any{"targets": names}},
		"target":   targets,
	}, "", "  ")
}

// errorsOf is the first error.
func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
