package manifest

import (
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/internal/diag"
)

// What Go and BuildKit can name. A word outside of these is a typing error.
var (
	knownSystems = []string{"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly",
		"solaris", "illumos", "aix", "android", "plan9", "wasip1", "wasi", "js"}
	knownArchitectures = []string{"amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "ppc64", "s390x",
		"loong64", "mips64le", "mips64", "mipsle", "mips", "wasm"}
)

var platformForm = regexp.MustCompile(`^[A-Za-z0-9_]+/[A-Za-z0-9_]+(/[A-Za-z0-9._]+)?$`)

// normalPlatform returns the platform as the registry spells it.
func normalPlatform(text string) (string, *problem) {
	if !platformForm.MatchString(text) {
		hint := "a platform is os/arch or os/arch/variant: linux/amd64, linux/arm/v7"
		if slices.Contains(knownArchitectures, strings.ToLower(text)) {
			hint = "try: linux/" + strings.ToLower(text)
		}
		return "", &problem{quote(text) + " is not a platform", hint}
	}
	p, err := platforms.Parse(text)
	if err != nil {
		return "", &problem{quote(text) + " is not a platform", "a platform is os/arch or os/arch/variant: linux/amd64, linux/arm/v7"}
	}
	if !slices.Contains(knownSystems, p.OS) {
		return "", &problem{"there is no operating system " + quote(p.OS), suggestPlatform(p.OS, knownSystems, "", rest(text))}
	}
	if !slices.Contains(knownArchitectures, p.Architecture) {
		return "", &problem{"there is no architecture " + quote(p.Architecture), suggestPlatform(p.Architecture, knownArchitectures, p.OS+"/", variant(p))}
	}
	return platforms.Format(p), nil
}

// suggestPlatform returns the platform with its wrong word replaced.
func suggestPlatform(word string, known []string, before, after string) string {
	if near := diag.Nearest(word, known); near != "" {
		return "try: " + before + near + after
	}
	const few = 6
	return "known: " + strings.Join(known[:few], ", ") + ", ..."
}

// rest returns what follows the operating system.
func rest(text string) string { return text[strings.Index(text, "/"):] }

func variant(p platforms.Platform) string {
	if p.Variant == "" {
		return ""
	}
	return "/" + p.Variant
}
