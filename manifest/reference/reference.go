// Package reference is the manifest as people write it and read about it. The JSON
// Schema and docs/manifest.md are made from it by the tests of package manifest,
// which also hold it against the keys that are parsed: comments of types and fields
// are the text of both, tags are the rules that an editor can check, page.md is what
// stands around the tables.
//
// No binary links it.
package reference

import _ "embed"

// Page is the template of docs/manifest.md.
//
//go:embed page.md
var Page string

// Example is a manifest with every key.
//
//go:embed example.yaml
var Example string

// Intro says what the manifest is.
const Intro = "The project file quoit.yaml names the images of one project and the registry that keeps its state. " +
	"Keys that begin with x- are ignored, for notes and for YAML anchors."
