package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// block is a piece of code that runs from its begin to its end, or not at all.
type block struct {
	place      string // FILE:LINE.COLUMN,LINE.COLUMN, the file with its module
	statements int
}

// profile tells of every block whether it was reached.
type profile map[block]bool

// read merges what all processes have left in a folder; an empty one is no error.
func read(dir string) (profile, error) {
	left, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(left) == 0 {
		return nil, nil
	}
	tmp, err := os.MkdirTemp("", "quoit-cover-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "profile")
	if output, err := exec.Command("go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+file).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("reading %s: %w\n%s", dir, err, output)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

// parse reads Go's text format: a line with the mode, then a line for each block.
func parse(text string) (profile, error) {
	p := profile{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == "mode:" {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("not a line of a coverage profile: %q", line)
		}
		statements, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("not a line of a coverage profile: %q", line)
		}
		b := block{fields[0], statements}
		p[b] = p[b] || fields[2] != "0"
	}
	return p, nil
}

func union(a, b profile) profile {
	all := maps.Clone(a)
	for block, reached := range b {
		all[block] = all[block] || reached
	}
	return all
}

// pkg is the folder of a block's file.
func (b block) pkg() string {
	file, _, _ := strings.Cut(b.place, ":")
	return strings.TrimPrefix(path.Dir(file), module)
}

// forTests are packages that no command is made of.
var forTests = regexp.MustCompile(`^(integration|internal/testkit|internal/dose|registry/conformance)(/|$)|test$`)

// shares are the parts of the packages' statements that were reached.
func (p profile) shares() map[string]float64 {
	all, reached := map[string]float64{}, map[string]float64{}
	for b, yes := range p {
		if forTests.MatchString(b.pkg()) {
			continue
		}
		all[b.pkg()] += float64(b.statements)
		if yes {
			reached[b.pkg()] += float64(b.statements)
		}
	}
	shares := map[string]float64{}
	for pkg, count := range all {
		if count > 0 {
			shares[pkg] = reached[pkg] / count
		}
	}
	return shares
}

func (p profile) packages() []string { return slices.Sorted(maps.Keys(p.shares())) }
