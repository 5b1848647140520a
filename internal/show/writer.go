package show

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Writer shows what is written to it as [Block] does, at once: it waits only for
// the rest of a character that was written in part. It is for one writer at a
// time.
type Writer struct {
	out  io.Writer
	page page
	part []byte // of a character
}

// NewWriter returns a [Writer] that shows on out.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Write never writes a part of p: it is all or an error.
func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.part, p...)
	end := len(text) - unfinished(text)
	var shown strings.Builder
	w.page.write(&shown, string(text[:end]))
	w.part = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(w.out, shown.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unfinished is how many bytes at the end may be the beginning of a character.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
