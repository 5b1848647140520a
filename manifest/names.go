package manifest

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/distribution/reference"
)

const (
	maxName       = 128 // of an image or a ring
	maxRepository = 255 // registry, project and image together
	maxVendor     = 255
)

var (
	component   = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
	ringName    = regexp.MustCompile(`^[a-z0-9]+(-+[a-z0-9]+)*$`)
	versionLike = regexp.MustCompile(`^[vV]?[0-9]+([.+-].*)?$`)
	scheme      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
)

const componentRule = "lower-case letters and digits, with . _ __ or - between them"

// nameProblem checks the name of an image or an external; what says which.
func nameProblem(name, what string) *problem {
	switch {
	case strings.Contains(name, "/"):
		return &problem{"the name " + quote(name) + " contains a slash", "the name of " + what + " is one path component"}
	case len(name) > maxName:
		return &problem{fmt.Sprintf("the name of %s has at most %d characters, and this one has %d", what, maxName, len(name)), ""}
	case !component.MatchString(name):
		return &problem{quote(name) + " is not a valid name for " + what, respell(name, componentRule)}
	case name == Records:
		return &problem{`the name "records" is reserved for the log of releases`, "choose another name"}
	}
	return nil
}

// respell suggests the nearest name that follows the rule.
func respell(name, rule string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(" _.-", r) })
	if fixed := strings.Join(words, "-"); fixed != name && len(fixed) <= maxName && ringName.MatchString(fixed) {
		return "try: " + fixed
	}
	return "a name is " + rule
}

func projectProblem(project string) *problem {
	if stripped := strings.Trim(project, "/"); stripped != project && stripped != "" {
		return &problem{"the project " + quote(project) + " begins or ends with a slash", "try: " + stripped}
	}
	for part := range strings.SplitSeq(project, "/") {
		if !component.MatchString(part) {
			return &problem{quote(project) + " is not a valid name for a project",
				"one or more components with slashes between, each " + componentRule + ": acme/shop"}
		}
	}
	return nil
}

// registryProblem checks host[:port][/path]. Its texts never hold the registry
// when that may contain credentials.
func registryProblem(registry string) *problem {
	bare := scheme.ReplaceAllString(registry, "")
	if strings.Contains(bare, "@") {
		return &problem{"the registry contains credentials", "leave them out, and use docker login"}
	}
	bare = strings.Trim(bare, "/")
	switch {
	case bare == "":
		return &problem{"the registry is empty", "a registry is a host, optionally with a port and a path: registry.example.com"}
	case bare != registry && scheme.MatchString(registry):
		return &problem{"a registry is written without a scheme", "try: " + shorten(bare)}
	case bare != registry:
		return &problem{"a registry is written without slashes around it", "try: " + shorten(bare)}
	}
	host, _, _ := strings.Cut(registry, "/")
	if lower := strings.ToLower(registry); lower != registry {
		return &problem{"a registry is written in lower case", "try: " + shorten(lower)}
	}
	if host == "index.docker.io" {
		return &problem{"Docker Hub is called docker.io in references", "try: " + strings.Replace(registry, host, "docker.io", 1)}
	}
	named, err := reference.ParseNormalizedNamed(registry + "/" + Records)
	if err != nil {
		return &problem{quote(registry) + " is not a registry", "a registry is a host, optionally with a port and a path: registry.example.com:5000/team"}
	}
	if reference.Domain(named) != host {
		return &problem{quote(host) + " is not the host of a registry: it has no dot and no port, so Docker reads it as a part of a name on docker.io",
			"try: " + host + ":5000"}
	}
	return nil
}

func repositoryProblem(repository string) *problem {
	if len(repository) <= maxRepository {
		return nil
	}
	return &problem{fmt.Sprintf("registry, project and image make a name of %d characters, and registries take %d", len(repository), maxRepository),
		"choose shorter names"}
}

func vendorProblem(vendor string) *problem {
	for _, r := range vendor {
		if !unicode.IsPrint(r) {
			return &problem{fmt.Sprintf("the vendor contains the unprintable character U+%04X", r), "remove it"}
		}
	}
	if n := len([]rune(vendor)); n > maxVendor {
		return &problem{fmt.Sprintf("a vendor has at most %d characters, and this one has %d", maxVendor, n), ""}
	}
	return nil
}

// reservedRings are beginnings of tags that quoit writes itself.
var reservedRings = []string{"record-", "records", "sha256-", "quoit-"}

// ringProblem checks the name of a ring, which becomes a tag.
func ringProblem(ring string) *problem {
	for _, prefix := range reservedRings {
		if strings.HasPrefix(ring, prefix) {
			return &problem{"a ring may not begin with " + quote(prefix) + ", which quoit uses itself", "choose another name"}
		}
	}
	switch {
	case ring == "latest":
		return &problem{`a ring may not be called "latest", which clients take for "no tag given"`, "name the audience instead, like newest or everybody"}
	case ring == "none":
		return &problem{`a ring may not be called "none", which stands for "no ring" on the command line`, "choose another name"}
	case versionLike.MatchString(ring):
		return &problem{"the ring " + quote(ring) + " looks like a version, and versions are tags too", "name the audience, like testers or users"}
	case len(ring) > maxName:
		return &problem{fmt.Sprintf("the name of a ring has at most %d characters, and this one has %d", maxName, len(ring)), ""}
	case !ringName.MatchString(ring):
		return &problem{quote(ring) + " is not a valid name for a ring", respell(ring, "lower-case letters and digits, with - between them")}
	}
	return nil
}
