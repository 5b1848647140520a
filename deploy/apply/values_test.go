package apply

import (
	"errors"
	"strings"
	"testing"
)

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
