package main

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
	usualFiles = 20
	usualSize  = 512
	hugeFiles  = 100_000
	hugeSize   = 10_737
)

// shape says how the images of a project hang together.
type shape string

const (
	// star is a base, services on it, and a root image.
	star shape = "star"
	// rootContext is a star whose images have the project's root as context.
	rootContext shape = "root-context"
	// chain is a line of images, each on the one before, and a root image.
	chain shape = "chain"
	// single is one image with one COPY.
	single shape = "single"
)

// project is a generated project and what is equivalent for bake. No two
// projects have a build step in common: each has a salt in all its files, so
// that what one contestant runs is not in the cache of another.
type project struct {
	dir    string
	name   string // such as bench/q1: repositories are below it
	salt   string
	shape  shape
	images int
	files  int // of each service
	size   int // bytes of each file
}

// services are the names of the images between base and root image.
func (p project) services() []string {
	count := p.images - 2
	switch p.shape {
	case chain:
		count = p.images - 1
	case single:
		count = 0
	}
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("s%04d", i))
	}
	return names
}

// write makes the project's files anew.
func (p project) write() error {
	if err := os.RemoveAll(p.dir); err != nil {
		return err
	}
	if p.shape == single {
		return p.writeSingle()
	}
	if err := p.writeBase(""); err != nil {
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
func (p project) parent(i int) string {
	switch {
	case p.shape != chain:
		return "base"
	case i == 0:
		return ""
	default:
		return p.services()[i-1]
	}
}

// writeBase writes the base image, or for a chain its first image's step. The
// edit tells its versions apart.
func (p project) writeBase(edit string) error {
	content := fmt.Sprintf("%s %s\n", p.salt, edit)
	if p.shape == chain {
		return p.file("services/s0000/step.txt", content)
	}
	return errorsOf(
		p.file("images/base/Dockerfile", p.from("", "images/base")+"RUN cat /tmp/step.txt > /base\n"),
		p.file("images/base/step.txt", content),
	)
}

// writeService writes a service's container file and its sources.
func (p project) writeService(name, parent string) error {
	dir := "services/" + name
	prefix := ""
	if p.shape == rootContext {
		prefix = dir + "/"
	}
	text := p.from(parent, dir) + "COPY " + prefix + "src /app\nRUN cat /app/file-0000.txt > /first\n"
	if err := p.file(dir+"/Dockerfile", text); err != nil {
		return err
	}
	if p.shape == chain {
		if err := p.file(dir+"/step.txt", p.salt+" "+name+"\n"); err != nil {
			return err
		}
	}
	for i := range p.files {
		if err := p.file(sourceFile(dir, i), p.source(name, i, "")); err != nil {
			return err
		}
	}
	return nil
}

// from is the beginning of a container file: an image of the project, or
// busybox with a file in it that makes this project's steps its own.
func (p project) from(parent, dir string) string {
	if p.shape == chain && parent != "" {
		return "FROM " + p.reference(parent) + "\nCOPY step.txt /tmp/" + filepath.Base(dir) + ".txt\n"
	}
	if parent != "" {
		return "FROM " + p.reference(parent) + "\n"
	}
	from := "step.txt"
	if p.shape == rootContext {
		from = dir + "/step.txt"
	}
	return "FROM busybox\nCOPY " + from + " /tmp/step.txt\n"
}

// bakeName is where bake's images of the project are.
func (p project) bakeName() string { return p.name + "-bake" }

func (p project) reference(image string) string {
	return placeholder + "/" + p.name + "/" + image
}

func sourceFile(dir string, i int) string { return fmt.Sprintf("%s/src/file-%04d.txt", dir, i) }

// source is the content of a file, different for each.
func (p project) source(owner string, i int, edit string) string {
	line := fmt.Sprintf("%s %s %d %s\n", p.salt, owner, i, edit)
	return strings.Repeat(line, max(1, p.size/len(line)))
}

// editLeaf changes one file of one service.
func (p project) editLeaf(service, edit string) error {
	return p.file(sourceFile("services/"+service, 0), p.source(service, 0, edit))
}

// leaf is the service that nothing but the root image builds on.
func (p project) leaf() string {
	names := p.services()
	return names[len(names)-1]
}

// file writes one file of the project.
func (p project) file(name, content string) error {
	full := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return os.WriteFile(full, []byte(content), 0o644)
}

// member is an image as manifest and bake file have it.
type member struct{ name, context, file, parent string }

// members are all images of the project.
func (p project) members() []member {
	if p.shape == single {
		return []member{{name: "deploy", context: "."}}
	}
	var all []member
	if p.shape != chain {
		all = append(all, member{name: "base", context: "images/base"})
	}
	for i, name := range p.services() {
		all = append(all, member{name: name, context: "services/" + name, parent: p.parent(i)})
	}
	all = append(all, member{name: "deploy", context: "images/deploy"})
	if p.shape == rootContext {
		for i := range all {
			all[i].file, all[i].context = all[i].context+"/Dockerfile", "."
		}
	}
	return all
}

// writeProject writes root image, manifest and bake file.
func (p project) writeProject() error {
	overlays := "overlays"
	if p.shape == rootContext {
		overlays = "images/deploy/overlays"
	}
	if err := errorsOf(
		p.file("images/deploy/Dockerfile", "FROM scratch\nCOPY "+overlays+" /overlays\n"),
		p.file("images/deploy/overlays/dev.yaml", "# "+p.salt+"\n"),
	); err != nil {
		return err
	}
	return p.writeManifests()
}

func (p project) writeManifests() error {
	var m bytes.Buffer
	fmt.Fprintf(&m, "project: %s\nregistry: %s\nroot: deploy\nimages:\n", p.name, placeholder)
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
func (p project) bakeFile() ([]byte, error) {
	targets := map[string]bakeTarget{}
	var names []string
	for _, image := range p.members() {
		t := bakeTarget{
			Context: image.context, Dockerfile: image.file,
			Tags: []string{"${REGISTRY}/" + p.bakeName() + "/" + image.name + ":${TAG}"},
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
