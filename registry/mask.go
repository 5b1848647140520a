package registry

import "github.com/quoitbuild/quoit/internal/show"

const maxClean = 200 // characters of what others wrote, in a message

// clean makes one short line without credentials of what others wrote. It is escaped
// first, so that no odd space parts a secret from the sign that gives it away.
func clean(text string) string {
	escaped := show.Short(text, 4*len(text)) // no byte needs more, so nothing is cut yet
	return show.Cut(show.MaskRequest(escaped), maxClean)
}
