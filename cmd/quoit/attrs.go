package main

import (
	"os"
	"strings"

	"github.com/quoitbuild/quoit/frontend"
)

// options are the frontend's options that the flags mean.
func (f *planFlags) options(registry string) (frontend.Options, error) {
	o := frontend.Options{
		Ring: f.ring, Registry: registry, Major: f.major, Rebuild: f.rebuild, Merge: f.merge,
		First: f.first, Pull: f.pull, NoCache: f.noCache, Platforms: f.platforms,
		Args: map[string]string{}, Labels: map[string]string{},
	}
	if epoch := os.Getenv(frontend.ArgEpoch); epoch != "" {
		o.Args[frontend.ArgEpoch] = epoch
	}
	for _, pair := range f.args {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			value, ok = os.LookupEnv(name)
		}
		if name == "" || strings.HasPrefix(name, "QUOIT_") {
			return o, usagef("--build-arg %s: write NAME=VALUE; the QUOIT_ arguments have flags of their own", name)
		}
		if ok {
			o.Args[name] = value
		}
	}
	for _, pair := range f.labels {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return o, usagef("--label %s: write KEY=VALUE", pair)
		}
		o.Labels[key] = value
	}
	return o, nil
}
