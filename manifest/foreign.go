package manifest

import (
	"bytes"
	"regexp"
	"strings"
)

// foreign are keys of Compose and bake, and what to write here instead.
var foreign = map[string]map[string]string{
	"the manifest": {
		"services": "call it images",
		"target":   "call it images",
		"group":    "there are no groups: one build makes all that changed",
		"variable": "a manifest has no variables: build arguments are args, and --build-arg",
		"include":  "a project has one manifest",
		"name":     "call it project",
	},
	"an image": {
		"dockerfile":          "call it file, relative to the context",
		"containerfile":       "call it file, relative to the context",
		"build":               "write what is below it here: context, file, target, args",
		"additional_contexts": "call it contexts: an image of the project, or a folder of it like ./assets",
		"depends_on":          "call it depends",
		"platform":            "call it platforms, a list",
		"tags":                "versions are tags, and quoit chooses them",
		"image":               "an image of the project is called by its name, and others are externals",
	},
}

// variable is how other tools ask for a value that is put in its place.
var variable = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*[^}]*\}?`)

// variableHint says what to do instead; what names the value.
func variableHint(text string) string {
	found := variable.FindString(text)
	if _, value, ok := strings.Cut(strings.TrimSuffix(found, "}"), ":-"); ok && value != "" {
		return "a manifest has no variables, " + shorten(found) + " stays as it is: write " + shorten(value)
	}
	return "a manifest has no variables, " + shorten(found) + " stays as it is: write the value"
}

// hintVariables gives a mistake in a value that asks for a variable that hint.
func (d *decoder) hintVariables() {
	if !variable.Match(d.raw) {
		return
	}
	lines := bytes.Split(d.raw, []byte("\n"))
	for i, mistake := range d.list {
		at := mistake.Range
		if at.Start.Line < 1 || at.Start.Line > len(lines) || at.End.Line != at.Start.Line {
			continue
		}
		line := []rune(string(lines[at.Start.Line-1]))
		from, to := min(at.Start.Column-1, len(line)), min(at.End.Column-1, len(line))
		if text := string(line[from:max(from, to)]); variable.MatchString(text) {
			d.list[i].Hint = variableHint(text)
		}
	}
}
