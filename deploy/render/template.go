package render

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/show"
)

// Bounds of what values may become: of defaults within defaults, and in bytes.
const (
	maxNesting = 10
	maxFilled  = 32 << 20
)

var valueName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// template replaces expressions in texts.
type template struct {
	value   func(name string) (string, bool)
	missing func(name string)
	left    *int // bytes that values may still add, of all objects
}

// walk returns a value with all texts in it replaced.
func (t template) walk(value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		changed := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			inner, err := t.walk(v[key])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			changed[key] = inner
		}
		return changed, nil
	case []any:
		changed := make([]any, len(v))
		for i := range v {
			inner, err := t.walk(v[i])
			if err != nil {
				return nil, err
			}
			changed[i] = inner
		}
		return changed, nil
	case string:
		return t.text(v, 0)
	}
	return value, nil
}

// text replaces ${NAME} and ${NAME:-default}; $${ is a ${ that stays.
func (t template) text(text string, depth int) (string, error) {
	if depth > maxNesting {
		return "", fmt.Errorf("defaults are nested more than %d deep", maxNesting)
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString("{")
			text = rest
			continue
		}
		value, after, err := t.expression(rest, depth)
		if err != nil {
			return "", err
		}
		if *t.left -= len(value); *t.left < 0 {
			return "", fmt.Errorf("the values that are filled in add up to more than %d MiB", maxFilled>>20)
		}
		b.WriteString(value)
		text = after
	}
}

// expression reads what follows a "${", and returns its value and the text
// after it.
func (t template) expression(text string, depth int) (value, after string, err error) {
	name := valueName.FindString(text)
	rest := text[len(name):]
	switch {
	case name != "" && strings.HasPrefix(rest, "}"):
		found, ok := t.value(name)
		if !ok {
			t.missing(name)
		}
		return found, rest[1:], nil
	case name != "" && (strings.HasPrefix(rest, ":-") || strings.HasPrefix(rest, ":=")):
		end := closing(rest)
		if end < 0 {
			break
		}
		otherwise, after := rest[2:end], rest[end+1:]
		if found, ok := t.value(name); ok && found != "" {
			return found, after, nil
		}
		value, err := t.text(otherwise, depth+1)
		return value, after, err
	}
	const most = 40
	return "", "", fmt.Errorf("%s is neither ${NAME} nor ${NAME:-default}: write $${ to keep it as it is, or annotate the object with %s: %s",
		show.Quote("${"+text, most), annotationSubstitute, Disabled)
}

// closing is where the brace ends that was open before the text, -1 if nowhere.
func closing(text string) int {
	open := 1
	for i := range len(text) {
		switch text[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}
