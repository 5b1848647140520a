package frontend

import (
	"errors"
	"strings"
	"testing"

	bk "github.com/moby/buildkit/client/llb"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend/secret"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/revision"
)

func TestArgumentsThatMakeAnotherImage(t *testing.T) {
	for name, neutral := range map[string]bool{
		"HTTP_PROXY": true, "http_proxy": true, "No_Proxy": true, "all_proxy": true,
		"SOURCE_DATE_EPOCH": true, "BUILDKIT_SYNTAX": true, "QUOIT_RING": true,
		"source_date_epoch": false, "buildkit_syntax": false, "quoit_ring": false,
		"targetos": false, "buildarch": false, "TargetStage": false, "targetplatform": false, "GO_VERSION": false,
	} {
		revisions := map[string]bool{}
		for _, value := range []string{"one", "two"} {
			opts, err := ParseOptions(map[string]string{"build-arg:" + name: value})
			if err != nil {
				t.Fatal(err)
			}
			if _, kept := opts.imageArgs()[name]; kept == neutral {
				t.Errorf("%s is kept among the options: %t", name, kept)
			}
			source := llb.Source{Map: bk.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte("FROM scratch\n")), Args: map[string]string{name: value}}
			revisions[revisionOf(revision.Scheme, []*llb.Compiled{{Source: source, Args: []string{name}}}, map[string]digest.Digest{"": revision.EmptyTree(revision.Scheme)})] = true
		}
		if same := len(revisions) == 1; same != neutral {
			t.Errorf("%s leaves the revision as it is: %t, want %t", name, same, neutral)
		}
	}
}

func TestArgumentsOfThePlatformAreRefused(t *testing.T) {
	for _, name := range []string{"TARGETPLATFORM", "TARGETOS", "TARGETVARIANT", "TARGETOSVERSION", "TARGETSTAGE", "BUILDARCH", "BUILDOSVERSION"} {
		_, err := ParseOptions(map[string]string{"build-arg:" + name: "v3"})
		if err == nil || !strings.Contains(err.Error(), "the build argument "+name) || !strings.Contains(err.Error(), "platforms:") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestSecretsAreNotPublished: what looks like one stops a build whose provenance has the
// build arguments in it, and is never shown.
func TestSecretsAreNotPublished(t *testing.T) {
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: {args: {PLAIN: x, NOTHING: null}}, api: {args: {DB_PASSWORD: hunter2}}}\nroot: deploy\n"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: {args: {PLAIN: x, TOKEN: null}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, want string // NAME=VALUE, names
	}{
		{"", ""},
		{"API_TOKEN=hunter2 GO_VERSION=1.26", "API_TOKEN"},
		{"NPMTOKEN=hunter2 token=hunter2 CLIENT_SECRET=hunter2 DBPASSWORD=hunter2 PASSWD=hunter2 AUTH=hunter2", "AUTH CLIENT_SECRET DBPASSWORD NPMTOKEN PASSWD token"},
		{"SIGNING_KEY=hunter2 KEY=hunter2 my_key_1=hunter2 APIKEY=hunter2 AWS_CREDENTIALS=hunter2", "APIKEY AWS_CREDENTIALS KEY SIGNING_KEY my_key_1"},
		{"PUBLIC_KEY=hunter2 TOKEN_FILE=hunter2 KEY_VERSION=hunter2 KEYCLOAK=hunter2 MONKEY=hunter2 AUTHOR=hunter2 TOKEN=", ""},
		{"HTTP_PROXY=http://ann:hunter2@proxy:3128 https_proxy=ann:hunter2@proxy:3128", "HTTP_PROXY https_proxy"},
		{"HTTP_PROXY=http://proxy:3128 NO_PROXY=localhost,.corp", ""},
		{"PIP_INDEX_URL=https://ann:hunter2@pypi.corp/simple SITE=https://pypi.corp/@x/y:z", "PIP_INDEX_URL"},
	} {
		args := map[string]string{}
		for _, pair := range strings.Fields(test.args) {
			name, value, _ := strings.Cut(pair, "=")
			args[name] = value
		}
		for mode, everything := range map[string]bool{"mode=max": true, "": true, "mode=full,version=v1": true, "mode=min": false, "version=v1,mode=min": false} {
			err := Options{Args: args, Attestations: map[string]string{"provenance": mode}}.CheckSecrets(plain)
			found := new(secret.ArgsError)
			errors.As(err, &found)
			want := test.want
			if !everything {
				want = ""
			}
			if got := strings.Join(found.Args, " "); got != want || err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s, provenance %q: %v", test.args, mode, err)
			}
		}
		if err := (Options{Args: args, Attestations: map[string]string{"sbom": ""}}).CheckSecrets(m); err != nil {
			t.Errorf("without provenance: %v", err)
		}
	}
	if err := (Options{Attestations: map[string]string{"provenance": "mode=max"}}).CheckSecrets(m); err == nil || !strings.Contains(err.Error(), "secrets: DB_PASSWORD. ") {
		t.Errorf("an argument of the manifest: %v", err)
	}
	stock := map[string]string{"BUILDKIT_ATTEST_PROVENANCE": "mode=max", "TOKEN": "hunter2"}
	if err := (Options{Args: stock, Attestations: map[string]string{"provenance": "mode=min"}}).CheckSecrets(plain); err == nil {
		t.Error("what BuildKit takes for an attestation too is not seen")
	}
}
