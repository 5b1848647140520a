package show

import (
	"strconv"
	"strings"
)

// Short returns the first line of text as [Line] shows it, with tabs as spaces,
// cut to most characters.
func Short(text string, most int) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return Cut(Line(strings.ReplaceAll(strings.TrimSpace(text), "\t", " ")), most)
}

// Cut returns text if it has at most so many characters, else its beginning and
// an ellipsis, that many in all. It escapes nothing.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:max(most-1, 0)]) + "…"
}

// Quote returns text cut to most characters, in quotes and escaped as in Go.
func Quote(text string, most int) string { return strconv.Quote(Cut(text, most)) }

// Digest returns the beginning of a digest, which is what people compare:
// sha256:0123abcd…
func Digest(digest string) string {
	const digits = 8
	algorithm, hex, found := strings.Cut(digest, ":")
	if !found || len(hex) <= digits {
		return digest
	}
	return algorithm + ":" + hex[:digits] + "…"
}
