package frontend

import (
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
)

// knownCaps are what a client may ask this frontend to understand; the image's
// label says the same.
var knownCaps = map[string]bool{
	"moby.buildkit.frontend.inputs":         true,
	"moby.buildkit.frontend.subrequests":    true,
	"moby.buildkit.frontend.contexts":       true,
	"moby.buildkit.frontend.gitquerystring": true,
}

func checkCaps(list string) error {
	for _, cap := range strings.Split(list, ",") {
		name, _, _ := strings.Cut(cap, "+")
		if name != "" && !knownCaps[name] {
			return errdefs.NewUnsupportedFrontendCapError(name)
		}
	}
	return nil
}
