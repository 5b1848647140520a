package main

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// testFunc is a test or a fuzz target.
type testFunc struct {
	dir, name string // ./store, TestPublish
	stack     bool   // in a file with the build tag
}

var testName = regexp.MustCompile(`^(Test|Fuzz)[^a-z]`)

// findTests reads the test files of a repository.
func findTests(root fs.FS) ([]testFunc, error) {
	var found []testFunc
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("reading tests: %w", err)
		}
		for _, declaration := range parsed.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if ok && f.Recv == nil && testName.MatchString(f.Name.Name) && f.Name.Name != "TestMain" {
				found = append(found, testFunc{dir: "./" + path.Dir(file), name: f.Name.Name, stack: needsStack(parsed)})
			}
		}
		return nil
	})
	return found, err
}

// needsStack tells whether a file is only built with the tag.
func needsStack(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, line := range group.List {
			if line.Pos() > file.Package || !constraint.IsGoBuild(line.Text) {
				continue
			}
			expression, err := constraint.Parse(line.Text)
			if err == nil && !expression.Eval(func(tag string) bool { return tag != "stack" }) {
				return true
			}
		}
	}
	return false
}
