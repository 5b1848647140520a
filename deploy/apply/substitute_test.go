package apply

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
	mustFail(t, err, "quoit-site of namespace shop", "\n  ONE (A/a)\n  TWO (A/a, B/b)")
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

func TestTheDigestIsOfTheValuesThatAreUsed(t *testing.T) {
	v := values{text: map[string]string{"A": "1", "B": "2", "S": "secret"}, secrets: map[string]bool{"S": true}, secret: "uid/1"}
	of := func(change func(*values), names ...string) string {
		other := values{text: map[string]string{}, secrets: v.secrets, secret: v.secret}
		for name, value := range v.text {
			other.text[name] = value
		}
		change(&other)
		return other.digest(names)
	}
	same := func(*values) {}
	for name, c := range map[string]struct {
		change func(*values)
		names  []string
		equal  bool
	}{
		"nothing changed":              {same, []string{"A", "S"}, true},
		"a value that is used":         {func(v *values) { v.text["A"] = "2" }, []string{"A", "S"}, false},
		"a value that is not used":     {func(v *values) { v.text["B"] = "3" }, []string{"A", "S"}, true},
		"a value that is gone":         {func(v *values) { delete(v.text, "A") }, []string{"A", "S"}, false},
		"a value that became empty":    {func(v *values) { v.text["A"] = "" }, []string{"A", "S"}, false},
		"the Secret":                   {func(v *values) { v.secret = "uid/2" }, []string{"A", "S"}, false},
		"a Secret that is not used":    {func(v *values) { v.secret = "uid/2" }, []string{"A"}, true},
		"a secret value stays outside": {func(v *values) { v.text["S"] = "other" }, []string{"S"}, true},
	} {
		if got := of(c.change, c.names...) == of(same, c.names...); got != c.equal {
			t.Errorf("%s: equal %v, want %v", name, got, c.equal)
		}
	}
	if got := v.digest(nil); got != "" {
		t.Errorf("no names: %q", got)
	}
}

func TestSecretsAreHiddenInErrors(t *testing.T) {
	v := values{text: map[string]string{"S": "hunter22", "SHORT": "ab", "PLAIN": "visible"}, secrets: map[string]bool{"S": true, "SHORT": true}}
	v.text["LINES"], v.secrets["LINES"] = "first\nsecond", true
	if got := v.mask(`Invalid value: "first\nsecond", aHVudGVyMjI=`); got != `Invalid value: "***", ***` {
		t.Errorf("got %s", got)
	}
	for name, value := range map[string]string{"DB_NAME": "shop", "DB_PASSWORD": "shop-7Kq9", "QUOTED": `"a-b"`} { // one begins with another
		v.text[name], v.secrets[name] = value, true
	}
	const encoded = "c2hvcC03S3E5" // of shop-7Kq9
	if got := v.mask(`"shop-7Kq9" shop ` + encoded + ` "\"a-b\""`); got != `"***" *** *** "***"` {
		t.Errorf("got %s", got)
	}
	inner := &ImmutableError{Object: "Secret/hunter22"}
	err := v.maskError(inner)
	if got := err.Error(); strings.Contains(got, "hunter22") || !strings.Contains(got, "Secret/***") {
		t.Errorf("got %q", got)
	}
	var typed *ImmutableError
	if !errors.As(err, &typed) {
		t.Error("the error has lost its type")
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"${A}", "$${A}", "${B:-${A}}", "${", "}{$", "${A:-{}}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		missing := 0
		one := template{func(name string) (string, bool) { return "x", name == "A" }, func(string) { missing++ }}
		got, err := one.text(text, 0)
		if err == nil && !strings.Contains(text, "${") && got != text {
			t.Errorf("%q became %q", text, got)
		}
		if err == nil && missing > strings.Count(text, "${") {
			t.Errorf("%q: %d missing", text, missing)
		}
	})
}
