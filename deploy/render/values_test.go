package render

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSubstitutePutsValuesInTexts(t *testing.T) {
	values := map[string]string{"HOST": "shop.example.com", "EMPTY": "", "TREE": "a: [b]\nc: {d: e}", "REF": "${HOST}"}
	for text, want := range map[string]string{
		"${HOST}": "shop.example.com", "https://${HOST}/x${HOST}": "https://shop.example.com/xshop.example.com",
		"${NO:-a}": "a", "${NO:-}": "", "${NO:=a}": "a", "${HOST:-a}": "shop.example.com", "${EMPTY:-a}": "a", "${EMPTY}": "",
		"${NO:-${HOST}}": "shop.example.com", "${NO:-${NEITHER:-{}}}": "{}",
		"$${HOST}": "${HOST}", "$$${HOST}": "$${HOST}", "$HOST": "$HOST", "$(HOST)": "$(HOST)", "$": "$", "a$b{": "a$b{",
		"${REF}":  "${HOST}", // a value is not looked at again
		"${TREE}": "a: [b]\nc: {d: e}",
	} {
		objects := parse(t, "{apiVersion: v1, kind: X, metadata: {name: it}, data: {k: x, '${HOST}': key}}")
		data := objects[0].Object["data"].(map[string]any)
		data["k"] = text
		if err := substitute(objects, values, "shop"); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(map[string]any{"k": want, "${HOST}": "key"}, objects[0].Object["data"]); diff != "" {
			t.Errorf("%q -want +got:\n%s", text, diff)
		}
	}
}

func TestWhatIsNoExpressionIsAnError(t *testing.T) {
	for _, text := range []string{"${", "${}", "${a", "${a:-", "${a:-{}", "${1}", "${a-b}", "${#a}", "${a/b/c}", "${ a }", "x ${a:?x}",
		strings.Repeat("${A:-", 20) + strings.Repeat("}", 20)} {
		objects := parse(t, "{apiVersion: v1, kind: X, metadata: {name: it}, spec: {list: [k]}}")
		objects[0].Object["spec"].(map[string]any)["list"] = []any{text}
		err := substitute(objects, map[string]string{"a": "1"}, "shop")
		mustFail(t, err, "X/it: spec: list: ")
		if objects[0].Object["spec"].(map[string]any)["list"].([]any)[0] != text {
			t.Errorf("%q was changed", text)
		}
	}
}

func TestMissingValuesAreListedWithTheirObjects(t *testing.T) {
	text := `{apiVersion: v1, kind: A, metadata: {name: a}, x: ["${ONE}", "${TWO} ${ONE}"]}
---
{apiVersion: v1, kind: B, metadata: {name: b}, x: "${TWO} ${THERE} ${NO:-default}"}
---
{apiVersion: v1, kind: C, metadata: {name: c, annotations: {quoit.build/substitute: disabled}}, x: "${THREE} ${"}`
	objects := parse(t, text)
	err := substitute(objects, map[string]string{"THERE": "very-secret"}, "shop")
	var missing *MissingValuesError
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	mustFail(t, err, "quoit-site in namespace shop", "\n  ONE (A/a)\n  TWO (A/a, B/b)")
	if strings.Contains(err.Error(), "very-secret") {
		t.Errorf("the error holds a value: %v", err)
	}
	if diff := cmp.Diff(format(t, parse(t, text)), format(t, objects)); diff != "" {
		t.Errorf("objects were changed -want +got:\n%s", diff)
	}
	used, err := usedNames(objects)
	if diff := cmp.Diff([]string{"NO", "ONE", "THERE", "TWO"}, used); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"${A}", "$${A}", "${B:-${A}}", "${", "}{$", "${A:-{}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		missing := 0
		one := template{func(name string) (string, bool) { return "x", name == "A" }, func(string) { missing++ }, new(maxFilled)}
		got, err := one.text(text, 0)
		if err == nil && !strings.Contains(text, "${") && got != text {
			t.Errorf("%q became %q", text, got)
		}
		if err == nil && missing > strings.Count(text, "${") {
			t.Errorf("%q: %d missing", text, missing)
		}
	})
}
