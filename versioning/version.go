package versioning

import (
	"cmp"
	"fmt"

	"github.com/Masterminds/semver/v3"
)

// maxNumber bounds each number of a version: 15 digits hold a time stamp, are
// exact in every JSON reader, and leave room to count on.
const maxNumber = 999_999_999_999_999

// Version is a semantic version without pre-release and metadata. The zero
// value, 0.0.0, means "no version": what is built without state carries it and
// nothing published does. Versions compare with ==, and are strings in JSON,
// as values and as keys.
type Version struct{ Major, Minor, Patch uint64 }

// Parse reads exactly "1.2.3": no leading v, no zeros in front, no suffix, at
// most 15 digits a number.
func Parse(text string) (Version, error) {
	parsed, err := semver.StrictNewVersion(text)
	if err != nil || parsed.Prerelease() != "" || parsed.Metadata() != "" {
		return Version{}, fmt.Errorf("%q is not a version like 1.2.3", text)
	}
	v := Version{parsed.Major(), parsed.Minor(), parsed.Patch()}
	if !v.bounded() {
		return Version{}, fmt.Errorf("%q has a number of more than 15 digits", text)
	}
	return v, nil
}

// String returns the version as [Parse] reads it.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// IsZero reports whether v means "no version".
func (v Version) IsZero() bool { return v == Version{} }

// Compare returns -1, 0 or 1, for v before, equal to or after w.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// MarshalText is [Version.String].
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText is [Parse].
func (v *Version) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}

func (v Version) bounded() bool {
	return v.Major <= maxNumber && v.Minor <= maxNumber && v.Patch <= maxNumber
}

func (v Version) plusMajor() Version { return Version{Major: v.Major + 1} }
func (v Version) plusMinor(count uint64) Version {
	return Version{Major: v.Major, Minor: v.Minor + count}
}
func (v Version) plusPatch() Version { return Version{v.Major, v.Minor, v.Patch + 1} }

// line is v without its patch: what versions of one minor have in common.
func (v Version) line() Version { return Version{Major: v.Major, Minor: v.Minor} }

// latest returns the greater of two versions.
func latest(v, w Version) Version {
	if v.Compare(w) < 0 {
		return w
	}
	return v
}
