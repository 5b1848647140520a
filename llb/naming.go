package llb

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// naming is a place of a container file that names an image or a stage.
type naming struct {
	ref      string // with the arguments' values
	platform string // that a FROM asks for, "" for none
	from     bool   // it is a FROM, which begins a stage
	base     int    // the earlier stage that a FROM names, -1 for none
	stage    int    // in which it stands, from 0
	at       []parser.Range
}

// namings are all such places, in their order, and the file's stages.
type namings struct {
	places []naming
	stages int            // how many
	byName map[string]int // in lower case; the last of a name
	values values         // of the arguments before the first FROM
}

// readNamings reads them with the values of arguments: first those that are
// predefined, then those that are given. A file that does not parse has none.
func readNamings(file []byte, predefined, given map[string]string) namings {
	parsed, err := parser.Parse(bytes.NewReader(file))
	if err != nil {
		return namings{}
	}
	return namingsOf(parsed, predefined, given)
}

// namingsOf is [readNamings] of a file that was parsed already.
func namingsOf(parsed *parser.Result, predefined, given map[string]string) namings {
	r := namingReader{values: values{}, given: given, lex: shell.NewLex(parsed.EscapeToken)}
	r.found.byName, r.found.values = map[string]int{}, r.values
	maps.Copy(r.values, predefined)
	for _, node := range parsed.AST.Children {
		r.read(node, node.Location())
	}
	return r.found
}

// stageOf returns the stage that a place names as the compiler finds it: a FROM
// sees those before it, any other all.
func (n namings) stageOf(place naming) (index int, ok bool) {
	if place.from {
		return place.base, place.base >= 0
	}
	if index, err := strconv.Atoi(place.ref); err == nil {
		return index, 0 <= index && index < n.stages
	}
	index, ok = n.byName[strings.ToLower(place.ref)]
	return index, ok
}

type namingReader struct {
	values values
	given  map[string]string
	lex    *shell.Lex
	found  namings
}

func (r *namingReader) read(node *parser.Node, at []parser.Range) {
	switch strings.ToLower(node.Value) {
	case command.Arg:
		for word := node.Next; word != nil && r.found.stages == 0; word = word.Next {
			r.argument(word.Value)
		}
	case command.From:
		r.begin(node, at)
	case command.Onbuild:
		if node.Next != nil && len(node.Next.Children) > 0 {
			r.read(node.Next.Children[0], at)
		}
	default:
		for _, ref := range sourcesOf(node) {
			r.add(naming{ref: r.expanded(ref), at: at})
		}
	}
}

// argument notes the value that places may use, which is possible for those
// before the first FROM.
func (r *namingReader) argument(declared string) {
	name, value, has := strings.Cut(declared, "=")
	if given, ok := r.given[name]; ok {
		r.values[name] = given
	} else if has {
		r.values[name] = r.expanded(value)
	}
}

// begin reads a FROM.
func (r *namingReader) begin(node *parser.Node, at []parser.Range) {
	if node.Next == nil {
		return
	}
	place := naming{
		ref: r.expanded(node.Next.Value), platform: r.expanded(flagOf(node, "--platform")), from: true, base: -1, at: at,
	}
	if base, ok := r.found.byName[strings.ToLower(place.ref)]; ok {
		place.base = base
	}
	if as := node.Next.Next; as != nil && as.Next != nil {
		r.found.byName[strings.ToLower(as.Next.Value)] = r.found.stages
	}
	r.found.stages++
	r.add(place)
}

func (r *namingReader) add(place naming) {
	place.stage = max(r.found.stages-1, 0)
	r.found.places = append(r.found.places, place)
}

// expanded puts arguments' values into a text; one that cannot be read, or becomes too
// long, stays as it is: its compile reports why.
func (r *namingReader) expanded(text string) string {
	if expandedLength(text, func(name string) int { return len(r.values[name]) }) > maxValue {
		return text
	}
	if out, _, err := r.lex.ProcessWord(text, r.values); err == nil {
		return out
	}
	return text
}

// sourcesOf are the images or stages that an instruction copies from or mounts.
func sourcesOf(node *parser.Node) []string {
	var refs []string
	for _, flag := range node.Flags {
		name, value, _ := strings.Cut(flag, "=")
		switch name {
		case "--from":
			refs = append(refs, value)
		case "--mount":
			for _, field := range strings.Split(value, ",") {
				if from, ok := strings.CutPrefix(strings.Trim(field, `"`), "from="); ok {
					refs = append(refs, from)
				}
			}
		}
	}
	return refs
}

func flagOf(node *parser.Node, wanted string) string {
	for _, flag := range node.Flags {
		if name, value, _ := strings.Cut(flag, "="); name == wanted {
			return value
		}
	}
	return ""
}

// values are those of arguments, as the shell's words are expanded with.
type values map[string]string

// Get returns an argument's value.
func (v values) Get(name string) (string, bool) {
	value, ok := v[name]
	return value, ok
}

// Keys returns the arguments' names, sorted.
func (v values) Keys() []string { return slices.Sorted(maps.Keys(v)) }

