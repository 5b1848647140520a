package llb

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/account"
)

// recipe is what an image is made from of its container file, for one platform.
type recipe struct {
	file    *parser.Result
	found   namings
	globals []*parser.Node   // what stands before the first FROM
	stages  [][]*parser.Node // instructions, each stage's FROM first
	reached []int            // stages, sorted
	given   []int            // those that named contexts replace
	used    map[string]bool  // arguments before the first FROM
}

// recipeOf returns a digest of what an image is made from of its container file: as the
// compiler parses them, the instructions of the stages that the target reaches, the
// arguments before the first FROM that these use, and the directives syntax and escape.
// Comments, blank lines and other stages are no part of it, nor is the directive check,
// which decides which advice is given. Predefined are the arguments of the platform, given
// those that have a value, and triggers the ONBUILD instructions of all images that the file
// builds on. Where the stages cannot be told, the digest is that of the whole file, and there
// is no extent.
func recipeOf(source Source, predefined, given map[string]string, triggers []string) (string, *Extent) {
	r, told := readRecipe(source, predefined, given, triggers)
	if !told {
		return wholeRecipe(source), nil
	}
	var text bytes.Buffer
	for _, place := range r.found.places {
		if place.from && slices.Contains(r.given, place.stage) {
			fmt.Fprintf(&text, "context %q platform %q\n", stageName(r.stages[place.stage][0]), place.platform)
		}
	}
	_, syntax, _, _ := parser.DetectSyntax(source.Map.Data)
	fmt.Fprintf(&text, "stages syntax %q escape %q\n", syntax, r.file.EscapeToken)
	for _, node := range r.globals {
		for word := node.Next; word != nil; word = word.Next {
			if name, _, _ := strings.Cut(word.Value, "="); r.used[name] {
				fmt.Fprintf(&text, "global %q\n", word.Value)
			}
		}
	}
	for _, stage := range r.reached {
		fmt.Fprintf(&text, "stage %v\n", r.needs(stage))
		for _, node := range r.stages[stage] {
			writeInstruction(&text, node)
			text.WriteByte('\n')
		}
	}
	return digest.FromBytes(text.Bytes()).String(), &Extent{r.reached, slices.Sorted(maps.Keys(r.used))}
}

// Extent is how much of a container file counts: stages by their places in it, and
// arguments before the first one, by name.
type Extent struct {
	Stages  []int
	Globals []string
}

// Steps are what counts of an image's container file, on any of the platforms for which it
// was compiled.
func Steps(compiled []*Compiled) []account.Step {
	data := compiled[0].Source.Map.Data
	file, err := parser.Parse(bytes.NewReader(data))
	whole := []account.Step{{Line: 1, Keyword: "FILE", Digest: digest.FromBytes(data).String()}}
	if err != nil {
		return whole
	}
	_, syntax, _, _ := parser.DetectSyntax(data)
	steps := []account.Step{{Line: 1, Keyword: "SYNTAX", Digest: digest.FromString(fmt.Sprintf("%q %q", syntax, file.EscapeToken)).String()}}
	stages, globals := map[int]bool{}, map[string]bool{}
	for _, c := range compiled {
		if c.Extent == nil {
			return whole
		}
		for _, stage := range c.Extent.Stages {
			stages[stage] = true
		}
		for _, name := range c.Extent.Globals {
			globals[name] = true
		}
	}
	stage, name := -1, ""
	for _, node := range file.AST.Children {
		if strings.EqualFold(node.Value, command.From) {
			stage++
			name = cmp.Or(stageName(node), strconv.Itoa(stage))
		}
		if stage >= 0 && !stages[stage] || stage < 0 && !declaresOneOf(node, globals) {
			continue
		}
		var text bytes.Buffer
		writeInstruction(&text, node)
		steps = append(steps, account.Step{Stage: name, Line: node.StartLine, Keyword: strings.ToUpper(node.Value), Digest: digest.FromBytes(text.Bytes()).String()})
	}
	return steps
}

func declaresOneOf(node *parser.Node, names map[string]bool) bool {
	for word := node.Next; word != nil; word = word.Next {
		if name, _, _ := strings.Cut(word.Value, "="); names[name] {
			return true
		}
	}
	return false
}

// wholeRecipe is the digest of a file in a language that only its own frontend knows.
func wholeRecipe(source Source) string {
	return digest.FromString("whole\n" + string(source.Map.Data)).String()
}

// readRecipe finds what counts; it is not ok where the stages cannot be told.
func readRecipe(source Source, predefined, given map[string]string, triggers []string) (r recipe, ok bool) {
	file, err := parser.Parse(bytes.NewReader(source.Map.Data))
	if err != nil {
		return r, false
	}
	r = recipe{file: file, used: map[string]bool{}}
	last := ""
	for _, node := range file.AST.Children {
		switch {
		case strings.EqualFold(node.Value, command.From):
			r.stages, last = append(r.stages, []*parser.Node{node}), stageName(node)
		case len(r.stages) == 0:
			r.globals = append(r.globals, node)
		default:
			at := len(r.stages) - 1
			r.stages[at] = append(r.stages[at], node)
		}
	}
	all := map[string]string{"TARGETSTAGE": cmp.Or(source.Target, last, "default")}
	maps.Copy(all, predefined)
	r.found = namingsOf(file, all, given)
	return r, r.reach(source, triggers) && !r.datedByStage(given) && r.use(triggers)
}

func stageName(from *parser.Node) string {
	if from.Next == nil || from.Next.Next == nil || from.Next.Next.Next == nil {
		return ""
	}
	return strings.ToLower(from.Next.Next.Next.Value)
}

