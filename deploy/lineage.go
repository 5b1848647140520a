package deploy

import "github.com/quoitbuild/quoit/versioning"

// FromLog is [Descends] from what the project's log says of releases; place
// finds one by the digest of its root image. A release that the log does not
// know descends from itself only, and so is a question to whoever deploys.
func FromLog(place func(digest string) (versioning.Place, bool)) Descends {
	return func(release, ancestor Release) bool {
		if release.Same(ancestor) {
			return true
		}
		newer, known := place(release.Digest)
		older, alsoKnown := place(ancestor.Digest)
		return known && alsoKnown && !older.Empty() && newer.Descends(older)
	}
}
