package llb

import "github.com/quoitbuild/quoit/labels"

// stripReserved takes the labels that Quoit reserves out of a config's and
// returns their keys.
func stripReserved(values map[string]string) []string { return labels.Strip(values) }
