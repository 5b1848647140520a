package builder

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/cmd/buildctl/build"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"google.golang.org/grpc"

	"github.com/quoitbuild/quoit/internal/input"
)

// secretFiles are BuildKit's own secrets, with a bound on the files of them: one in a
// checkout may be a link that somebody has brought.
type secretFiles struct {
	secrets.SecretsServer
	files map[string]string // by id
}

// SecretStore returns what a build step would find under the names of the secrets.
// The error is an [*OptionError].
func (b BuildKit) SecretStore() (secrets.SecretsServer, error) { return b.secretFiles() }

func (b BuildKit) secretFiles() (*secretFiles, error) {
	attachable, err := build.ParseSecret(b.Secrets)
	if err != nil {
		return nil, &OptionError{"secret", err}
	}
	store, ok := attachable.(secrets.SecretsServer)
	if !ok {
		return nil, fmt.Errorf("secrets are kept in a %T, which cannot be asked", attachable)
	}
	s := &secretFiles{SecretsServer: store, files: map[string]string{}}
	for _, text := range b.Secrets {
		if id, file := secretFile(text); file != "" && !passed(file) {
			s.files[id] = file
		}
	}
	return s, nil
}

// secretFile reads what has been read before: a secret's id and its file, "" if it
// comes from the environment.
func secretFile(text string) (id, file string) {
	fields, _ := csv.NewReader(strings.NewReader(text)).Read()
	env := ""
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToLower(key) {
		case "id":
			id = value
		case "src", "source":
			file = value
		case "env":
			env = value
		case "type":
			if value == "env" {
				return id, ""
			}
		}
	}
	if _, found := os.LookupEnv(id); env != "" || file == "" && found {
		return id, ""
	}
	if file == "" {
		file = id
	}
	return id, file
}

// passed reports whether a file is what the caller itself holds open, as a shell does
// for <(…): that is no file, and nobody else's.
func passed(file string) bool { return file == "/dev/stdin" || strings.HasPrefix(file, "/dev/fd/") }

// Register implements [session.Attachable].
func (s *secretFiles) Register(server *grpc.Server) { secrets.RegisterSecretsServer(server, s) }

// GetSecret implements [secrets.SecretsServer].
func (s *secretFiles) GetSecret(ctx context.Context, r *secrets.GetSecretRequest) (*secrets.GetSecretResponse, error) {
	file, found := s.files[r.ID]
	if !found {
		return s.SecretsServer.GetSecret(ctx, r)
	}
	data, err := input.Read(file, secretsprovider.MaxSecretSize)
	if err != nil {
		return nil, err
	}
	return &secrets.GetSecretResponse{Data: data}, nil
}
