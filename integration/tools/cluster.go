package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

func upCluster(ctx context.Context) error {
	s, err := upFirst(ctx)
	if err != nil {
		return err
	}
	c := s.Cluster()
	if c != nil {
		fmt.Println("the cluster is up already, at", c.API)
		return writeEnv(s)
	}
	if c, err = s.StartCluster(ctx); err != nil {
		return err
	}
	if err := save(s); err != nil {
		return errors.Join(err, s.StopCluster())
	}
	fmt.Println("the cluster is up, at", c.API)
	fmt.Println("now: . .stack/env")
	return nil
}

func downCluster(context.Context) error {
	s, err := running()
	if err != nil {
		return err
	}
	if s == nil || s.Cluster() == nil {
		fmt.Println("no cluster is up")
		return nil
	}
	if err := s.StopCluster(); err != nil {
		return err
	}
	fmt.Println("the cluster is down")
	return save(s)
}

// upFirst is the stack that is up, and was started if none was.
func upFirst(ctx context.Context) (*stack.Stack, error) {
	if s, err := running(); err != nil || s != nil {
		return s, err
	}
	if err := up(ctx); err != nil {
		return nil, err
	}
	return running()
}

// save writes down what now belongs to the stack.
func save(s *stack.Stack) error {
	file, err := stackFile("state.json")
	if err != nil {
		return err
	}
	if err := s.Save(file); err != nil {
		return err
	}
	return writeEnv(s)
}
