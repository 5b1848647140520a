package show

import (
	"regexp"
	"strings"
	"unicode"
)

// Mask replaces the secret part of every "user:secret@host" and
// "scheme://secret@host" in text by stars, one per character, so that columns
// stay where they are. A digest ("image:tag@sha256:…") is no credential.
func Mask(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	runes := []rune(text)
	for start := 0; start < len(runes); {
		end := start
		for end < len(runes) && !unicode.IsSpace(runes[end]) {
			end++
		}
		maskWord(runes[start:end])
		start = end + 1
	}
	return string(runes)
}

func maskWord(word []rune) {
	at := -1
	for i, r := range word {
		if r == '@' && !digest(word[i+1:]) {
			at = i
		}
	}
	if at < 0 {
		return
	}
	from, url := 0, false
	for i := 0; i+2 < at; i++ {
		if word[i] == ':' && word[i+1] == '/' && word[i+2] == '/' {
			from, url = i+3, true
			break
		}
	}
	secret := -1
	for i := from; i < at; i++ {
		if word[i] == ':' {
			secret = i + 1
			break
		}
	}
	if secret < 0 && url {
		secret = from
	}
	for i := secret; i >= 0 && i < at; i++ {
		word[i] = '*'
	}
}

func digest(word []rune) bool {
	start := string(word[:min(len("sha256:"), len(word))])
	return start == "sha256:" || start == "sha512:"
}

var (
	secretHeader = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}`)
	secretQuery  = regexp.MustCompile(`([a-z]+://[^\s?"]*)\?[^\s"]*`)
)

// MaskRequest returns what is said of a request over HTTP without what may
// authorize it: besides what [Mask] replaces, the values of authorization
// headers, and the queries of addresses.
func MaskRequest(text string) string {
	text = secretHeader.ReplaceAllString(text, "$1 ***")
	text = secretQuery.ReplaceAllString(text, "$1?***")
	return Mask(text)
}
