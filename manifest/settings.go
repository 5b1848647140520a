package manifest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/Masterminds/semver/v3"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/labels"
)

const (
	maxPath     = 4096
	maxLabelKey = 255
)

func readContext(d *decoder, image *Image, e entry) {
	image.Fields["context"] = e.at
	if text, ok := d.string(e.value); ok {
		clean, p := cleanPath(text, inProject)
		if d.check(e.at, p) {
			image.Context = clean
		}
	}
}

// checkFile checks that a container file outside of its context is in the project.
func checkFile(d *decoder, image *Image) {
	at, ok := image.Fields["file"]
	if !ok || d.reportedAt(image.Fields["context"]) {
		return
	}
	if whole := path.Join(image.Context, image.File); outside(whole) {
		d.add(at, "the path "+quote(image.File)+" leaves "+inProject, "from the context "+shorten(image.Context)+" it leads to "+shorten(whole)+": a container file lies in the project")
	}
}

func outside(clean string) bool { return clean == ".." || strings.HasPrefix(clean, "../") }

func readFile(d *decoder, image *Image, e entry) {
	image.Fields["file"] = e.at
	if text, ok := d.string(e.value); ok {
		clean, p := cleanPath(text, inContext)
		if p == nil && (clean == "." || path.Base(clean) == "..") {
			p = &problem{quote(text) + " is a folder, not a container file", "try: Dockerfile"}
		}
		if d.check(e.at, p) {
			image.File = clean
		}
	}
}

// What a path is relative to.
const (
	inProject = "the project"
	inContext = "its context"
)

var driveLetter = regexp.MustCompile(`^[A-Za-z]:`)

