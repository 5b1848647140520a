//go:build unix

package builder

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/session/secrets"
)

func TestSecretsComeFromFilesWithABound(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TOKEN", "from the environment")
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", at("device")); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]string{
		"id=a,src=" + at("file"):                "from a file",
		`id=a,"source=` + at("file") + `"`:      "from a file",
		"id=a,env=TOKEN":                        "from the environment",
		"type=env,id=a,src=TOKEN":               "from the environment",
		"id=a,type=file,src=" + at("pipe"):      "is a pipe",
		"ID=a,SRC=" + at("device"):              "is a device",
		"id=a,src=" + dir:                       "is a folder",
		"id=a,src=" + at("file") + ",type=file": "from a file",
	} {
		store, err := BuildKit{Secrets: []string{secret}}.SecretStore()
		if err != nil {
			t.Fatal(err)
		}
		got, err := store.GetSecret(t.Context(), &secrets.GetSecretRequest{ID: "a"})
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && string(got.Data) != want {
			t.Errorf("%s: %q, %v; want %q", secret, got.GetData(), err, want)
		}
	}
}

// TestASecretThatTheCallerPasses: as a shell does for <(…).
func TestASecretThatTheCallerPasses(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := write.WriteString("passed"); err != nil || write.Close() != nil {
		t.Fatal(err)
	}
	store, err := BuildKit{Secrets: []string{"id=a,src=/dev/fd/" + strconv.Itoa(int(read.Fd()))}}.SecretStore()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.GetSecret(t.Context(), &secrets.GetSecretRequest{ID: "a"}); err != nil || string(got.Data) != "passed" {
		t.Errorf("%q, %v", got.GetData(), err)
	}
}
