package versioning

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// v is Parse for versions that are written in tests.
func v(text string) Version {
	if text == "" {
		return Version{}
	}
	parsed, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func TestParseIsStrict(t *testing.T) {
	for _, text := range []string{"0.0.0", "1.2.3", "10.20.30", "999999999999999.0.0"} {
		if parsed, err := Parse(text); err != nil || parsed.String() != text {
			t.Errorf("Parse(%q) = %v, %v", text, parsed, err)
		}
	}
	for _, text := range []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3-rc.1", "1.2.3+x", "01.2.3", "1.02.3", "1.2.03", "1..3", "-1.2.3", "1.2.3-",
		" 1.2.3", "1.2.3\n", "１.2.3", "0x1.2.3", "1.2.3+", "1000000000000000.0.0", "1.99999999999999999999999.0", strings.Repeat("1", 300),
	} {
		if parsed, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, parsed)
		}
	}
}

func TestVersionsCompareByNumber(t *testing.T) {
	ascending := []string{"0.0.0", "0.0.9", "0.0.10", "0.1.0", "0.9.5", "0.10.0", "1.0.0", "2.0.0", "10.0.0"}
	for i, low := range ascending {
		for j, high := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := v(low).Compare(v(high)); got != want {
				t.Errorf("%s compared with %s is %d", low, high, got)
			}
		}
	}
}

func TestVersionsAreStringsInJSON(t *testing.T) {
	type doc struct {
		One  Version             `json:"one"`
		None Version             `json:"none,omitzero"`
		All  map[string]Version  `json:"all"`
		Keys map[Version]Version `json:"keys"`
	}
	in := doc{One: v("1.2.3"), All: map[string]Version{"a": v("0.1.0")}, Keys: map[Version]Version{v("1.0.0"): {}}}
	data, err := json.Marshal(in)
	if want := `{"one":"1.2.3","all":{"a":"0.1.0"},"keys":{"1.0.0":"0.0.0"}}`; err != nil || string(data) != want {
		t.Errorf("got %s, %v, want %s", data, err, want)
	}
	for _, broken := range []string{`{"one":"1.2"}`, `{"one":1}`, `{"all":{"a":""}}`} {
		if err := json.Unmarshal([]byte(broken), &in); err == nil {
			t.Errorf("%s was read", broken)
		}
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	number := rapid.Uint64Max(maxNumber)
	rapid.Check(t, func(t *rapid.T) {
		version := Version{number.Draw(t, "major"), number.Draw(t, "minor"), number.Draw(t, "patch")}
		if parsed, err := Parse(version.String()); err != nil || parsed != version {
			t.Fatalf("%v became %v, %v", version, parsed, err)
		}
	})
}
