package manifest

import (
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/quoitbuild/quoit/internal/diag"
)

// NamedContext is what a name means in a container file: an image of the project, or a
// folder of it. Just one of both is set.
type NamedContext struct {
	Name   string // as the compiler looks for it: "base", without docker.io/library/ and :latest
	Image  string
	Folder string // clean slash path in the project, "." for all of it
}

// ContextName returns a name as the compiler looks for a named context of it.
func ContextName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

func readContexts(d *decoder, image *Image, e entry) {
	image.Fields["contexts"] = e.at
	entries, ok := d.entries(e.value, "a mapping of names to images and folders")
	if !ok {
		return
	}
	first := map[string]diag.Range{}
	for _, e := range entries {
		name, p := contextName(e.key)
		if !d.check(e.keyAt, p) {
			continue
		}
		if at, twice := first[name]; twice {
			d.add(e.keyAt, "the context "+quote(name)+" is given twice", "remove one of them", diag.Related{Range: at, Message: "the first is here"})
			continue
		}
		first[name] = e.keyAt
		image.Fields["contexts."+name] = e.at
		if text, ok := d.scalar(e.value, "an image of the project, or a folder like ./assets"); ok {
			if c, p := namedContext(name, text); d.check(e.at, p) {
				image.Contexts = append(image.Contexts, c)
			}
		}
	}
	slices.SortFunc(image.Contexts, func(a, b NamedContext) int { return strings.Compare(a.Name, b.Name) })
}

func contextName(key string) (string, *problem) {
	name, err := ContextName(key)
	switch {
	case len(key) > maxRepository || err != nil:
		return "", &problem{quote(key) + " is not a name that a container file can use for an image", "write what follows FROM, or from=, in the container file"}
	case name == "scratch" || name == "context":
		return "", &problem{"the name " + quote(name) + " is the builder's own", "choose another name"}
	}
	return name, nil
}

// namedContext reads a value: with a slash, or a dot at its beginning, it is a folder, else an image.
func namedContext(name, text string) (NamedContext, *problem) {
	if _, ref, ok := strings.Cut(text, "://"); ok {
		return NamedContext{}, &problem{"the context " + quote(text) + " is a URL, and an image or a folder of the project is needed",
			"name an image of others in the container file itself: FROM " + shorten(ref)}
	}
	if strings.HasPrefix(text, ".") || strings.ContainsAny(text, `/\`) {
		folder, p := cleanPath(text, inProject)
		return NamedContext{Name: name, Folder: folder}, p
	}
	if variable.MatchString(text) {
		return NamedContext{}, &problem{"the context " + quote(text) + " asks for a variable", variableHint(text)}
	}
	return NamedContext{Name: name, Image: text}, nil
}

// checkAliases checks that what is no folder is another image. A cycle is for the graph to find.
func checkAliases(d *decoder, m *draft) {
	names := m.ImageNames()
	for _, image := range m.Images {
		for _, c := range image.Contexts {
			at := image.Position("contexts", c.Name)
			switch {
			case c.Folder != "":
			case c.Image == image.Name:
				d.add(at, "the image "+quote(image.Name)+" is made from itself", "for the folder, write ./"+shorten(c.Image))
			case !slices.Contains(names, c.Image):
				d.add(at, "there is no image "+quote(c.Image), "for the folder, write ./"+shorten(c.Image)+"; "+d.nearest(c.Image, names, "images: "))
			}
		}
	}
}
