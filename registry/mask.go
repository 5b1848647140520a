package registry

import "github.com/quoitbuild/quoit/internal/show"

// clean makes one short line without credentials of what others wrote.
func clean(text string) string { return show.Short(show.MaskRequest(text), 200) }
