package graph

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Listing says which images need which. It is what `quoit graph` prints, and its JSON form
// is as stable as a plan's: lists are never null.
type Listing struct {
	Schema int     `json:"schema"`
	Root   string  `json:"root"`   // name of the root image
	Images []Needs `json:"images"` // all of the project, dependencies first
}

// Needs are the images that one needs, sorted: to be built, or at run time; the root image
// needs all others.
type Needs struct {
	Name  string   `json:"name"`
	Needs []string `json:"needs"`
}

// listingSchema is the number of the JSON form.
const listingSchema = 1

// List is the graph as it is printed, of a project with that root image.
func (g *Graph) List(root string) Listing {
	l := Listing{Schema: listingSchema, Root: root, Images: []Needs{}}
	for _, name := range g.Order() {
		l.Images = append(l.Images, Needs{name, append([]string{}, g.Needs(name)...)})
	}
	return l
}

// ParseListing reads the JSON form, as another process printed it.
func ParseListing(data []byte) (Listing, error) {
	var l Listing
	if err := json.Unmarshal(data, &l); err != nil {
		return Listing{}, fmt.Errorf("reading a graph: %w", err)
	}
	if l.Schema != listingSchema {
		return Listing{}, fmt.Errorf("reading a graph: it has schema %d, this quoit knows %d", l.Schema, listingSchema)
	}
	return l, nil
}

// String has a line for each image, with what it needs. No line feed ends it.
func (l Listing) String() string {
	lines := make([]string, 0, len(l.Images))
	for _, image := range l.Images {
		lines = append(lines, image.Name+": "+strings.Join(image.Needs, " "))
	}
	return strings.Join(lines, "\n")
}
