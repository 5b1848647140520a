package show

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"ASCII", `fix: the "api" (50 %) ~ 1/2 \n`, `fix: the "api" (50 %) ~ 1/2 \n`},
		{"letters of other scripts", "größe шар 日本 שלום العربية हिन्दी ภาษาไทย", "größe шар 日本 שלום العربية हिन्दी ภาษาไทย"},
		{"punctuation and symbols", "€ § → « » ‘’ … ½ ² ≤ ─", "€ § → « » ‘’ … ½ ² ≤ ─"},
		{"a decomposed letter", "cafe\u0301", "cafe\u0301"},
		{"several marks on a letter", "e\u0302\u0301 \u05d1\u05bc\u05b0\u05c1\u05bd", "e\u0302\u0301 \u05d1\u05bc\u05b0\u05c1\u05bd"},
		{"one mark too many", "e\u0301\u0302\u0303\u0304\u0305\u0306", `e` + "\u0301\u0302\u0303\u0304" + `\u0305\u0306`},
		{"a mark with nothing to stand on", "\u0301a \u0301b\n\u0301", `\u0301a \u0301b\x0a\u0301`},
		{"a mark that would join an escape", "\u202e\u0301", `\u202e\u0301`},
		{"emoji", "ship it 🚀 👍🏽 🇪🇺 ❤\ufe0f ↔\ufe0f", "ship it 🚀 👍🏽 🇪🇺 ❤\ufe0f ↔\ufe0f"},
		{"a joined emoji", "👩\u200d💻", `👩\u200d💻`},
		{"a variation of a letter", "a\ufe0fb 1\ufe0f", `a\ufe0fb 1\ufe0f`},
		{"two selectors", "❤\ufe0f\ufe0f", "❤\ufe0f" + `\ufe0f`},
		{"a selector after a mark", "❤\u20dd\ufe0f", "❤\u20dd" + `\ufe0f`},
		{"line feed, return, tab, NUL, bell, DEL", "a\nb\rc\td\x00\a\x7f", `a\x0ab\x0dc\x09d\x00\x07\x7f`},
		{"escape sequences", "\x1b[2J \x1b]0;owned\a", `\x1b[2J \x1b]0;owned\x07`},
		{"C1 controls", "\u0085 \u009b2J", `\u0085 \u009b2J`},
		{"line and paragraph separators", "\u2028\u2029", `\u2028\u2029`},
		{"bidi embeddings and overrides", "\u202a\u202b\u202c\u202d\u202e", `\u202a\u202b\u202c\u202d\u202e`},
		{"bidi isolates", "\u2066\u2067\u2068\u2069", `\u2066\u2067\u2068\u2069`},
		{"bidi marks", "\u200e\u200f\u061c", `\u200e\u200f\u061c`},
		{"zero width", "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e", `\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e`},
		{"letters without ink", "\u115f\u1160\u3164\uffa0\u17b4", `\u115f\u1160\u3164\uffa0\u17b4`},
		{"symbols without ink", "\u2800\U0001d159", `\u2800\U0001d159`},
		{"other spaces", "\u00a0\u1680\u2002\u202f\u3000", `\u00a0\u1680\u2002\u202f\u3000`},
		{"selectors of the supplement, tags", "葛\U000e0100\U000e0041", `葛\U000e0100\U000e0041`},
		{"interlinear notes", "\ufff9a\ufffab\ufffb", `\ufff9a\ufffab\ufffb`},
		{"private use", "\ue000\U000f0000\U00100000", `\ue000\U000f0000\U00100000`},
		{"unassigned, and no character", "\u0378\ufffe\U0010ffff", `\u0378\ufffe\U0010ffff`},
		{"not UTF-8", "a\xffb\xc3 \xe2\x80 \xed\xa0\x80", `a\xffb\xc3 \xe2\x80 \xed\xa0\x80`},
		{"the replacement character", "\ufffd", "\ufffd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Line(test.text); got != test.want {
				t.Errorf("got  %+q\nwant %+q", got, test.want)
			}
		})
	}
}

func TestBlock(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"lines and tabs stay", "a\tb\n\n  c\n", "a\tb\n\n  c\n"},
		{"everything else does not", "a\r\n\x1b[2J\u202eb\n", "a\\x0d\n\\x1b[2J\\u202eb\n"},
		{"a mark at the beginning of a line or cell", "a\n\u0301\t\u0301", "a\n\\u0301\t\\u0301"},
		{"a long line", strings.Repeat("ü", 3000) + "\nlast", strings.Repeat("ü", longLine-1) + "…\nlast"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Block(test.text); got != test.want {
				t.Errorf("got  %+q\nwant %+q", got, test.want)
			}
		})
	}
}