// reach finds the stages that the target needs. An ONBUILD instruction of an image counts as
// if it stood in the target, so that no stage is left out. What a named context replaces
// needs nothing.
func (r *recipe) reach(source Source, triggers []string) (ok bool) {
	target := source.Target
	at, ok := len(r.stages)-1, len(r.stages) == r.found.stages
	if target != "" && ok {
		at, ok = r.found.byName[strings.ToLower(target)]
	}
	if !ok || at < 0 {
		return false
	}
	next := []int{at}
	for _, trigger := range triggers {
		parsed, err := parser.Parse(strings.NewReader(trigger))
		if err != nil {
			return false
		}
		for _, node := range parsed.AST.Children {
			for _, ref := range sourcesOf(node) {
				if next, ok = r.follow(next, naming{ref: ref}); !ok {
					return false
				}
			}
		}
	}
	seen := map[int]bool{}
	for len(next) > 0 {
		stage := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[stage] {
			continue
		}
		seen[stage] = true
		if source.named(stageName(r.stages[stage][0])) != nil {
			continue
		}
		for _, place := range r.found.places {
			if place.stage != stage {
				continue
			}
			if next, ok = r.follow(next, place); !ok {
				return false
			}
		}
	}
	for _, stage := range slices.Sorted(maps.Keys(seen)) {
		if source.named(stageName(r.stages[stage][0])) == nil {
			r.reached = append(r.reached, stage)
		} else {
			r.given = append(r.given, stage)
		}
	}
	return true
}

// follow adds the stage that a place names, if it names one. A number beyond the stages
// stands for an image that some stage names, also one that is not reached.
func (r *recipe) follow(stages []int, place naming) ([]int, bool) {
	if stage, ok := r.found.stageOf(place); ok {
		return append(stages, stage), true
	}
	_, err := strconv.Atoi(place.ref)
	return stages, place.from || err != nil
}

// needs are the stages that a stage names, in the order in which it does, by their places
// among those that are reached; -1 for an image. A stage may be named by its number, which
// says another one where stages come and go.
func (r *recipe) needs(stage int) []int {
	var needs []int
	for _, place := range r.found.places {
		if place.stage != stage {
			continue
		}
		at := -1
		if need, ok := r.found.stageOf(place); ok {
			at = slices.Index(r.reached, need)
		}
		needs = append(needs, at)
	}
	return needs
}

// epochArg is the argument with the time that files get. It may name a stage, which has
// that time.
const epochArg = "SOURCE_DATE_EPOCH"

func (r *recipe) datedByStage(given map[string]string) bool {
	value, ok := given[epochArg]
	if !ok {
		value = r.found.values[epochArg]
	}
	_, err := strconv.ParseInt(value, 10, 64)
	return value != "" && err != nil
}

// use finds the arguments before the first FROM that the stages use, and those that these
// use in turn.
func (r *recipe) use(triggers []string) (ok bool) {
	for _, stage := range r.reached {
		r.expand(r.stages[stage][0].Original)
		for _, node := range r.stages[stage] {
			r.declare(node)
		}
	}
	for _, trigger := range triggers {
		parsed, err := parser.Parse(strings.NewReader(trigger))
		if err != nil {
			return false
		}
		for _, node := range parsed.AST.Children {
			r.declare(node)
		}
	}
	// None uses one that stands below it.
	for _, node := range slices.Backward(r.globals) {
		var words []string
		for word := node.Next; word != nil; word = word.Next {
			words = append(words, word.Value)
		}
		for _, word := range slices.Backward(words) {
			name, value, _ := strings.Cut(word, "=")
			if name == epochArg || strings.HasPrefix(name, "BUILDKIT_") {
				r.used[name] = true // the compiler looks for these
			}
			if r.used[name] {
				r.expand(value)
			}
		}
	}
	return true
}

// declare notes the arguments that an instruction takes from before the first FROM.
func (r *recipe) declare(node *parser.Node) {
	if strings.EqualFold(node.Value, command.Onbuild) && node.Next != nil && len(node.Next.Children) > 0 {
		node = node.Next.Children[0]
	}
	if !strings.EqualFold(node.Value, command.Arg) {
		return
	}
	for word := node.Next; word != nil; word = word.Next {
		if name, _, hasDefault := strings.Cut(word.Value, "="); !hasDefault {
			r.used[name] = true
		}
	}
}

// expand notes the arguments that a text uses.
func (r *recipe) expand(text string) {
	for _, use := range variable.FindAllStringSubmatch(text, -1) {
		r.used[use[1]] = true
	}
}

// writeInstruction writes all that a parsed instruction consists of, each part quoted.
func writeInstruction(text *bytes.Buffer, node *parser.Node) {
	fmt.Fprintf(text, "%q %q json=%t", strings.ToLower(node.Value), node.Flags, node.Attributes["json"])
	if strings.EqualFold(node.Value, command.Onbuild) {
		fmt.Fprintf(text, " written %q", strings.TrimSpace(node.Original)) // the config has it so
	}
	for word := node.Next; word != nil; word = word.Next {
		fmt.Fprintf(text, " %q", word.Value)
		for _, child := range word.Children {
			text.WriteString(" (")
			writeInstruction(text, child)
			text.WriteByte(')')
		}
	}
	for _, doc := range node.Heredocs {
		fmt.Fprintf(text, " here %q %d expand=%t chomp=%t %q", doc.Name, doc.FileDescriptor, doc.Expand, doc.Chomp, doc.Content)
	}
}
