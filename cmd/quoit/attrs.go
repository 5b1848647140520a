package main

import (
	"os"
	"strings"

	"github.com/quoitbuild/quoit/frontend"
)

// attrs are the frontend options that the flags mean.
func (f *planFlags) attrs(registry string) (map[string]string, error) {
	attrs := map[string]string{}
	arg := func(name, value string) {
		if value != "" {
			attrs["build-arg:"+name] = value
		}
	}
	arg(frontend.ArgRing, f.ring)
	arg(frontend.ArgMajor, strings.Join(f.major, ","))
	arg(frontend.ArgRebuild, strings.Join(f.rebuild, ","))
	arg(frontend.ArgMerge, strings.Join(f.merge, ","))
	arg(frontend.ArgRegistry, registry)
	arg(frontend.ArgFirst, flagValue(f.first))
	arg(frontend.ArgPull, flagValue(f.pull))
	arg("SOURCE_DATE_EPOCH", os.Getenv("SOURCE_DATE_EPOCH"))
	if f.noCache {
		attrs["no-cache"] = ""
	}
	if len(f.platforms) > 0 {
		attrs["platform"] = strings.Join(f.platforms, ",")
	}
	for _, pair := range f.args {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			value, ok = os.LookupEnv(name)
		}
		if name == "" || strings.HasPrefix(name, "QUOIT_") {
			return nil, usagef("--build-arg %s: write NAME=VALUE; the QUOIT_ arguments have flags of their own", name)
		}
		if ok {
			attrs["build-arg:"+name] = value
		}
	}
	for _, pair := range f.labels {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usagef("--label %s: write KEY=VALUE", pair)
		}
		attrs["label:"+key] = value
	}
	return attrs, nil
}

func flagValue(on bool) string {
	if on {
		return "1"
	}
	return ""
}
