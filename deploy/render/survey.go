package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// remote is what kustomize would fetch or clone: an address, or what git calls
// one.
var remote = regexp.MustCompile(`(?i)^(git::)?([a-z][a-z0-9+.-]*://|https?:|[a-z][a-z0-9-]*@|(www\.)?github\.com[:/]|gh:)`)

// Fields, of a kustomization and of what configures kustomize's own generators
// and transformers, whose texts are loaded: roots may lead to more of both.
var (
	roots  = []string{"resources", "bases", "components", "generators", "transformers", "validators"}
	loaded = append([]string{"crds", "configurations", "patchesStrategicMerge", "path", "paths", "files", "env", "envs", "replacements",
		"targetFilePath", "valuesFile", "additionalValuesFiles"}, roots...)
	raw     = []string{"files", "env", "envs"} // whose files are not read as YAML
	patches = []string{"patch"}                // whose texts are YAML
)

// Fields, of roots, whose kustomizations give what configures kustomize itself, and
// those that such a kustomization may have: any other could change what is read
// there into an address.
var (
	configuring = []string{"generators", "transformers", "validators"}
	plainFields = []string{"apiVersion", "kind", "metadata", "resources"}
)

// RemoteError says that a kustomization names something that would have to be
// fetched.
type RemoteError struct {
	File    string // the kustomization
	Address string
}

// Error says what to do about it.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s names %q, which is not in the root image: nothing is fetched while a release is applied, so put a copy of it beside the overlays",
		e.File, e.Address)
}

// survey follows a kustomization through all others that it leads to. It refuses what
// is remote, because kustomize itself has no switch for this: it would ask the network,
// or run git; and what grows too large while it is read, which kustomize does not mind.
func survey(files filesys.FileSystem, dir string) error {
	r := surveyor{files: files, seen: map[visit]weight{}}
	r.folder(dir, false)
	return errors.Join(r.errs...)
}

type surveyor struct {
	files filesys.FileSystem
	seen  map[visit]weight
	errs  []error
}

// visit is a file as what it was looked at: one may be several.
type visit struct {
	file          string
	kustomization bool
	configures    bool // it gives what configures kustomize itself
	data          bool // it names no other file, whatever is in it
}

func (r *surveyor) folder(dir string, configures bool) weight {
	if file := kustomization(r.files, dir); file != "" {
		return r.visit(visit{file: file, kustomization: true, configures: configures})
	}
	return weight{}
}

// visit reads a kustomization, or something that it names: of these only what
// configures kustomize itself loads further files.
func (r *surveyor) visit(v visit) weight {
	if known, seen := r.seen[v]; seen {
		return known
	}
	r.seen[v] = weight{} // if it leads to itself, kustomize says it better
	content, err := r.files.ReadFile(v.file)
	if err != nil {
		return weight{} // here too
	}
	r.seen[v] = r.documents(v, content, v.file)
	return r.seen[v]
}

// documents reads what is in a file, or in a text of it; where says which to people.
func (r *surveyor) documents(v visit, content []byte, where string) (total weight) {
	if crowded(content) {
		r.errs = append(r.errs, fmt.Errorf("%s: this is more than %d values", where, maxValues))
		return weight{}
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return total
		}
		own, grows := weigh(&document)
		if grows != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", where, grows))
			return weight{}
		}
		if err == nil && v.kustomization {
			err = v.check(&document)
		}
		if err != nil && v.kustomization {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", v.file, err))
		}
		total = total.plus(own).plus(r.named(v, &document))
		if grows := total.check(); grows != nil {
			r.errs = append(r.errs, fmt.Errorf("%s, with all that it names: %w", where, grows))
			return weight{}
		}
		if err != nil {
			return total
		}
	}
}

// named looks at what a document names.
func (r *surveyor) named(v visit, document *yaml.Node) (total weight) {
	w := textWalk{seen: map[spot]bool{}}
	w.node(document, "")
	if !v.data && (v.kustomization || slices.ContainsFunc(w.texts, text.isBuiltin)) {
		for _, t := range w.texts {
			total = total.plus(r.text(v, t))
		}
	}
	return total
}

// check reports what is not a kustomization, or has a field that it may not have.
func (v visit) check(document *yaml.Node) error {
	var fields map[string]any
	if err := document.Decode(&fields); err != nil || !v.configures {
		return err
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !(text{field: field}).below(plainFields) {
			return fmt.Errorf("%s is not allowed here: a kustomization of generators, transformers or validators may only have resources, which are used as they are written", field)
		}
	}
	return nil
}

// text looks at one of a kustomization, or of what configures kustomize itself, and
// returns the weight of what it names or contains.
func (r *surveyor) text(v visit, t text) weight {
	inline := v.file + ", in a text of its " + t.field
	if t.below(patches) {
		return r.documents(visit{file: v.file, data: true}, []byte(t.value), inline)
	}
	if !t.below(loaded) {
		return weight{}
	}
	_, source, _ := strings.Cut(t.value, "=") // of a generator: key=file
	if remote.MatchString(strings.TrimSpace(t.value)) || remote.MatchString(strings.TrimSpace(source)) {
		r.errs = append(r.errs, &RemoteError{v.file, t.value})
		return weight{}
	}
	if t.below(raw) {
		return weight{}
	}
	total := r.documents(visit{file: v.file}, []byte(t.value), inline) // it may be a configuration itself
	target := t.value
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(v.file), target)
	}
	switch {
	case t.below(roots) && r.files.IsDir(target):
		return total.plus(r.folder(target, v.configures || t.below(configuring)))
	case r.files.IsDir(target):
		return total
	}
	return total.plus(r.visit(visit{file: target, data: !t.below(roots)}))
}

// text is one in a document, and the name of the field that it is below.
type text struct{ field, value string }

// below compares names as kustomize's reader does.
func (t text) below(fields []string) bool {
	return slices.ContainsFunc(fields, func(field string) bool { return strings.EqualFold(field, t.field) })
}

// isBuiltin reports whether it may be the apiVersion of what configures kustomize
// itself.
func (t text) isBuiltin() bool {
	group, version := resid.ParseGroupVersion(t.value)
	return group == "" && version == "builtin"
}

// textWalk collects the texts of a document, also those behind aliases and of
// names that are there twice.
type textWalk struct {
	texts []text
	seen  map[spot]bool
}

// spot is a place in a document that was looked at for a field.
type spot struct {
	node  *yaml.Node
	field string
}

func (w *textWalk) node(node *yaml.Node, field string) {
	if w.seen[spot{node, field}] {
		return
	}
	w.seen[spot{node, field}] = true
	switch node.Kind {
	case yaml.AliasNode:
		w.node(node.Alias, field)
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			w.node(node.Content[i+1], textIn(node.Content[i]))
		}
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, item := range node.Content {
			w.node(item, field)
		}
	case yaml.ScalarNode:
		w.texts = append(w.texts, text{field, textIn(node)})
	}
}

// textIn is a scalar's text, "" if it is none.
func textIn(node *yaml.Node) string {
	var value string
	if err := node.Decode(&value); err != nil {
		return ""
	}
	return value
}