func TestShort(t *testing.T) {
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"short", 5, "short"},
		{"größer", 5, "größ…"},
		{"  first\tline \r\nsecond", 20, "first line"},
		{"\n\nfirst\r\nsecond", 20, "first"},
		{"\u202eab", 20, `\u202eab`},
		{"\u202eab", 4, `\u2…`},
		{"x", 0, "…"},
	} {
		if got := Short(test.text, test.most); got != test.want {
			t.Errorf("Short(%q, %d) is %q, want %q", test.text, test.most, got, test.want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := Quote("a\"\u202e", 10), `"a\"\u202e"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Quote("0123456789abc", 10), `"012345678…"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigest(t *testing.T) {
	for digest, want := range map[string]string{
		"sha256:" + strings.Repeat("0123456789abcdef", 4): "sha256:01234567…",
		"sha256:0123": "sha256:0123",
		"0123":        "0123",
		"":            "",
	} {
		if got := Digest(digest); got != want {
			t.Errorf("Digest(%q) is %q, want %q", digest, got, want)
		}
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"https://bob:s3cret@r.example.com/x":   "https://bob:******@r.example.com/x",
		"https://t0ken@r.example.com/x":        "https://*****@r.example.com/x",
		"bob:p@ss/word@r.example.com":          "bob:*********@r.example.com",
		`registry: "bob:größe@r.example.com"`:  `registry: "bob:*****@r.example.com"`,
		"postgres:17@sha256:0123":              "postgres:17@sha256:0123",
		"bob:s3cret@r.example.com@sha256:0123": "bob:******@r.example.com@sha256:0123",
		"bob@example.com":                      "bob@example.com",
		"a: b":                                 "a: b",
	} {
		if got := Mask(text); got != want {
			t.Errorf("Mask(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestMaskRequest(t *testing.T) {
	for text, want := range map[string]string{
		"sent Bearer abc.def-123 there":             "sent Bearer *** there",
		"authorization: basic YWxhZGRpbjpvcGVu":     "authorization: basic ***",
		`Get "https://r.example.com/v2/?t=1": EOF`:  `Get "https://r.example.com/v2/?***": EOF`,
		"https://bob:s3cret@r.example.com/x is off": "https://bob:******@r.example.com/x is off",
	} {
		if got := MaskRequest(text); got != want {
			t.Errorf("MaskRequest(%q) is %q, want %q", text, got, want)
		}
	}
}

// refused reports whether a character may not reach a terminal wherever it
// stands. It is written apart from the code, by Unicode's categories.
func refused(r rune) bool {
	bidi := unicode.Is(unicode.Bidi_Control, r)
	return bidi || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) && r != ' ' ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) ||
		unicode.Is(unicode.Variation_Selector, r) && r != 0xfe0f
}

func TestEveryCharacterThatIsRefusedIsEscaped(t *testing.T) {
	kept := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		text := "x" + string(r)
		got := Line(text)
		if refused(r) && (got == text || strings.ContainsRune(got, r)) {
			t.Errorf("%U is shown", r)
		}
		if got == text {
			kept++
		}
	}
	if kept < 140_000 {
		t.Errorf("only %d characters are shown as they are", kept)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("fix \u202e)elbitapmoc( \u2066drawkcab")
	f.Add("e\u0301\u0302\u0303\u0304\u0305 ❤\ufe0f\ufe0f \xff\n\t\u200d")
	f.Fuzz(func(t *testing.T, text string) {
		line := Line(text)
		for _, r := range line {
			if refused(r) {
				t.Fatalf("Line(%q) has %U", text, r)
			}
		}
		if again := Line(line); again != line {
			t.Errorf("Line(%q) is %q, and of that %q", text, line, again)
		}
		if joined := Line(line + text); !strings.HasPrefix(joined, line) {
			t.Errorf("what is appended changes %q to %q", line, joined)
		}
		block := Block(text)
		for _, r := range block {
			if r != '\n' && r != '\t' && refused(r) {
				t.Fatalf("Block(%q) has %U", text, r)
			}
		}
		if strings.Count(block, "\n") != strings.Count(text, "\n") {
			t.Errorf("Block(%q) has other lines: %q", text, block)
		}
		if short := Short(text, 20); utf8.RuneCountInString(short) > 20 || Line(short) != short {
			t.Errorf("Short(%q, 20) is %q", text, short)
		}
		n := 0
		for range Characters(text) {
			n++
		}
		if n != utf8.RuneCountInString(text) {
			t.Errorf("%d of %d characters of %q", n, utf8.RuneCountInString(text), text)
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add("fix \u202e)elbitapmoc( \u009b2J \U000e0041 \xff\n\t\"<\u2028")
	f.Fuzz(func(t *testing.T, text string) {
		written, err := json.MarshalIndent(map[string]string{text: text}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		shown := JSON(written)
		for _, r := range string(shown) {
			if r != '\n' && r != '\t' && refused(r) {
				t.Fatalf("JSON(%q) has %U", text, r)
			}
		}
		var want, got map[string]string
		if err := errors.Join(json.Unmarshal(written, &want), json.Unmarshal(shown, &got)); err != nil || !maps.Equal(want, got) {
			t.Errorf("got %q, want %q: %v", got, want, err)
		}
	})
}

func FuzzWriter(f *testing.F) {
	f.Add("größe\u202e\xe2\x80", 3)
	f.Fuzz(func(t *testing.T, text string, at int) {
		var out strings.Builder
		w := NewWriter(&out)
		at = min(max(at, 0), len(text))
		for _, part := range []string{text[:at], text[at:], "\n"} {
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatalf("%d of %d bytes: %v", n, len(part), err)
			}
		}
		if want := Block(text + "\n"); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}
