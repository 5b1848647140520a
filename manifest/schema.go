package manifest

import (
	_ "embed"
	"slices"
)

//go:generate go test . -run TestReferences -update

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of the manifest, for editors. It is the file
// docs/quoit.schema.json.
func Schema() []byte { return slices.Clone(schema) }
