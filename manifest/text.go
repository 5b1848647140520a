package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quoitbuild/quoit/internal/diag"
)

// text is the file before it is YAML.
type text struct {
	mistakes
	raw   []byte // without a byte order mark
	index *diag.Index
}

// readable checks what must hold before the text can be called YAML: its size,
// its encoding, and that lines end where editors and YAML both see an end.
func (t *text) readable() bool {
	if len(t.src.Data) > maxBytes {
		t.add(diag.Range{}, fmt.Sprintf("the manifest has %d bytes, and the limit is %d MiB", len(t.src.Data), maxBytes>>20),
			"is this the right file?")
		return false
	}
	for n := 1; n <= t.index.Len(); n++ {
		t.readableLine(n)
	}
	return len(t.list) == 0
}

func (t *text) readableLine(n int) {
	column := 0
	for rest := t.index.Line(n); len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		column++
		start := diag.Position{Line: n, Column: column}
		at := diag.Range{Start: start, End: diag.Position{Line: n, Column: column + 1}}
		switch {
		case r == utf8.RuneError && size == 1:
			t.add(at, "the manifest is not UTF-8 text", "save it with the encoding UTF-8")
			return
		case r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\r':
			t.add(at, fmt.Sprintf("the invisible character U+%04X ends a line here for YAML, but not for editors", r),
				"begin a new line")
		case r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\ufeff' || r == '\ufffe' || r == '\uffff':
			t.add(at, fmt.Sprintf("the control character U+%04X has no place in a manifest", r),
				"remove it, or escape it inside double quotes")
		}
	}
}

// syntaxDirective is how BuildKit reads a directive at the beginning of a file.
var syntaxDirective = regexp.MustCompile(`(?i)^#[ \t]*syntax[ \t]*=[ \t]*([^ \t]+)`)

// syntax returns the frontend image that the very first line names.
func (t *text) syntax() string {
	if found := syntaxDirective.FindSubmatch(t.index.Line(1)); found != nil {
		return string(found[1])
	}
	for n := 2; n <= t.index.Len() && bytes.HasPrefix(t.index.Line(n), []byte("#")); n++ {
		if syntaxDirective.Match(t.index.Line(n)) {
			t.warn(t.index.Whole(n), "a syntax line counts only as the very first line of the file", "move it up")
			break
		}
	}
	return ""
}

var yamlError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError reports what the YAML parser says, at the line that it means.
func (t *text) syntaxError(err error) {
	message, line := err.Error(), 1
	if found := yamlError.FindStringSubmatch(message); found != nil {
		message = found[2]
		if n, err := strconv.Atoi(found[1]); err == nil {
			line = n
		}
	}
	if anchor := unknownAnchor.FindStringSubmatch(message); anchor != nil {
		t.add(t.aliasRange(anchor[1]), "there is no anchor "+quote("&"+anchor[1]),
			"define it above, at the value that *"+shorten(anchor[1])+" stands for")
		return
	}
	line = t.culprit(line)
	text := t.index.Line(line)
	t.add(t.index.Whole(line), "this is not valid YAML: "+shorten(message), syntaxHint(message, text))
}

// culprit returns the line where YAML breaks. The parser reports lines by two
// conventions, sometimes one too low or where the block began, so look for the
// last line up to which the text is still YAML.
func (t *text) culprit(reported int) int {
	const tries, budget = 32, 4 << 20
	raw := t.raw
	ends := []int{0}
	for n, at := 0, 0; n <= reported && at < len(raw); n++ {
		size := bytes.IndexByte(raw[at:], '\n') + 1
		if size == 0 {
			break
		}
		at += size
		ends = append(ends, at)
	}
	parsed := 0
	for n := len(ends) - 1; n >= 0 && len(ends)-n <= tries && parsed < budget; n-- {
		parsed += ends[n]
		if _, _, err := parseYAML(raw[:ends[n]]); err == nil {
			return t.written(n + 1)
		}
	}
	return t.written(reported)
}

// written returns the first line from n on that holds text.
func (t *text) written(n int) int {
	for at := n; at <= t.index.Len(); at++ {
		line := bytes.TrimSpace(t.index.Line(at))
		if len(line) > 0 && line[0] != '#' {
			return at
		}
	}
	return min(max(n, 1), t.index.Len())
}

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// aliasRange finds the first use of an anchor that does not exist.
func (t *text) aliasRange(anchor string) diag.Range {
	word := []byte("*" + anchor)
	for n := 1; n <= t.index.Len(); n++ {
		line := t.index.Line(n)
		at := bytes.Index(line, word)
		if at < 0 || bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			continue
		}
		column := utf8.RuneCount(line[:at]) + 1
		return diag.Range{
			Start: diag.Position{Line: n, Column: column},
			End:   diag.Position{Line: n, Column: column + utf8.RuneCount(word)},
		}
	}
	return diag.Range{}
}

func syntaxHint(message string, line []byte) string {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	switch {
	case bytes.ContainsRune(indent, '\t'):
		return "indent with spaces, not with tabs"
	case strings.Contains(message, "mapping values are not allowed"):
		return `put a value that contains ": " in quotes, and check the indentation`
	case strings.Contains(message, "cannot start any token"):
		return "put a value that begins with @, ` or % in quotes"
	case strings.Contains(message, "expected ':'"):
		return "write a key as key: value, with a space after the colon"
	case strings.Contains(message, "did not find expected key"), strings.Contains(message, "'-' indicator"):
		return "check the indentation: keys of one mapping begin in the same column"
	case strings.Contains(message, "unexpected end of stream"):
		return "a quote is not closed"
	case strings.Contains(message, "did not find expected ',' or"):
		return "a bracket is not closed"
	}
	return ""
}
