package integration

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw the imports in ARCHITECTURE.md anew")

const (
	architecture = "../ARCHITECTURE.md"
	module       = "github.com/quoitbuild/quoit/"
	beginImports = "\n```imports\n"
	endImports   = "\n```\n"
)

// arrows are packages of this module, and which of them each imports.
type arrows map[string][]string

// imported reads the sources of what the commands are made of; tests, and the packages
// for them alone, may import what they like.
func imported(t *testing.T) arrows {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := arrows{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from, _ := strings.CutPrefix(pkg.ImportPath, module)
		found[from] = nil
		for _, path := range pkg.Imports {
			if to, ok := strings.CutPrefix(path, module); ok {
				found[from] = append(found[from], to)
			}
		}
	}
	linked := arrows{}
	for pkg := range found {
		isCommand := strings.HasPrefix(pkg, "cmd/")
		if isCommand || found.reaches("cmd/quoit", pkg, true) || found.reaches("cmd/quoit-frontend", pkg, true) {
			linked[pkg] = found[pkg]
		}
	}
	if len(linked) < 10 {
		t.Fatalf("the commands are made of %v only", linked)
	}
	return linked
}

// reaches tells whether one comes from a package to another along arrows, leaving out the
// direct one.
func (a arrows) reaches(from, to string, direct bool) bool {
	return slices.ContainsFunc(a[from], func(next string) bool {
		return direct && next == to || next != to && a.reaches(next, to, true)
	})
}

// parseArrows reads the lines `a → b, c`; a line without an arrow is a package that
// imports none of ours. An arrow may only point to a line further down.
func parseArrows(text string) (arrows, error) {
	drawn := arrows{}
	var errs []error
	for line := range strings.Lines(text) {
		from, list, _ := strings.Cut(strings.TrimSpace(line), "→")
		from = strings.TrimSpace(from)
		drawn[from] = nil
		for to := range strings.SplitSeq(list, ",") {
			if to = strings.TrimSpace(to); to == "" {
				continue
			}
			if _, above := drawn[to]; above {
				errs = append(errs, fmt.Errorf("the arrow from %s to %s points up", from, to))
			}
			drawn[from] = append(drawn[from], to)
		}
	}
	return drawn, errors.Join(errs...)
}

// String draws what is not implied by other arrows, importers first.
func (a arrows) String() string {
	height := map[string]int{}
	var measure func(pkg string) int
	measure = func(pkg string) int {
		if h, ok := height[pkg]; ok {
			return h
		}
		h := 0
		for _, to := range a[pkg] {
			h = max(h, 1+measure(to))
		}
		height[pkg] = h
		return h
	}
	width := 0
	for pkg := range a {
		measure(pkg)
		width = max(width, len(pkg))
	}
	order := slices.SortedFunc(maps.Keys(a), func(x, y string) int {
		return cmp.Or(cmp.Compare(height[y], height[x]), strings.Compare(x, y))
	})
	var out strings.Builder
	for _, pkg := range order {
		var drawn []string
		for _, to := range slices.Sorted(slices.Values(a[pkg])) {
			if !a.reaches(pkg, to, false) {
				drawn = append(drawn, to)
			}
		}
		line := fmt.Sprintf("%-*s → %s", width, pkg, strings.Join(drawn, ", "))
		if len(drawn) == 0 {
			line = pkg
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

func TestImportsAreAsDrawn(t *testing.T) {
	text, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), beginImports)
	block, after, closed := strings.Cut(rest, endImports)
	if !found || !closed {
		t.Fatal("ARCHITECTURE.md has no block of imports")
	}
	code := imported(t)
	if *update {
		drawn := before + beginImports + strings.TrimSuffix(code.String(), "\n") + endImports + after
		if err := os.WriteFile(architecture, []byte(drawn), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	drawn, err := parseArrows(block)
	if err != nil {
		t.Error(err)
	}
	for _, problem := range code.differ(drawn) {
		t.Error(problem)
	}
	if t.Failed() {
		t.Log("after a change that is meant: go test -run TestImportsAreAsDrawn ./integration -update")
	}
}

// differ compares imports with what is drawn of them.
func (a arrows) differ(drawn arrows) (problems []string) {
	for pkg, imports := range a {
		if _, ok := drawn[pkg]; !ok {
			problems = append(problems, pkg+" is not drawn")
		}
		for _, to := range imports {
			if !drawn.reaches(pkg, to, true) {
				problems = append(problems, fmt.Sprintf("%s imports %s, and no arrow leads there", pkg, to))
			}
		}
	}
	for pkg, imports := range drawn {
		if _, ok := a[pkg]; !ok {
			problems = append(problems, fmt.Sprintf("%s is drawn, and does not exist", pkg))
		}
		for _, to := range imports {
			if !slices.Contains(a[pkg], to) {
				problems = append(problems, fmt.Sprintf("an arrow leads from %s to %s, which it does not import", pkg, to))
			}
		}
	}
	slices.Sort(problems)
	return problems
}

func TestDrawnImports(t *testing.T) {
	code := arrows{"cmd": {"store", "wire"}, "store": {"wire"}, "wire": nil, "show": nil}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"as drawn by itself":   {code.String(), nil},
		"a short cut is drawn": {"cmd → store, wire\nstore → wire\nshow\nwire\n", nil},
		"an import that is not drawn": {"cmd → store\nstore\nshow\nwire\n",
			[]string{"cmd imports wire, and no arrow leads there", "store imports wire, and no arrow leads there"}},
		"an arrow without an import": {"cmd → store\nstore → wire, show\nshow\nwire\n",
			[]string{"an arrow leads from store to show, which it does not import"}},
		"other packages": {"cmd → store\nstore → wire\nwire\nold\n", []string{"old is drawn, and does not exist", "show is not drawn"}},
	} {
		t.Run(name, func(t *testing.T) {
			drawn, err := parseArrows(c.text)
			if err != nil {
				t.Error(err)
			}
			if got := code.differ(drawn); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if _, err := parseArrows("wire → store\nstore → wire\n"); err == nil {
		t.Error("a circle is drawn")
	}
}
