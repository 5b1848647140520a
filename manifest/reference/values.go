package reference

import (
	"reflect"

	"github.com/invopop/jsonschema"
)

// Entry is an image: its settings, or its context alone.
type Entry struct{}

// JSONSchema returns both forms.
func (Entry) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Description: "The short form: the context of the image."},
		{Ref: "#/$defs/ImageDocument"},
	}}
}

// Text is a value that is taken as it is written.
type Text struct{}

// JSONSchema returns the types that YAML may read it as.
func (Text) JSONSchema() *jsonschema.Schema { return oneOf("string", "number", "boolean") }

// Scalar is a [Text] that may be null.
type Scalar struct{}

// JSONSchema returns the types that YAML may read it as.
func (Scalar) JSONSchema() *jsonschema.Schema { return oneOf("string", "number", "boolean", "null") }

// oneOf is the schema of a value of any of the types.
func oneOf(types ...string) *jsonschema.Schema {
	return &jsonschema.Schema{Extras: map[string]any{"type": types}}
}

// TypeName is what the page calls the type of a field.
func TypeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Entry]():
		return "context or keys of an image"
	case reflect.TypeFor[SiteDocument]():
		return "keys of a site"
	case reflect.TypeFor[GateDocument]():
		return "keys of a gate"
	case reflect.TypeFor[Text]():
		return "string, number or boolean"
	case reflect.TypeFor[Scalar]():
		return "string, number, boolean or null"
	}
	switch t.Kind() {
	case reflect.Map:
		return "map of string to " + TypeName(t.Elem())
	case reflect.Slice:
		if t.Elem() == reflect.TypeFor[Text]() {
			return "list of strings, numbers or booleans"
		}
		return "list of " + TypeName(t.Elem()) + "s"
	case reflect.Struct:
		return "map"
	case reflect.Bool:
		return "boolean"
	}
	return "string"
}
