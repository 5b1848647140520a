package diag

import (
	"strings"
	"unicode/utf8"
)

// longestWord bounds the work of [Nearest]; a longer word is no typing error.
const longestWord = 64

// Nearest returns the word among the valid ones that was probably meant: the
// one that fewest insertions, deletions, replacements and swaps of neighbours
// lead to, at most about one of them per three characters. Case does not count.
// The first of equally near words wins; "" means that none is near.
func Nearest(word string, among []string) string {
	size := utf8.RuneCountInString(word)
	if size == 0 || size > longestWord {
		return ""
	}
	best, limit := "", max(1, (size+1)/3)
	lower := []rune(strings.ToLower(word))
	for _, candidate := range among {
		other := utf8.RuneCountInString(candidate)
		if candidate == word || other > size+limit || size > other+limit {
			continue
		}
		d := distance(lower, []rune(strings.ToLower(candidate)))
		// A word that shares no character with the candidate is another word.
		if d <= limit && d < max(size, other) {
			best, limit = candidate, d-1
		}
		if limit < 0 {
			break
		}
	}
	return best
}

// distance is the Damerau-Levenshtein distance in its restricted form (optimal
// string alignment).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
