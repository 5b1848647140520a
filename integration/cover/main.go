// Command cover prints how many statements of each package tests have reached, from
// folders that GOCOVERDIR named while they ran: the quick tests', and those of the
// tests on real programs. `make cover` calls it.
//
//	go run ./integration/cover bin/cover/quick bin/cover/real
package main

import (
	"fmt"
	"os"
	"strings"
)

const module = "github.com/quoitbuild/quoit/"

// goals are shares of statements that the quick tests, or these and the real ones
// together, have to reach.
var goals = []struct {
	pkg         string
	quick, both float64
}{
	{pkg: "builder", both: 0.75},
	{pkg: "cmd/quoit", quick: 0.6},
	{pkg: "deploy/apply", both: 0.75},
	{pkg: "deploy/render", quick: 0.6},
	{pkg: "frontend", quick: 0.6},
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: cover QUICK REAL")
		os.Exit(64)
	}
	quick, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	real, err := read(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	text, missed := table(quick, union(quick, real), len(real) > 0)
	fmt.Print(text)
	if len(missed) > 0 {
		fmt.Fprintln(os.Stderr, "error:", strings.Join(missed, "; "))
		os.Exit(1)
	}
}

// table has a line for each package, and what is below its goal. Without real tests
// nothing is said of both together.
func table(quick, both profile, real bool) (text string, missed []string) {
	var out strings.Builder
	before, after := quick.shares(), both.shares()
	fmt.Fprintf(&out, "%-24s %8s %8s\n", "package", "quick", "and real")
	for _, pkg := range both.packages() {
		fmt.Fprintf(&out, "%-24s %7.1f%%", pkg, 100*before[pkg])
		if real {
			fmt.Fprintf(&out, " %7.1f%%", 100*after[pkg])
		}
		out.WriteString("\n")
	}
	for _, g := range goals {
		if before[g.pkg] < g.quick {
			missed = append(missed, fmt.Sprintf("the quick tests reach %.1f %% of %s, want %.0f %%", 100*before[g.pkg], g.pkg, 100*g.quick))
		}
		if real && after[g.pkg] < g.both {
			missed = append(missed, fmt.Sprintf("all tests reach %.1f %% of %s, want %.0f %%", 100*after[g.pkg], g.pkg, 100*g.both))
		}
	}
	return out.String(), missed
}
