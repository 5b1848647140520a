package account

import (
	"path"
	"regexp"
	"strings"
)

// secretFile are the names of files that often hold secrets.
var secretFile = regexp.MustCompile(`(?i)^(\.env(\..*)?|.*\.env|.*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg|tfvars|tfstate)|id_(rsa|dsa|ecdsa|ed25519).*|` +
	`\.(npmrc|netrc|pypirc|pgpass|htpasswd|dockercfg|git-credentials|vault-token|yarnrc\.yml)|_netrc|kubeconfig.*|.*credential.*|.*secret.*|.*passw(or)?d.*|.*token.*|.*apikey.*|.*private.?key.*)$`)

// secretFolder are the names of folders whose files often do.
var secretFolder = regexp.MustCompile(`(?i)^(\.ssh|\.aws|\.gnupg|\.kube|\.docker|\.azure|\.gcloud|.*secrets?|.*credentials?)$`)

// source are the ends of the names of files that hold code, whatever they are about.
var source = regexp.MustCompile(`(?i)\.(go|py|js|jsx|ts|tsx|java|kt|rs|rb|c|h|cc|cpp|cs|php|swift|scala|ex|erl|hs|md|html|css|svg|pub|crt)$`)

// secret tells whether a file, by its path, looks like one whose contents nobody else
// should know. Of a short one even a digest gives them away.
func secret(name string) bool {
	base := path.Base(name)
	if strings.HasSuffix(name, "/") || source.MatchString(base) {
		return false
	}
	if secretFile.MatchString(base) {
		return true
	}
	for folder := path.Dir(name); folder != "." && folder != "/"; folder = path.Dir(folder) {
		if secretFolder.MatchString(path.Base(folder)) {
			return true
		}
	}
	return false
}
