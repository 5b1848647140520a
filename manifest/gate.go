package manifest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/internal/diag"
)

// How long a gate may take.
const (
	DefaultGateTimeout = 10 * time.Minute
	minGateTimeout     = time.Second
	maxGateTimeout     = 24 * time.Hour
)

// Bounds of what a publish writes of gates into its record.
const (
	maxGates      = 100
	maxCommand    = 8 << 10 // bytes, all words together
	maxSecrets    = 100     // of one gate
	maxSecretName = 128
)

// Gate is what has to pass before a ring takes a release: an image of that
// release, which is run.
type Gate struct {
	Ring    string
	Image   string
	Command []string // the whole command line; nil: what the image itself runs
	Network bool
	Secrets []string // names, in the order written
	Timeout time.Duration

	Range  diag.Range            // of the ring
	Fields map[string]diag.Range // see Position
}

// Position returns the range of a value of the gate, of the part above it if
// there is no such value, or of the gate's ring.
//
//	gate.Position("image")
//	gate.Position("secrets", "token")
func (g Gate) Position(path ...string) diag.Range {
	if r, ok := places(g.Fields).find(path); ok {
		return r
	}
	return g.Range
}

// Gate returns the gate of a ring.
func (m *Manifest) Gate(ring string) (Gate, bool) {
	for _, g := range m.Gates {
		if g.Ring == ring {
			return g, true
		}
	}
	return Gate{}, false
}

// gateFields are the keys of one gate.
func gateFields() []field[*Gate] {
	return []field[*Gate]{
		{"image", readGateImage},
		{"command", readCommand},
		{"network", readNetwork},
		{"secrets", readSecrets},
		{"timeout", readTimeout},
	}
}

func readGates(d *decoder, m *draft, e entry) {
	m.places["gates"] = e.keyAt
	entries, ok := d.entries(e.value, "a mapping of rings to gates")
	if !ok {
		return
	}
	for _, e := range entries {
		m.places["gates."+e.key] = e.keyAt
		gate := Gate{Ring: e.key, Timeout: DefaultGateTimeout, Range: e.keyAt, Fields: map[string]diag.Range{}}
		if fields(d, e.value, "a gate", gateFields(), &gate) {
			m.Gates = append(m.Gates, gate)
		}
	}
}

func readGateImage(d *decoder, g *Gate, e entry) {
	g.Fields["image"] = e.at
	name, ok := d.scalar(e.value, "the name of an image")
	if ok && name == "" {
		d.add(e.at, "the image has no name", "name an image of the project")
	}
	g.Image = name
}

func readCommand(d *decoder, g *Gate, e entry) {
	g.Fields["command"] = e.at
	items, ok := d.items(e.value, "a list, the program first")
	if !ok {
		return
	}
	g.Command = []string{}
	for _, item := range items {
		if word, ok := d.scalar(item, "a string, a number or a boolean"); ok {
			g.Command = append(g.Command, word)
		}
	}
	if size := len(strings.Join(g.Command, "")); size > maxCommand {
		d.add(e.at, fmt.Sprintf("the command of a gate has at most %d bytes, and this one has %d", maxCommand, size),
			"put a script into the image, and name it")
	}
	if len(items) == 0 {
		d.add(e.at, "the command is empty", "name the program, or leave the key out to run what the image runs")
	} else if isScalar(items[0].node) && items[0].node.Tag == "!!str" && items[0].node.Value == "" {
		d.add(items[0].at, "the command has no program", "the first item is the program: /smoke")
	}
}

func readNetwork(d *decoder, g *Gate, e entry) {
	g.Fields["network"] = e.at
	if !isScalar(e.node) || e.node.Tag != "!!bool" {
		d.wrong(e.value, "true or false")
		return
	}
	g.Network, _ = strconv.ParseBool(e.node.Value) // YAML's booleans are Go's
}

// A secret becomes a file's name.
var secretName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

