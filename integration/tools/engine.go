package main

import (
	"context"
	"errors"
	"fmt"
)

// upEngine starts an engine with containerd's image store.
func upEngine(ctx context.Context) error { return startEngine(ctx, false) }

// upClassicEngine starts one with the store of graph drivers.
func upClassicEngine(ctx context.Context) error { return startEngine(ctx, true) }

func startEngine(ctx context.Context, classic bool) error {
	s, err := upFirst(ctx)
	if err != nil {
		return err
	}
	if e := s.Engine(); e != nil {
		fmt.Println("an engine is up already, at", e.Host)
		return writeEnv(s)
	}
	if err := s.StopEngines(); err != nil { // What is left of one that ended on its own.
		return err
	}
	e, err := s.StartEngine(ctx, classic)
	if err != nil {
		return err
	}
	if err := save(s); err != nil {
		return errors.Join(err, s.StopEngines())
	}
	fmt.Println("the engine is up, at", e.Host)
	fmt.Println("now: . .stack/env")
	return nil
}

func downEngine(context.Context) error {
	s, err := running()
	if err != nil {
		return err
	}
	if s == nil || s.Engine() == nil {
		fmt.Println("no engine is up")
		return nil
	}
	if err := s.StopEngines(); err != nil {
		return err
	}
	fmt.Println("the engine is down")
	return save(s)
}
