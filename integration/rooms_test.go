package integration

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a package may have before a newcomer gets lost in it, tests left out.
const (
	maxFiles       = 20
	maxLines       = 4000
	maxMethodFiles = 6
	maxOtherFiles  = 10 // of cmd/quoit, beside one for each command
)

type room struct {
	files, lines, commands int
	methods                map[string]map[string]bool // by type, the files with its methods
}

func TestNoPackageIsTooLarge(t *testing.T) {
	rooms := map[string]*room{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
		if rooms[dir] == nil {
			rooms[dir] = &room{methods: map[string]map[string]bool{}}
		}
		return rooms[dir].add(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rooms) < 40 {
		t.Fatalf("found %d packages only", len(rooms))
	}
	for dir, r := range rooms {
		files := maxFiles
		if dir == "cmd/quoit" {
			files = r.commands + maxOtherFiles
		}
		if r.files > files || r.lines > maxLines {
			t.Errorf("%s has %d files and %d lines, of at most %d and %d", dir, r.files, r.lines, files, maxLines)
		}
		for name, in := range r.methods {
			if len(in) > maxMethodFiles {
				t.Errorf("%s: methods of %s are in %d files, of at most %d", dir, name, len(in), maxMethodFiles)
			}
		}
	}
}

func (r *room) add(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, data, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	r.files++
	r.lines += bytes.Count(data, []byte("\n"))
	makesCommand := false
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := function.Name.Name
		makesCommand = makesCommand || strings.HasPrefix(name, "new") && strings.HasSuffix(name, "Cmd") && name != "newRootCmd"
		if function.Recv == nil {
			continue
		}
		of := receiver(function.Recv.List[0].Type)
		if r.methods[of] == nil {
			r.methods[of] = map[string]bool{}
		}
		r.methods[of][path] = true
	}
	if makesCommand {
		r.commands++
	}
	return nil
}

// receiver is the name of a method's type.
func receiver(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