func readSecrets(d *decoder, g *Gate, e entry) {
	g.Fields["secrets"] = e.at
	items, ok := d.items(e.value, "a list of secrets' names")
	if !ok {
		return
	}
	if len(items) > maxSecrets {
		d.add(e.at, fmt.Sprintf("a gate has at most %d secrets, and this one has %d", maxSecrets, len(items)), "")
		return
	}
	seen := map[string]diag.Range{}
	for _, item := range items {
		name, ok := d.scalar(item, "the name of a secret")
		if !ok || !d.check(item.at, secretProblem(name)) {
			continue
		}
		if first, twice := seen[name]; twice {
			d.add(item.at, "the secret "+quote(name)+" is listed twice", "remove one of them",
				diag.Related{Range: first, Message: "the first is here"})
			continue
		}
		seen[name] = item.at
		g.Fields["secrets."+name] = item.at
		g.Secrets = append(g.Secrets, name)
	}
}

func secretProblem(name string) *problem {
	switch {
	case len(name) > maxSecretName:
		return &problem{fmt.Sprintf("the name of a secret has at most %d characters, and this one has %d", maxSecretName, len(name)), ""}
	case !secretName.MatchString(name):
		return &problem{quote(name) + " is not a valid name for a secret",
			"use letters and digits, with . _ or - between them; the secret itself comes from --secret"}
	}
	return nil
}

func readTimeout(d *decoder, g *Gate, e entry) {
	g.Fields["timeout"] = e.at
	text, ok := d.scalar(e.value, "a time like 5m")
	if !ok {
		return
	}
	timeout, p := parseTimeout(text)
	if d.check(e.at, p) {
		g.Timeout = timeout
	}
}

func parseTimeout(text string) (time.Duration, *problem) {
	timeout, err := time.ParseDuration(text)
	switch {
	case err != nil:
		hint := "a time is numbers with units: 90s, 5m, 1h30m"
		if _, err := strconv.ParseUint(text, 10, 32); err == nil {
			hint = "say the unit: " + text + "s"
		}
		return 0, &problem{quote(text) + " is not a time", hint}
	case timeout < minGateTimeout || timeout > maxGateTimeout:
		return 0, &problem{"a gate cannot take " + quote(text), "choose between 1s and 24h"}
	}
	return timeout, nil
}

// checkGates checks that gates stand before rings and run images, and sorts
// them by ring.
func checkGates(d *decoder, m *draft) {
	if len(m.Gates) > maxGates {
		d.add(m.places["gates"], fmt.Sprintf("a project has at most %d gates, and this one has %d", maxGates, len(m.Gates)), "")
		return
	}
	order, names := m.RingOrder(), m.ImageNames()
	position := make(map[string]int, len(order))
	for i, ring := range order {
		position[ring] = i
	}
	for _, gate := range m.Gates {
		_, known := position[gate.Ring]
		// A badly named ring is reported where it is declared.
		if _, declared := m.places["rings."+gate.Ring]; !known && !declared {
			d.add(gate.Range, "there is no ring "+quote(gate.Ring), d.nearest(gate.Ring, order, "rings: "))
		}
		checkGateImage(d, m, gate, names)
	}
	slices.SortStableFunc(m.Gates, func(a, b Gate) int { return cmp.Compare(position[a.Ring], position[b.Ring]) })
}

func checkGateImage(d *decoder, m *draft, gate Gate, names []string) {
	at, written := gate.Fields["image"]
	_, known := m.Image(gate.Image)
	external, isExternal := m.places["externals."+gate.Image]
	switch {
	case known, len(names) == 0, written && gate.Image == "": // all is well, or reported
	case !written:
		d.add(gate.Range, "the key "+quote("image")+" is missing: a gate runs an image of the release", d.nearest("", names, "images: "))
	case isExternal:
		d.add(at, quote(gate.Image)+" is an external, and a gate runs an image of this project", d.nearest("", names, "images: "),
			diag.Related{Range: external, Message: "it is declared here"})
	default:
		d.add(at, "there is no image "+quote(gate.Image), d.nearest(gate.Image, names, "images: "))
	}
}
