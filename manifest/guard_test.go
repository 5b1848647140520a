package manifest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/dose"
)

// TestDependencies keeps the package pure: it must be cheap to link, and what
// it reads it gets as bytes.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("go list names %d packages", len(deps))
	}
	for _, dep := range deps {
		for _, banned := range []string{"github.com/moby/", "github.com/docker/", "k8s.io/", "google.golang.org/",
			"github.com/google/go-containerregistry", "github.com/invopop/", "net/http", "os/exec"} {
			if strings.HasPrefix(dep, banned) {
				t.Errorf("manifest links %s", dep)
			}
		}
	}
}

// TestCostIsLinear parses files near the size bound, in the quick dose smaller
// ones. What is quadratic takes minutes there.
func TestCostIsLinear(t *testing.T) {
	size := dose.Of(maxBytes/8, maxBytes, maxBytes)
	head := "project: p\nregistry: r.example.com\nroot: a\nimages: {a: ., b: b}\n"
	fill := func(piece func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-len(head)-4096; i++ {
			b.WriteString(piece(i))
		}
		return b.String()
	}
	chain := func(i int) string {
		if i == 0 {
			return "x-0: &a0 {k: 1}\n"
		}
		return fmt.Sprintf("x-%d: &a%d {<<: *a%d, k%d: 1}\n", i, i, i-1, i)
	}
	many := func(piece string) string {
		var b strings.Builder
		for i := range 40_000 * size / maxBytes {
			fmt.Fprintf(&b, piece, i)
		}
		return b.String()
	}
	images := strings.TrimSuffix(head, "images: {a: ., b: b}\n")
	cases := map[string]string{
		"one long line":            head + "x-y: [" + fill(func(int) string { return "a," }) + "]\n",
		"unicode on one line":      head + "x-y: [" + fill(func(int) string { return "é, " }) + "]\n",
		"unknown keys":             head + fill(func(i int) string { return fmt.Sprintf("k%d: v\n", i) }),
		"unknown keys on one line": images + "images: {a: {" + fill(func(i int) string { return fmt.Sprintf("é%d: v, ", i) }) + "}}\n",
		"unknown images":           images + "images: {b: ., a: {depends: [" + fill(func(i int) string { return fmt.Sprintf("é%d, ", i) }) + "]}}\n",
		"bad syntax at the end":    head + fill(func(i int) string { return fmt.Sprintf("x-%d: v\n", i) }) + "x: y: z\n",
		"deep merge chain":         images + fill(chain) + fmt.Sprintf("images: {a: {args: *a%d}}\n", 20_000*size/maxBytes),
		"brackets":                 head + "x-y: " + fill(func(int) string { return "[" }),
		"brackets and quotes":      images + "images: {a: {args: {" + fill(func(i int) string { return fmt.Sprintf(`k%d: [[["x"]]], `, i) }) + "}}}",
		"shared mapping":           images + "x-a: &a {" + fill(func(i int) string { return fmt.Sprintf("k%d: 1, ", i) }) + "}\nimages: {a: {args: *a}, b: {args: *a}, c: {args: *a}, d: {args: *a}, e: {args: *a}, f: {args: *a}, g: {args: *a}}\n",
		"unknown rings with gates": head + "gates: {" + fill(func(i int) string { return fmt.Sprintf("é%d: {image: []}, ", i) }) + "}\n",
		"sites of unknown rings":   head + "sites: {" + fill(func(i int) string { return fmt.Sprintf("s%d: {ring: é%d}, ", i, i) }) + "}\n",
		"sites with long contexts": head + "sites: {" + fill(func(i int) string { return fmt.Sprintf("s%d: {environment: e, ring: users, cluster: c}, ", i) }) + "}\n",
		"gates without images":     head + "rings: [" + many("r%d,") + "]\ngates: {" + many("r%d: {},") + "}\n",
		"comments":                 head + fill(func(int) string { return "# x\n" }),
		"anchors":                  head + "x-y: [" + fill(func(i int) string { return fmt.Sprintf("&a%d b, ", i) }) + "]\n",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("quoit.yaml", []byte(text))
			took := time.Since(start)
			t.Logf("%v: %.80v", took, err)
			if took > 20*time.Second {
				t.Errorf("a file of %d bytes took %v", len(text), took)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	many := "project: p\nregistry: r.example.com\nroot: i0\nimages:\n"
	for i := range maxImages {
		many += fmt.Sprintf("  i%d: a\n", i)
	}
	if m := mustParse(t, many); len(m.Images) != maxImages {
		t.Errorf("%d images, want %d", len(m.Images), maxImages)
	}
	for name, text := range map[string]string{
		"images": many + "  one-more: a\n",
		"bytes":  minimal + strings.Repeat("#", maxBytes),
	} {
		if _, err := Parse("quoit.yaml", []byte(text)); err == nil {
			t.Errorf("one beyond the bound of %s is accepted", name)
		}
	}
}

func TestMistakesHaveABound(t *testing.T) {
	for name, line := range map[string]string{"unknown keys": "k%d: v\n", "duplicates": "x-k: %d\n"} {
		var text strings.Builder
		text.WriteString(minimal)
		for i := range 2 * maxMistakes {
			fmt.Fprintf(&text, line, i)
		}
		_, err := Parse("quoit.yaml", []byte(text.String()))
		if n := len(diag.All(err)); n != maxMistakes {
			t.Errorf("%s: %d mistakes, want %d", name, n, maxMistakes)
		}
	}
}
