// Package check says what can be held against a project that builds nevertheless: BuildKit's
// rules for container files, and Quoit's own for these and for the manifest. It is the answer
// to `--check`, in BuildKit's form.
//
//	report, err := check.New(given)
//	err = report.Files(ctx, compiler, images, "") // by BuildKit's rules
//	report.Project(project)                       // by Quoit's
//	return report.Result()
package check

// Page is where the rules are described.
const Page = "https://github.com/quoitbuild/quoit/blob/main/docs/checks.md"

// Rule is one of Quoit's own. It is skipped as those of BuildKit are, by a line
// `# check=skip=NAME` at the head of the file that it speaks of, which may be the manifest.
type Rule struct {
	Name        string
	Description string // what is wrong, in one line
	Speaks      string // of which files
}

// The rules.
var (
	UnusedImage = Rule{"UnusedImage",
		"Nothing uses the image: no container file, no depends:, no gate, and none of the root image's files, which name others", "the manifest"}
	UnpinnedExternal = Rule{"UnpinnedExternal",
		"An image of others without a tag, or with the tag latest, is another one after each of their releases", "both"}
	AddWithoutChecksum = Rule{"AddWithoutChecksum",
		"What ADD takes from elsewhere is whatever is there then, unless it has a --checksum, or is a commit", "container files"}
	CopyTakesGit = Rule{"CopyTakesGit",
		"The .git of the project is copied or mounted: it is in the image, and what changes in it is no change of the image", "container files"}
	CopyTakesManifest = Rule{"CopyTakesManifest",
		"The manifest is copied or mounted with everything beside it, so each change of it is one of the image", "container files"}
)

// Rules are all of Quoit's own, in the order in which they are documented.
func Rules() []Rule {
	return []Rule{UnusedImage, UnpinnedExternal, AddWithoutChecksum, CopyTakesGit, CopyTakesManifest}
}
