package frontend

import (
	"strings"
	"testing"

	bk "github.com/moby/buildkit/client/llb"

	"github.com/quoitbuild/quoit/llb"
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
			revisions[revisionOf([]*llb.Compiled{{Source: source, Args: []string{name}}}, revision.EmptyTree)] = true
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
