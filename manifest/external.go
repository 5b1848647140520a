package manifest

import (
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/quoitbuild/quoit/internal/diag"
)

func readExternals(d *decoder, m *draft, e entry) {
	m.places["externals"] = e.keyAt
	entries, ok := d.entries(e.value, "a mapping of names to references")
	if !ok {
		return
	}
	for _, external := range entries {
		m.places["externals."+external.key] = external.at
		d.check(external.keyAt, nameProblem(external.key, "an external"))
		text, ok := d.string(external.value)
		if !ok {
			continue
		}
		ref, p := normalReference(text)
		if d.check(external.at, p) {
			m.Externals = append(m.Externals, External{
				Name: external.key, Reference: ref, Range: external.keyAt, Value: external.at})
		}
	}
	slices.SortFunc(m.Externals, func(a, b External) int { return strings.Compare(a.Name, b.Name) })
}

// normalReference returns a reference with its host, and with a tag or digest.
func normalReference(text string) (string, *problem) {
	before, image, ofProject := strings.Cut(text, "#")
	if credentials(before) {
		return "", &problem{"the reference contains credentials", "leave them out, and use docker login"}
	}
	if prefix := scheme.FindString(text); prefix != "" {
		return "", &problem{"a reference is written without a scheme", "try: " + shorten(strings.TrimPrefix(text, prefix))}
	}
	if ofProject {
		return "", &problem{"this version of quoit does not support references to an image of another project (#" + shorten(image) + ") yet",
			"they come with a later version; until then, name that image itself"}
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		if lower := strings.ToLower(text); lower != text {
			if _, err := reference.ParseNormalizedNamed(lower); err == nil {
				return "", &problem{quote(text) + " is not a reference: repositories are lower case", "try: " + shorten(lower)}
			}
		}
		return "", &problem{quote(text) + " is not a reference to an image", "a reference looks like docker.io/library/postgres:17"}
	}
	if reference.IsNameOnly(named) {
		return "", &problem{"the reference " + quote(text) + " has no tag and no digest", "say which one: " + shorten(text) + ":<tag>"}
	}
	return named.String(), nil
}

// credentials reports whether a reference holds a user, with or without a
// password. A digest begins with @ too, but holds no slash.
func credentials(text string) bool {
	at := strings.LastIndex(text, "@")
	return at >= 0 && (strings.Contains(text[at:], "/") ||
		scheme.MatchString(text) && !strings.HasPrefix(text[at:], "@sha"))
}

// checkExternals keeps images and externals apart.
func checkExternals(d *decoder, m *draft) {
	repositories := map[string]Image{}
	for _, image := range m.Images {
		repositories[m.Repository(image.Name)] = image
	}
	for _, e := range m.Externals {
		if at, twice := m.places["images."+e.Name]; twice {
			d.add(e.Range, quote(e.Name)+" is both an image and an external", "rename one of them",
				diag.Related{Range: at, Message: "the image is here"})
		}
		named, err := reference.ParseNormalizedNamed(e.Reference)
		if err != nil {
			continue
		}
		if image, own := repositories[named.Name()]; own {
			d.add(e.Value, "this is the image "+quote(image.Name)+" of this project, not an external", "remove it",
				diag.Related{Range: image.Range, Message: "the image is here"})
		}
	}
}
