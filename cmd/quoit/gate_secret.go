package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/cmd/buildctl/build"
	"github.com/moby/buildkit/session/secrets"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// checkSecrets makes sure that every secret that the gates want is there, before
// any of them runs.
func checkSecrets(ctx context.Context, given []string, tasks []gateTask) error {
	provider, err := build.ParseSecret(given)
	if err != nil {
		return usagef("--secret: %w", err)
	}
	store, ok := provider.(secrets.SecretsServer)
	if !ok {
		return fmt.Errorf("secrets are kept in a %T, which cannot be asked", provider)
	}
	var checked []string
	var problems []error
	for _, task := range tasks {
		for _, name := range task.gate.Secrets {
			if slices.Contains(checked, name) {
				continue
			}
			checked = append(checked, name)
			if err := checkSecret(ctx, store, name); err != nil {
				problems = append(problems, usagef("gate of ring %s: %w", task.gate.Ring, err))
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
		return fmt.Errorf("the secret %s is empty: does its file or variable have it?", name)
	}
	return nil
}
