package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/session/secrets"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quoitbuild/quoit/builder"
)

// SecretError says that a gate cannot have its secret.
type SecretError struct {
	// Ring is the ring whose gate wants it.
	Ring string
	err  error
}

// Error names the ring, the secret, and what to do.
func (e *SecretError) Error() string { return "gate of ring " + e.Ring + ": " + e.err.Error() }

// Unwrap returns what is wrong with the secret.
func (e *SecretError) Unwrap() error { return e.err }

// checkSecrets makes sure that every secret that the gates want is there, before
// any of them runs.
func checkSecrets(ctx context.Context, b builder.BuildKit, tasks []task) error {
	store, err := b.SecretStore()
	if err != nil {
		return err
	}
	var checked []string
	var problems []error
	for _, t := range tasks {
		for _, name := range t.gate.Secrets {
			if t.skipped != "" || slices.Contains(checked, name) {
				continue
			}
			checked = append(checked, name)
			if err := checkSecret(ctx, store, name); err != nil {
				problems = append(problems, &SecretError{t.gate.Ring, err})
			}
		}
	}
	return errors.Join(problems...)
}

func checkSecret(ctx context.Context, store secrets.SecretsServer, name string) error {
	answer, err := store.GetSecret(ctx, &secrets.GetSecretRequest{ID: name})
	switch {
	case status.Code(err) == codes.NotFound:
		return fmt.Errorf("there is no secret %s: give it with --secret id=%[1]s,src=FILE or --secret id=%[1]s,env=VARIABLE", name)
	case err != nil:
		return fmt.Errorf("reading the secret %s: %w", name, err)
	case len(answer.Data) == 0:
		return fmt.Errorf("the secret %s is empty: check its file or variable", name)
	}
	return nil
}
