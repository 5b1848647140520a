package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// dependencies are all packages that a package of this module links.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "github.com/quoitbuild/quoit/"+pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestPackagesLinkNoMoreThanTheyShould(t *testing.T) {
	pure := []string{"github.com/moby/buildkit", "github.com/google/go-containerregistry", "k8s.io/", "net/http", "os/exec"}
	own := "github.com/quoitbuild/quoit/"
	pureParts := []string{own + "store/records"} // reads and writes nothing by itself
	forbidden := map[string][]string{
		"cmd/quoit-frontend": {
			"github.com/google/go-containerregistry", "k8s.io/", "sigs.k8s.io/", "github.com/fluxcd/", "github.com/spf13/cobra",
			own + "registry", own + "store", own + "builder", own + "deploy", own + "board",
		},
		// It is sent to every builder.
		"cmd/quoit-runner": {"net/http", "os/exec", "google.golang.org/grpc", "github.com/moby/buildkit/client", own + "frontend"},
		// Which objects there should be is known without a cluster.
		"deploy/render": {"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/fluxcd/"},
		"manifest":      pure,
		"graph":         pure,
		"versioning":    pure,
		"labels":        pure,
		"deploy":        pure,
		"board":         pure,
		"store/records": pure,
		"internal/show": pure,
	}
	for pkg, prefixes := range forbidden {
		t.Run(pkg, func(t *testing.T) {
			all := dependencies(t, pkg)
			if len(all) < 10 {
				t.Fatalf("go list names only %v", all)
			}
			for _, dependency := range all {
				if slices.Contains(pureParts, dependency) {
					continue
				}
				for _, prefix := range prefixes {
					if strings.HasPrefix(dependency, prefix) {
						t.Errorf("%s links %s", pkg, dependency)
					}
				}
			}
		})
	}
}
