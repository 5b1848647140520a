package check

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of rules anew")

// TestPageHasEveryRule: the page's table is made of the rules.
func TestPageHasEveryRule(t *testing.T) {
	const page, begin, end = "../../docs/checks.md", "<!-- rules -->\n", "<!-- /rules -->"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatalf("%s has no place for the rules", page)
	}
	table := "| rule | speaks of | what it says |\n| --- | --- | --- |\n"
	for _, rule := range Rules() {
		table += fmt.Sprintf("| <a id=%q></a>`%s` | %s | %s |\n", strings.ToLower(rule.Name), rule.Name, rule.Speaks, rule.Description)
	}
	want := before + begin + table + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("%s differs from the rules: run go test ./frontend/check -update", page)
	}
}