// Spelling remembers which names a container file spells out as Docker Hub's, and which it
// writes bare: the compiler sees "redis" and "docker.io/library/redis" as the same.
type Spelling struct{ hub, bare map[string]bool }

// NewSpelling looks at the places of a container file where an image can be
// named, with its arguments' values. A file that does not parse has no spelling;
// its compile reports why.
func NewSpelling(file []byte, args map[string]string) Spelling {
	s := Spelling{hub: map[string]bool{}, bare: map[string]bool{}}
	found := readNamings(file, nil, args)
	for _, place := range found.places {
		if _, stage := found.stageOf(place); !stage {
			s.note(place.ref)
		}
	}
	return s
}

// note remembers how a reference is spelled whose name is a bare one to the compiler.
func (s Spelling) note(ref string) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return
	}
	name, ok := bareName(named)
	switch {
	case !ok:
	case strings.Contains(ref, "/"):
		s.hub[name] = true
	default:
		s.bare[name] = true
	}
}

// bareName is how a reference may be written without a host, tag and digest.
func bareName(named reference.Named) (name string, ok bool) {
	if _, digested := named.(reference.Digested); digested {
		return "", false
	}
	if tagged, ok := named.(reference.Tagged); ok && tagged.Tag() != "latest" {
		return "", false
	}
	return strings.CutPrefix(named.Name(), "docker.io/library/")
}

// maxWays bounds the ways on which a stage's needs can be followed, stage by
// stage: the compiler's outline goes all of them.
const maxWays = 1 << 16

// errCircle says that stages use each other in a circle, which the compiler takes only by
// ONBUILD: a stage may copy from itself then.
var errCircle = errors.New("its stages use each other in a circle, by ONBUILD: let them copy from stages that do not build on them")

// checkStages refuses a container file whose outline would not end: 30 stages
// that use the one before them twice have a billion ways, those of [errCircle] are
// followed for ever. Predefined are the arguments of the platform, and triggers the
// ONBUILD instructions of the file's base images, by reference.
func checkStages(source Source, predefined map[string]string, triggers map[string][]string) error {
	found := readNamings(source.Map.Data, predefined, source.Args)
	target, ok := found.stages-1, found.stages > 0
	if source.Target != "" {
		target, ok = found.byName[strings.ToLower(source.Target)]
	}
	if !ok {
		return nil
	}
	needs := found.needs()
	if ways(target, needs, map[int]int{}) >= maxWays {
		return fmt.Errorf("its stages use each other in %d ways or more: let stages copy from fewer others", maxWays)
	}
	for _, place := range found.places {
		if place.from && place.base < 0 {
			needs[place.stage] = append(needs[place.stage], found.triggered(ofBase(place.ref, triggers))...)
		}
	}
	if inCircle(target, needs, map[int]bool{}) {
		return errCircle
	}
	return nil
}

// ofBase are the triggers of a base image as the file names it; all if it is asked for by
// another name.
func ofBase(ref string, triggers map[string][]string) []string {
	if own, ok := triggers[ref]; ok { // a sibling
		return own
	}
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		if own, ok := triggers[reference.TagNameOnly(named).String()]; ok {
			return own
		}
	}
	return slices.Concat(slices.Collect(maps.Values(triggers))...)
}

// triggered are the stages that triggers of a base image name; all if that cannot be told.
func (n namings) triggered(triggers []string) (stages []int) {
	for _, trigger := range triggers {
		parsed, err := parser.Parse(strings.NewReader(trigger))
		if err != nil {
			continue // the compiler has taken it
		}
		for _, node := range parsed.AST.Children {
			for _, ref := range sourcesOf(node) {
				if stage, ok := n.stageOf(naming{ref: ref}); ok {
					stages = append(stages, stage)
				} else if strings.Contains(ref, "$") {
					for stage := range n.stages {
						stages = append(stages, stage)
					}
				}
			}
		}
	}
	return stages
}

// inCircle tells whether a stage uses one that uses itself. A stage in passed is asked for
// already: true while that is not answered.
func inCircle(stage int, needs [][]int, passed map[int]bool) bool {
	if busy, ok := passed[stage]; ok {
		return busy
	}
	passed[stage] = true
	for _, need := range needs[stage] {
		if inCircle(need, needs, passed) {
			return true
		}
	}
	passed[stage] = false
	return false
}

// needs are the stages that each stage uses, once as its base and once otherwise.
func (n namings) needs() [][]int {
	type use struct {
		by, stage int
		from      bool
	}
	needs := make([][]int, n.stages)
	seen := map[use]bool{}
	for _, place := range n.places {
		stage, ok := n.stageOf(place)
		if u := (use{place.stage, stage, place.from}); ok && !seen[u] {
			seen[u] = true
			needs[place.stage] = append(needs[place.stage], stage)
		}
	}
	return needs
}

// ways counts those from a stage on, up to maxWays. Stages in a circle count
// once; the compiler reports them.
func ways(stage int, needs [][]int, known map[int]int) int {
	if count, ok := known[stage]; ok {
		return count
	}
	known[stage] = 0
	count := 1
	for _, need := range needs[stage] {
		count = min(count+ways(need, needs, known), maxWays)
	}
	known[stage] = count
	return count
}
