// Package overlay finds where files of Kustomize and Kubernetes name images. It reads
// lines, not YAML, so that any file costs little, templates included: what it does not
// understand names no image.
package overlay

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Bounds of what is looked at.
const (
	MaxFile  = 1 << 20 // bytes of one file
	MaxFiles = 2000
	maxUses  = 5000 // in one file
	maxLine  = 4096
)

// Use is a place that names an image.
type Use struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, in bytes
	// Text is the line.
	Text  string `json:"text"`
	Image string `json:"image"` // as it is written
	// Replaced says that a kustomization puts another name in its place wherever it stands.
	Replaced bool `json:"replaced,omitempty"`
}

// Is tells whether a file may have such places, by its name.
func Is(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return path.Base(name) == "Kustomization"
}

// isKustomization tells whether a file is what Kustomize looks for in a folder.
func isKustomization(name string) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, path.Base(name))
}

const (
	before = `(?:^|[\s{,-])["']?`
	value  = `["']?\s*:\s+["']?([^\s"',}#{\[|>&*!][^\s"',}#]*)`
)

var (
	imageKey = regexp.MustCompile(before + `(?:image|reference)` + value)
	newName  = regexp.MustCompile(before + `newName` + value)
	nameKey  = regexp.MustCompile(before + `name` + value)
	// patched is the path of a JSON patch that leads to an image, and its value.
	patched  = regexp.MustCompile(before + `path["']?\s*:\s+["']?/[^\s"',}#]*/image(?:["',\s}]|$)`)
	valueKey = regexp.MustCompile(before + `value` + value)
)

// Find lists the places of a file that name images, in their order.
func Find(name string, data []byte) []Use {
	s := scanner{file: name, kustomization: isKustomization(name)}
	for line := range strings.Lines(string(data)) {
		if s.line++; len(s.uses) >= maxUses {
			break
		}
		line = strings.TrimRight(line, "\r\n")
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' || len(line) > maxLine {
			continue
		}
		s.read(line)
	}
	return s.uses
}

type scanner struct {
	file          string
	kustomization bool
	line          int
	uses          []Use
	images        bool  // inside of a kustomization's images
	named         []int // the uses that its entry is for
	renamed       bool  // the entry has a new name
	patch         int   // how many more lines may have a patch's value
}

func (s *scanner) read(line string) {
	if s.kustomization && line[0] != ' ' && line[0] != '-' {
		s.images = strings.HasPrefix(line, "images:")
		s.begin()
	}
	if s.images {
		s.entries(line)
		return
	}
	s.all(imageKey, line)
	if patched.MatchString(line) {
		s.patch = 3
	}
	if s.patch > 0 {
		if s.patch--; s.all(valueKey, line) {
			s.patch = 0
		}
	}
}

// entries reads a line of a kustomization's images, each entry beginning with a dash or a
// brace.
func (s *scanner) entries(line string) {
	offset := 0
	for _, part := range split(line) {
		if text := strings.TrimSpace(part); strings.HasPrefix(text, "-") || strings.HasPrefix(text, "{") {
			s.begin()
		}
		first := len(s.uses)
		s.find(nameKey, part, line, offset)
		for i := first; i < len(s.uses); i++ {
			s.named = append(s.named, i)
		}
		s.renamed = s.find(newName, part, line, offset) || s.renamed
		for _, i := range s.named {
			s.uses[i].Replaced = s.renamed
		}
		offset += len(part)
	}
}

func (s *scanner) begin() { s.named, s.renamed = nil, false }

// split cuts a line before each brace that opens.
func split(line string) (parts []string) {
	for {
		at := strings.IndexByte(line[min(1, len(line)):], '{')
		if at < 0 {
			return append(parts, line)
		}
		parts, line = append(parts, line[:at+1]), line[at+1:]
	}
}

func (s *scanner) all(key *regexp.Regexp, line string) bool { return s.find(key, line, line, 0) }

// find adds what a key has as its value in a part of a line.
func (s *scanner) find(key *regexp.Regexp, part, line string, offset int) (found bool) {
	for _, at := range key.FindAllStringSubmatchIndex(part, -1) {
		found = true
		s.uses = append(s.uses, Use{File: s.file, Line: s.line, Column: offset + at[2] + 1, Text: line, Image: part[at[2]:at[3]]})
	}
	return found
}