// cleanPath checks a relative slash path that may not leave the project. Where one that is
// relative to a context leads, and whether links leave the project, is found where the files are.
func cleanPath(text, place string) (string, *problem) {
	switch {
	case text == "":
		return "", &problem{"this path is empty", "try: ."}
	case len(text) > maxPath:
		return "", &problem{fmt.Sprintf("a path has at most %d bytes, and this one has %d", maxPath, len(text)), ""}
	case strings.Contains(text, "://"):
		return "", &problem{quote(text) + " is a URL, and a path in " + place + " is needed", "copy the files into the project"}
	case strings.Contains(text, `\`):
		return "", &problem{"the path " + quote(text) + " contains a backslash", "try: " + shorten(strings.ReplaceAll(text, `\`, "/"))}
	case strings.HasPrefix(text, "/"), driveLetter.MatchString(text):
		return "", &problem{"the path " + quote(text) + " is absolute", "write it relative to " + place}
	case strings.IndexFunc(text, unicode.IsControl) >= 0:
		return "", &problem{"the path " + quote(text) + " contains a control character", "remove it"}
	case variable.MatchString(text):
		return "", &problem{"the path " + quote(text) + " asks for a variable", variableHint(text)}
	}
	clean := path.Clean(text)
	if place == inProject && outside(clean) {
		return "", &problem{"the path " + quote(text) + " leaves " + place, "a context is a folder of the project, and . is all of it"}
	}
	return clean, nil
}

var stageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func readTarget(d *decoder, image *Image, e entry) {
	image.Fields["target"] = e.at
	text, ok := d.scalar(e.value, "the name of a stage")
	switch {
	case !ok:
	case !stageName.MatchString(text):
		d.add(e.at, quote(text)+" is not a valid name for a stage", "write what follows AS in the container file: runtime")
	default:
		image.Target = text
	}
}

var argName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func readArgs(d *decoder, image *Image, e entry) {
	image.Fields["args"] = e.at
	entries, ok := d.entries(e.value, "a mapping of build arguments to values")
	if !ok {
		return
	}
	image.Args = make(map[string]*string, len(entries))
	for _, arg := range entries {
		image.Fields["args."+arg.key] = arg.at
		d.check(arg.keyAt, argProblem(arg.key))
		if isNull(arg.node) {
			image.Args[arg.key] = nil
			continue
		}
		if text, ok := d.scalar(arg.value, "a string, a number, a boolean or null"); ok {
			image.Args[arg.key] = &text
			if variable.MatchString(text) {
				d.warn(arg.at, "the build argument "+arg.key+" asks for a variable", variableHint(text)+", or null to take it from --build-arg")
			}
		}
	}
}

func argProblem(name string) *problem {
	switch {
	case !argName.MatchString(name):
		return &problem{quote(name) + " is not a valid name for a build argument", "use letters, digits and _, and do not begin with a digit"}
	case strings.HasPrefix(name, "QUOIT_"), strings.HasPrefix(name, "BUILDKIT_"):
		return &problem{"the build argument " + quote(name) + " steers the builder and is not allowed in a manifest",
			"give it on the command line: --build-arg " + shorten(name) + "=..."}
	case PlatformArg(name):
		return &problem{"the build argument " + quote(name) + " gets its value from the platform or stage that is built", "remove it, and use platforms: or target:"}
	}
	return nil
}

// platformArgs are the build arguments that the compiler sets by itself. A value
// of their own would replace what each platform has, and be in no revision.
var platformArgs = []string{
	"TARGETPLATFORM", "TARGETOS", "TARGETOSVERSION", "TARGETARCH", "TARGETVARIANT", "TARGETSTAGE",
	"BUILDPLATFORM", "BUILDOS", "BUILDOSVERSION", "BUILDARCH", "BUILDVARIANT",
}

// PlatformArg tells whether a build argument has its value from the platform or
// the stage that is built, so that nobody may give it another. In lower case such
// a name is one like any other.
func PlatformArg(name string) bool { return slices.Contains(platformArgs, name) }

func readLabels(d *decoder, image *Image, e entry) {
	image.Fields["labels"] = e.at
	entries, ok := d.entries(e.value, "a mapping of labels to values")
	if !ok {
		return
	}
	image.Labels = make(map[string]string, len(entries))
	for _, label := range entries {
		image.Fields["labels."+label.key] = label.at
		if !d.check(label.keyAt, labelProblem(label.key)) {
			continue
		}
		if labels.Reserved(label.key) {
			d.warn(label.keyAt, "the label "+quote(label.key)+" is overruled: quoit sets it itself", "remove it")
		}
		if text, ok := d.scalar(label.value, "a string, a number or a boolean"); ok {
			image.Labels[label.key] = text
		}
	}
}

func labelProblem(key string) *problem {
	bad := strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '=' })
	switch {
	case key == "" || bad >= 0:
		return &problem{quote(key) + " is not a key for a label", "use printable ASCII characters except blanks and ="}
	case len(key) > maxLabelKey:
		return &problem{fmt.Sprintf("the key of a label has at most %d characters, and this one has %d", maxLabelKey, len(key)), ""}
	}
	return nil
}

func readVersion(d *decoder, image *Image, e entry) {
	image.Fields["version"] = e.at
	if text, ok := d.scalar(e.value, "a version like 5.2.0"); ok && d.check(e.at, versionProblem(text)) {
		image.Version = text
	}
}

func versionProblem(text string) *problem {
	v, err := semver.StrictNewVersion(text)
	switch {
	case err != nil:
		hint := "a version is three numbers: 5.2.0"
		if loose, err := semver.NewVersion(text); err == nil {
			hint = fmt.Sprintf("try: %d.%d.%d", loose.Major(), loose.Minor(), loose.Patch())
		}
		return &problem{quote(text) + " is not a version", hint}
	case v.Prerelease() != "" || v.Metadata() != "":
		return &problem{"the version " + quote(text) + " has a pre-release or build part, and releases have none",
			fmt.Sprintf("try: %d.%d.%d", v.Major(), v.Minor(), v.Patch())}
	case v.Major() == 0 && v.Minor() == 0 && v.Patch() == 0:
		return &problem{"the version 0.0.0 marks builds that cannot be published", "versions begin at 0.1.0 by themselves; leave it out"}
	}
	return nil
}

func readPlatforms(d *decoder, image *Image, e entry) {
	image.Fields["platforms"] = e.at
	items, ok := d.items(e.value, "a list of platforms")
	if !ok {
		return
	}
	image.Platforms = []string{}
	seen := map[string]diag.Range{}
	for _, item := range items {
		text, ok := d.scalar(item, "a platform like linux/amd64")
		if !ok {
			continue
		}
		platform, p := normalPlatform(text)
		if !d.check(item.at, p) {
			continue
		}
		if first, twice := seen[platform]; twice {
			d.add(item.at, "the platform "+quote(platform)+" is listed twice", "remove one of them",
				diag.Related{Range: first, Message: "the first is here"})
			continue
		}
		seen[platform] = item.at
		image.Fields["platforms."+platform] = item.at
		image.Platforms = append(image.Platforms, platform)
	}
}
