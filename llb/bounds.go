package llb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// Bounds of a container file: thirty lines that double a variable are gigabytes, and
// the compiler does not mind.
const (
	maxLines        = 1_000_000
	maxInstructions = 4_000
	maxValue        = 1 << 20  // bytes of one variable
	maxExpanded     = 64 << 20 // bytes of all instructions with their variables
	unknownValue    = 4 << 10  // what a variable counts whose value is not known
	maxReplacement  = 1 << 10  // bytes within which the end of ${NAME/…} is looked for
)

// checkBounds refuses a container file that grows too large while it is compiled. A
// file that does not parse is left to the compiler, which reports why.
func checkBounds(file []byte, given map[string]string) error {
	if bytes.Count(file, []byte("\n")) > maxLines {
		return fmt.Errorf("it has more than %d lines", maxLines)
	}
	parsed, err := parser.Parse(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	g := growth{given: given, globals: lengths{}, stages: map[string]lengths{}}
	for i, node := range parsed.AST.Children {
		if i == maxInstructions {
			return parser.WithLocation(fmt.Errorf("this is instruction %d, and at most %d are read: split the file", i+1, maxInstructions), node.Location())
		}
		if err := g.instruction(node); err != nil {
			return parser.WithLocation(err, node.Location())
		}
	}
	return nil
}

// triggersOf returns what an image brings to those that build on it, the ONBUILD
// instructions of its config, within the bounds of [checkBounds].
func triggersOf(ref string, config []byte) ([]string, error) {
	var image dockerspec.DockerOCIImage
	if json.Unmarshal(config, &image) != nil {
		return nil, nil // the compiler reports why
	}
	return image.Config.OnBuild, checkTriggers(ref, image)
}

func checkTriggers(ref string, image dockerspec.DockerOCIImage) error {
	g := growth{globals: lengths{}, stages: map[string]lengths{}, stage: lengths{}}
	for _, variable := range image.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		g.stage[name] = len(value)
	}
	if g.stage.sum() > maxValue {
		return fmt.Errorf("the environment of %s has more than %d MiB", ref, maxValue>>20)
	}
	if len(image.Config.OnBuild) > maxInstructions {
		return fmt.Errorf("%s has %d ONBUILD instructions, and at most %d are read", ref, len(image.Config.OnBuild), maxInstructions)
	}
	for _, trigger := range image.Config.OnBuild {
		parsed, err := parser.Parse(strings.NewReader(trigger))
		if err != nil {
			return nil // here too
		}
		for _, node := range parsed.AST.Children {
			if err := g.instruction(node); err != nil {
				return fmt.Errorf("ONBUILD of %s: %w", ref, err)
			}
		}
	}
	return nil
}

// lengths are those of variables' values at the most.
type lengths map[string]int

func (l lengths) of(name string) int {
	if length, known := l[name]; known {
		return length
	}
	return unknownValue
}

// sum is what each RUN has of them.
func (l lengths) sum() (total int) {
	for name, length := range l {
		total += len(name) + length
	}
	return total
}

// growth follows how long the variables of a container file become.
type growth struct {
	given   map[string]string
	globals lengths
	stage   lengths // nil before the first FROM
	stages  map[string]lengths
	spent   int
}

func (g *growth) instruction(node *parser.Node) error {
	known := g.stage
	if known == nil {
		known = g.globals
	}
	spent := expandedLength(node.Original, known.of)
	switch strings.ToLower(node.Value) {
	case command.From:
		g.begin(node)
	case command.Arg:
		for word := node.Next; word != nil; word = word.Next {
			if err := g.argument(word.Value, known); err != nil {
				return err
			}
		}
	case command.Env:
		set := lengths{} // none of an instruction sees the others
		for word := node.Next; word != nil && word.Next != nil; word = word.Next.Next.Next {
			set[word.Value] = expandedLength(word.Next.Value, known.of)
			if err := checkValue(word.Value, set[word.Value]); err != nil {
				return err
			}
			if word.Next.Next == nil {
				break
			}
		}
		maps.Copy(known, set)
	case command.Run:
		spent = len(node.Original) + known.sum()
	}
	if g.spent += spent; g.spent > maxExpanded {
		return fmt.Errorf("up to here, the instructions with their variables' values have more than %d MiB: use shorter or fewer variables", maxExpanded>>20)
	}
	return nil
}

// begin begins a stage, with the variables of one that it builds on.
func (g *growth) begin(node *parser.Node) {
	g.stage = lengths{}
	if node.Next == nil {
		return
	}
	maps.Copy(g.stage, g.stages[strings.ToLower(node.Next.Value)])
	if as := node.Next.Next; as != nil && as.Next != nil {
		g.stages[strings.ToLower(as.Next.Value)] = g.stage
	}
}

func (g *growth) argument(declared string, known lengths) error {
	name, value, has := strings.Cut(declared, "=")
	length := expandedLength(value, known.of)
	if global, found := g.globals[name]; found && !has {
		length = global
	}
	known[name] = max(length, len(g.given[name]))
	return checkValue(name, known[name])
}

func checkValue(name string, length int) error {
	if length > maxValue {
		return fmt.Errorf("the value of %.80s may become longer than %d MiB: let variables contain fewer others", name, maxValue>>20)
	}
	return nil
}

// variable is a use of one, and whether some of its value is replaced.
var variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)(/?)`)

// expandedLength is how long a text becomes at the most once its variables have their
// values.
func expandedLength(text string, lengthOf func(name string) int) int {
	uses := variable.FindAllStringSubmatchIndex(text, -1)
	plain := len(text)
	for _, at := range uses {
		plain = min(plain+lengthOf(text[at[2]:at[3]]), math.MaxInt32)
	}
	total := plain
	for _, at := range uses {
		if at[4] == at[5] {
			continue
		}
		// Each character may become the replacement, of which the text is the most.
		size := plain
		rest := text[at[5]:min(at[5]+maxReplacement, len(text))]
		if end := strings.Index(rest, "}"); end >= 0 && !strings.Contains(rest[:end], "$") {
			size = end
		}
		total = min(total+size*lengthOf(text[at[2]:at[3]]), math.MaxInt32)
	}
	return total
}
