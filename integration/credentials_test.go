//go:build stack

package integration

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

const (
	secretUser     = "anna"
	secretPassword = "s3cr3t-p4ss"
	secretToken    = "t0k3n-f0r-anna"
)

// secrets are the forms in which credentials may leak.
func secrets() []string {
	return []string{
		secretPassword, secretToken,
		base64.StdEncoding.EncodeToString([]byte(secretUser + ":" + secretPassword)),
		base64.StdEncoding.EncodeToString([]byte(secretPassword)),
	}
}

func noSecrets(t *testing.T, where string, data []byte) {
	t.Helper()
	for _, secret := range secrets() {
		if at := bytes.Index(data, []byte(secret)); at >= 0 {
			t.Errorf("%s has %s: …%s", where, secret, data[max(0, at-200):at+len(secret)])
		}
	}
}

// loggedIn runs quoit with a docker configuration that has a login.
func loggedIn(t *testing.T, dir, registry, password string, args ...string) ran {
	t.Helper()
	folder := t.TempDir()
	login := base64.StdEncoding.EncodeToString([]byte(secretUser + ":" + password))
	write(t, folder, "config.json", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry, login))
	cmd := stack.Command(t.Context(), quoitRun, args...)
	cmd.Env = append(cmd.Env, "QUOIT_REGISTRY="+registry, "DOCKER_CONFIG="+folder)
	var out, progress bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &progress
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got := ran{stdout: out.String(), stderr: progress.String(), code: cmd.ProcessState.ExitCode()}
	noSecrets(t, "quoit "+strings.Join(args, " "), []byte(got.stdout+got.stderr))
	return got
}

func TestCredentialsStayWhereTheyBelong(t *testing.T) {
	dir, prefix := small(t)
	p := startProxy(t)
	p.RequireLogin(secretUser, secretPassword, secretToken)
	history, err := stack.HistoryMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("in a publish", func(t *testing.T) {
		for _, args := range [][]string{
			{"plan", "--progress=plain"}, {"build", "--push", "--progress=plain", "--provenance=mode=max"}, {"status"}, {"plan", "-o", "json"},
		} {
			if got := loggedIn(t, dir, p.Host, secretPassword, args...); got.code != 0 {
				t.Errorf("%v: exit code %d\n%s", args, got.code, got.stderr)
			}
		}
	})
	t.Run("in what was published", func(t *testing.T) {
		for name, version := range versions(t, prefix, "developers") {
			noSecretsInImage(t, prefix+"/"+name+":"+version)
		}
	})
	t.Run("with a wrong password", func(t *testing.T) {
		for _, args := range [][]string{{"plan"}, {"build", "--push"}, {"status"}} {
			got := loggedIn(t, dir, p.Host, secretPassword+"-wrong", args...)
			if got.code != 1 || !strings.Contains(got.stderr, "docker login") || !strings.Contains(got.stderr, p.Host) {
				t.Errorf("%v: exit code %d\n%s", args, got.code, got.stderr)
			}
		}
	})
	t.Run("when the registry repeats them in its errors", func(t *testing.T) {
		edit(t, dir, "2")
		told := proxy.Status(403, "DENIED", "you sent Authorization: Bearer "+secretToken)
		for at, args := range map[string][]string{"the ring's tag": {"build", "--push"}, "the look at the log": {"status"}} {
			p.Use(proxy.Rule{Match: proxy.All(places[at].match, func(r proxy.Request) bool { return r.Method != "HEAD" }), Fault: told})
			if got := loggedIn(t, dir, p.Host, secretPassword, args...); got.code != 1 {
				t.Errorf("%v: exit code %d\n%s", args, got.code, got.stderr)
			}
		}
		p.Use()
	})
	t.Run("in the registry's name", func(t *testing.T) {
		with := secretUser + ":" + secretPassword + "@" + p.Host
		for _, args := range [][]string{{"plan"}, {"build", "--push"}, {"status"}, {"plan", "--registry", with}} {
			if got := loggedIn(t, dir, with, secretPassword, args...); got.code == 0 || !strings.Contains(got.stderr, "credentials") {
				t.Errorf("%v: exit code %d\n%s", args, got.code, got.stderr)
			}
		}
		spoiled := copyOf(t, dir)
		replace(t, spoiled, "quoit.yaml", "registry: registry.example.com", "registry: "+with)
		if got := loggedIn(t, spoiled, "", secretPassword, "plan"); got.code == 0 || !strings.Contains(got.stderr, "quoit.yaml:2:") {
			t.Errorf("exit code %d\n%s", got.code, got.stderr)
		}
	})
	t.Run("in BuildKit's history", func(t *testing.T) {
		records, err := stack.BuildsSince(t.Context(), history)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			t.Fatal("there is none")
		}
		for _, record := range records {
			noSecrets(t, "build "+record.Ref, []byte(record.String()))
		}
	})
	t.Run("in what the command leaves behind", func(t *testing.T) {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			noSecrets(t, path, data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// noSecretsInImage looks into everything of an image but its files: manifests,
// configs and attestations.
func noSecretsInImage(t *testing.T, ref string) {
	t.Helper()
	index, err := descriptor(t, ref).ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	attestations := 0
	for _, child := range manifest.Manifests {
		img, err := index.Image(child.Digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range []func() ([]byte, error){img.RawManifest, img.RawConfigFile} {
			data, err := read()
			if err != nil {
				t.Fatal(err)
			}
			noSecrets(t, ref, data)
		}
		if child.Annotations["vnd.docker.reference.type"] == "attestation-manifest" {
			attestations++
			noSecretsInLayers(t, ref, img)
		}
	}
	if attestations == 0 {
		t.Errorf("%s has no provenance", ref)
	}
}

func noSecretsInLayers(t *testing.T, ref string, img v1.Image) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		reader, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte("predicate")) {
			t.Errorf("%s: an attestation is %.200s", ref, data)
		}
		noSecrets(t, ref, data)
	}
}
