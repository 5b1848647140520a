package input

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unguarded are the places of the commands' sources where files are opened without
// this package, and why.
var unguarded = map[string]string{
	"cmd/quoit/apply.go os.OpenFile":         "a file of Kubernetes' own, which is written",
	"builder/runner/programs.go fs.FS":       "a part of this command itself",
	"builder/runner/programs.go fs.ReadFile": "a part of this command itself",
	"revision/disk/tree.go inside.Open":      "a folder, opened as one before",
	"deploy/render/source.go root.FS":        "a folder, found to be one",
	"deploy/apply/exec.go root.FS":           "a folder, found to be one",
	"internal/input/input.go os.OpenFile":    "guarded here",
	"internal/input/input.go root.OpenFile":  "guarded here",
}

// TestNoFileIsOpenedUnguarded: each other place has to read by [Read] or [ReadIn], or
// has to give its reason here.
func TestNoFileIsOpenedUnguarded(t *testing.T) {
	used := map[string]bool{}
	for _, file := range commandSources(t) {
		for _, call := range opens(t, file) {
			name := filepath.ToSlash(strings.TrimPrefix(file, top(t)+string(filepath.Separator))) + " " + call
			if unguarded[name] == "" {
				t.Errorf("%s: read it with internal/input, which takes only files and has a bound", name)
			}
			used[name] = true
		}
	}
	for name := range unguarded {
		if !used[name] {
			t.Errorf("%s is no longer there: take it out of the list", name)
		}
	}
}

func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// commandSources are the files of this module that the commands are made of.
func commandSources(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`, "./cmd/quoit", "./cmd/quoit-frontend", "./cmd/quoit-runner")
	cmd.Dir = top(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("the commands are made of %v only", files)
	}
	return files
}

// opens are the calls, or values, of functions that open files: those of os and fs,
// and in a file that has to do with an os.Root also methods of these names.
func opens(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	roots := false
	ast.Inspect(parsed, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		roots = roots || x.Name == "os" && (s.Sel.Name == "Root" || s.Sel.Name == "OpenRoot")
		if slices.Contains([]string{"Open", "OpenFile", "ReadFile", "DirFS", "FS"}, s.Sel.Name) {
			found = append(found, x.Name+"."+s.Sel.Name)
		}
		return true
	})
	slices.Sort(found)
	return slices.DeleteFunc(slices.Compact(found), func(call string) bool {
		pkg, _, _ := strings.Cut(call, ".")
		return pkg != "os" && pkg != "fs" && !roots
	})
}
