package dial

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// described is a builder as docker buildx inspect describes it.
type described struct {
	name    string
	driver  string // "" if buildx could not find out
	problem string // why nothing is known of its nodes
	nodes   []node
}

// node is one of a builder's BuildKits.
type node struct {
	name, endpoint string
	status         string // running, or why it is not
	problem        string
	given          []ocispecs.Platform // by whoever made the builder: buildx goes by them first
	all            []ocispecs.Platform
}

// awake is the status of a node that answers.
const awake = "running"

// parse reads what docker buildx inspect prints.
func parse(said string) (described, error) {
	var b described
	inNodes := false
	for line := range strings.Lines(said) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok || strings.HasPrefix(line, " ") { // of a list, or a file
			continue
		}
		value = strings.TrimSpace(value)
		switch {
		case key == "Nodes":
			inNodes = true
		case !inNodes:
			b.set(key, value)
		case key == "Name":
			b.nodes = append(b.nodes, node{name: value})
		case len(b.nodes) > 0:
			b.nodes[len(b.nodes)-1].set(key, value)
		}
	}
	if b.name == "" || b.problem == "" && (b.driver == "" || len(b.nodes) == 0) {
		return b, errors.New("docker buildx inspect has not said what builder there is: update docker buildx, or name a BuildKit with --addr or BUILDKIT_HOST")
	}
	return b, nil
}

func (b *described) set(key, value string) {
	switch key {
	case "Name":
		b.name = value
	case "Driver":
		b.driver = value
	case "Error":
		b.problem = value
	}
}

func (n *node) set(key, value string) {
	switch key {
	case "Endpoint":
		n.endpoint = value
	case "Status":
		n.status = value
	case "Error":
		n.problem = value
	case "Platforms":
		for text := range strings.SplitSeq(value, ",") {
			text, given := strings.CutSuffix(strings.TrimSpace(text), "*")
			p, err := platforms.Parse(text)
			if err != nil {
				continue // one that this version of quoit does not know cannot be built either
			}
			n.all = append(n.all, p)
			if given {
				n.given = append(n.given, p)
			}
		}
	}
}

// dead says why none of the builder's nodes can be used; "" if one can.
func (b described) dead() string {
	problem := b.problem
	for _, n := range b.nodes {
		if n.problem == "" {
			return ""
		}
		problem = fmt.Sprintf("node %s at %s: %s", n.name, n.endpoint, n.problem)
	}
	return problem
}

// of reports whether the builder is but another name of an engine. If the engine does not
// answer, buildx does not know the driver.
func (b described) of(e engine) bool {
	return b.name == e.context && (b.driver == "docker" || b.driver == "")
}

// String is what people know it by.
func (b described) String() string {
	if b.driver == "" {
		return "the buildx builder " + b.name
	}
	return fmt.Sprintf("the buildx builder %s (%s)", b.name, b.driver)
}

// chosen is a node, and the platform by which buildx comes to it; nil: it is the first.
type chosen struct {
	node     node
	platform *ocispecs.Platform
}

// choose chooses, of a builder that is not dead, the node that has all platforms. Without any it is the first, and so it is
// if there is only one: whether that can build for them turns out. The error is a
// [*NodesError].
func (b described) choose(all []ocispecs.Platform) (chosen, error) {
	reachable := slices.DeleteFunc(slices.Clone(b.nodes), func(n node) bool { return n.problem != "" })
	if len(b.nodes) == 1 || len(all) == 0 {
		return chosen{node: reachable[0]}, nil
	}
	for _, p := range all {
		n, ok := goesTo(reachable, p)
		if !ok || len(n.lacks(all)) > 0 {
			continue
		}
		if n.name == reachable[0].name {
			return chosen{node: n}, nil // without starting the others, to compare them
		}
		return chosen{n, &p}, nil
	}
	e := NodesError{Builder: b.name}
	for _, n := range b.nodes {
		lacking := Node{Name: n.name, Lacks: platformNames(n.lacks(all)), Problem: n.problem}
		if lacking.Problem == "" && n.status != "" && n.status != awake {
			lacking.Problem = "it is " + n.status
		}
		e.Nodes = append(e.Nodes, lacking)
	}
	return chosen{}, &e
}

// asleep says which node has to be started before the chosen one can be used, or before one
// can be chosen; "" if none has.
func (b described) asleep(to chosen) string {
	for _, n := range b.nodes {
		if n.problem == "" && n.status != "" && n.status != awake && (to.node.name == "" || to.node.name == n.name) {
			return fmt.Sprintf("%s at %s is %s", n.name, n.endpoint, n.status)
		}
	}
	return ""
}

// goesTo is the node to which buildx goes for a platform: of those that were given it
// exactly, or else of all that have it, the first with the nearest one.
func goesTo(nodes []node, p ocispecs.Platform) (node, bool) {
	best := func(match func(ocispecs.Platform) platforms.MatchComparer, of func(node) []ocispecs.Platform) (found node, ok bool) {
		var nearest ocispecs.Platform
		for _, n := range nodes {
			for _, has := range of(n) {
				if m := match(has); m.Match(p) && (!ok || m.Less(p, nearest)) {
					found, nearest, ok = n, has, true
				}
			}
		}
		return found, ok
	}
	if n, ok := best(platforms.OnlyStrict, func(n node) []ocispecs.Platform { return n.given }); ok {
		return n, true
	}
	return best(platforms.Only, func(n node) []ocispecs.Platform { return n.all })
}

// lacks are the platforms that the node does not have.
func (n node) lacks(all []ocispecs.Platform) []ocispecs.Platform {
	return slices.DeleteFunc(slices.Clone(all), func(p ocispecs.Platform) bool {
		return slices.ContainsFunc(n.all, func(has ocispecs.Platform) bool { return platforms.Only(has).Match(p) })
	})
}

func platformNames(list []ocispecs.Platform) []string {
	var names []string
	for _, p := range list {
		names = append(names, platforms.FormatAll(p))
	}
	return names
}

// NodesError says that no node of a builder has all platforms that are built.
type NodesError struct {
	Builder string
	Nodes   []Node
}

// Node is one that a build cannot use.
type Node struct {
	Name    string
	Lacks   []string // platforms
	Problem string   // why it does not run, "" if it does
}

// Error names the nodes, and what each lacks.
func (e *NodesError) Error() string {
	var nodes []string
	for _, n := range e.Nodes {
		switch {
		case n.Problem != "":
			nodes = append(nodes, fmt.Sprintf("node %s does not answer (%s)", n.Name, n.Problem))
		case len(n.Lacks) > 0:
			nodes = append(nodes, fmt.Sprintf("node %s lacks %s", n.Name, strings.Join(n.Lacks, ", ")))
		default:
			nodes = append(nodes, fmt.Sprintf("node %s has all, but docker buildx prefers others for each", n.Name))
		}
	}
	return fmt.Sprintf("a build runs on one node, and none of the builder %s has all platforms: %s; build some of them with --platform, let a node emulate the others, or name a builder that has all with --builder",
		e.Builder, strings.Join(nodes, "; "))
}
