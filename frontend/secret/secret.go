// Package secret tells which build arguments look like secrets, and refuses to publish them.
package secret

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/attestations"
)

// proxies are known to BuildKit's compiler in any case.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// Proxy tells whether a build argument is a proxy, in any letter case.
func Proxy(name string) bool { return slices.Contains(proxies, strings.ToUpper(name)) }

var (
	secretName = regexp.MustCompile(`(?i)(_|^)(auth|key|pword|pwd)(_|$)|apikey|credential|passw|secret|token`)
	// plainName are the names of what goes with a secret and is none; BuildKit's check
	// SecretsUsedInArgOrEnv has the same.
	plainName     = regexp.MustCompile(`(?i)(_|^)(public|file|version)(_|$)`)
	urlWithSecret = regexp.MustCompile(`://[^/@\s]*:[^/@\s]*@`)
)

// Looks tells whether a build argument looks like a secret.
func Looks(name, value string) bool {
	if Proxy(name) {
		return strings.Contains(value, "@")
	}
	named := secretName.MatchString(name) && !plainName.MatchString(name)
	return value != "" && (named || urlWithSecret.MatchString(value))
}

// ArgsError says that an attestation would publish what looks like secrets.
type ArgsError struct {
	Args []string // the build arguments' names, sorted
}

// Error names the arguments, never their values, and what to do.
func (e *ArgsError) Error() string {
	names := strings.Join(e.Args, ", ")
	return fmt.Sprintf("provenance of mode=max publishes build arguments with their values, and these look like secrets: %s. "+
		"Give a secret by --secret id=NAME,env=NAME and use it by RUN --mount=type=secret,id=NAME, a proxy without its password, or choose mode=min", names)
}

// Check refuses arguments that look like secrets, with an [*ArgsError], if a frontend's
// attributes ask for provenance of mode=max, which has every build argument in it and is
// BuildKit's if no mode is named.
func Check(attrs map[string]string, args ...map[string]string) error {
	if everything, err := publishesArgs(attrs); err != nil || !everything {
		return err
	}
	var found []string
	for _, given := range args {
		for name, value := range given {
			if Looks(name, value) {
				found = append(found, name)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	slices.Sort(found)
	return &ArgsError{slices.Compact(found)}
}

// publishesArgs tells whether there will be provenance with the build arguments.
func publishesArgs(attrs map[string]string) (bool, error) {
	for key, value := range attestations.Filter(attrs) {
		kinds, err := attestations.Parse(map[string]string{key: value})
		if err != nil {
			return false, err
		}
		if provenance, asked := kinds[attestations.KeyTypeProvenance]; asked && provenance["mode"] != "min" {
			return true, nil
		}
	}
	return false, nil
}
