package apply

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
)

// remote is what kustomize would fetch or clone: an address, or what git calls
// one.
var remote = regexp.MustCompile(`(?i)^(git::)?([a-z][a-z0-9+.-]*://|https?:|[a-z][a-z0-9-]*@|(www\.)?github\.com[:/]|gh:)`)

// Fields of a kustomization, in lower case because its reader does not mind,
// whose strings are loaded.
var (
	roots  = []string{"resources", "bases", "components", "generators", "transformers", "validators"}
	loaded = append([]string{"crds", "configurations", "patchesstrategicmerge", "path", "files", "env", "envs", "replacements"}, roots...)
)

// RemoteError says that a kustomization names something that would have to be
// fetched.
type RemoteError struct {
	File    string // the kustomization
	Address string
}

// Error says what to do about it.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s names %q, which is not in the root image, and nothing is fetched while it is applied: put a copy of it beside the overlays",
		e.File, e.Address)
}

// refuseRemote follows a kustomization through all others that it leads to.
// Kustomize itself has no switch for this: it would ask the network, or run git.
func refuseRemote(files filesys.FileSystem, dir string) error {
	r := remoteSearch{files: files, seen: map[string]bool{}}
	r.folder(dir)
	return errors.Join(r.errs...)
}

type remoteSearch struct {
	files filesys.FileSystem
	seen  map[string]bool
	errs  []error
}

func (r *remoteSearch) folder(dir string) {
	if file := kustomization(r.files, dir); file != "" {
		r.file(file, true)
	}
}

// file reads a kustomization, or something that it names: of these only what
// configures kustomize itself loads further files.
func (r *remoteSearch) file(file string, kustomization bool) {
	if r.seen[file] {
		return
	}
	r.seen[file] = true
	content, err := r.files.ReadFile(file)
	if err != nil {
		return // kustomize says it better
	}
	r.text(file, content, kustomization)
}

func (r *remoteSearch) text(file string, content []byte, kustomization bool) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document map[string]any
		if err := decoder.Decode(&document); err != nil {
			if !errors.Is(err, io.EOF) && kustomization {
				r.errs = append(r.errs, fmt.Errorf("%s: %w", file, err))
			}
			return
		}
		if kustomization || document["apiVersion"] == "builtin" {
			r.value(file, document, "")
		}
	}
}

// value looks at everything below a field.
func (r *remoteSearch) value(file string, value any, field string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			r.value(file, v[key], strings.ToLower(key))
		}
	case []any:
		for _, item := range v {
			r.value(file, item, field)
		}
	case string:
		if slices.Contains(loaded, field) {
			r.entry(file, v, field)
		}
	}
}

func (r *remoteSearch) entry(file, entry, field string) {
	if strings.Contains(entry, "\n") {
		r.text(file, []byte(entry), false)
		return
	}
	_, source, isPair := strings.Cut(entry, "=") // of a generator: key=file
	for _, address := range []string{entry, source} {
		if remote.MatchString(strings.TrimSpace(address)) && (isPair || address == entry) {
			r.errs = append(r.errs, &RemoteError{file, entry})
			return
		}
	}
	if !slices.Contains(roots, field) {
		return
	}
	target := path.Join(path.Dir(file), entry)
	if r.files.IsDir(target) {
		r.folder(target)
		return
	}
	r.file(target, false)
}
