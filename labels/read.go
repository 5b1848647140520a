package labels

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/versioning"
)

// ErrNotOurs says that labels have no release: the image is not a root image
// that Quoit built.
var ErrNotOurs = errors.New("an image without our labels: it carries no release")

// ErrEmpty says that labels are those of what an emptied ring's tag names.
var ErrEmpty = errors.New("the ring was emptied")

// SchemaError says that a release was written by a newer Quoit.
type SchemaError struct {
	Got   int // the schema number found
	Known int // the newest one that this Quoit reads
}

// Error says what to do about it.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("the release was written by a newer quoit (schema %d, this one knows %d): update quoit", e.Got, e.Known)
}

// KeyError says that the value of one label is broken.
type KeyError struct {
	Key string
	Err error
}

// Error names the label.
func (e *KeyError) Error() string { return fmt.Sprintf("label %s: %v", e.Key, e.Err) }

// Unwrap returns what is wrong with the value.
func (e *KeyError) Unwrap() error { return e.Err }

// Parse reads the release from the labels of a root image. The result is whole:
// every dependency names an image of the release at its version there, without
// a circle, and the other labels agree where they exist. Errors are
// [ErrNotOurs], [ErrEmpty], a [*SchemaError], or a [*KeyError] for what is broken.
func Parse(labels map[string]string) (versioning.Release, error) {
	if _, empty := labels[Empty]; empty {
		return versioning.Release{}, ErrEmpty
	}
	data, found := labels[Release]
	if !found {
		return versioning.Release{}, ErrNotOurs
	}
	release, err := ParseRelease([]byte(data))
	if newer := new(SchemaError); errors.As(err, &newer) {
		return versioning.Release{}, err
	}
	if err != nil {
		return versioning.Release{}, &KeyError{Release, err}
	}
	if err := agree(labels, release); err != nil {
		return versioning.Release{}, err
	}
	return release, nil
}

// ParseRelease reads the JSON of a release, as [FormatRelease] writes it.
// Fields that it does not know are ignored. The error is a [*SchemaError] for a
// newer one, else it says what is broken.
func ParseRelease(data []byte) (versioning.Release, error) {
	if len(data) > MaxRelease {
		return versioning.Release{}, fmt.Errorf("the release has %d bytes, more than %d", len(data), MaxRelease)
	}
	// The number is read by itself: the rest of a newer one may have another form.
	var numbered struct{ Schema *int }
	if err := json.Unmarshal(data, &numbered); err != nil {
		return versioning.Release{}, fmt.Errorf("the release is broken: %w", err)
	}
	switch {
	case numbered.Schema == nil || *numbered.Schema < 1:
		return versioning.Release{}, errors.New("the release has no schema number")
	case *numbered.Schema > Schema:
		return versioning.Release{}, &SchemaError{Got: *numbered.Schema, Known: Schema}
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return versioning.Release{}, fmt.Errorf("the release is broken: %w", err)
	}
	if err := check(d.Release); err != nil {
		return versioning.Release{}, err
	}
	return d.Release, nil
}

// agree compares the other labels of a root image with its release. Not the
// identity: a later quoit may compute it otherwise, and still read this release.
func agree(labels map[string]string, release versioning.Release) error {
	root := release.Images[release.Root]
	want := map[string]string{
		Version: root.Version.String(), Revision: root.Revision,
		RefName: release.Project + "/" + release.Root,
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value := labels[key]
		if name, found := strings.CutPrefix(key, Dependency); found {
			image, known := release.Images[name]
			if !known || name == release.Root {
				return &KeyError{key, fmt.Errorf("%q is not an image of the release", name)}
			}
			want[key] = image.Version.String()
		}
		if wanted, known := want[key]; known && value != wanted {
			return &KeyError{key, fmt.Errorf("it says %q, the release says %q", value, wanted)}
		}
	}
	return nil
}
