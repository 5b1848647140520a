//go:build stack

package integration

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

// generated writes a project into a folder of the test: a base, count-2 services
// on it, and a root image. Its images are below prefix.
func generated(t *testing.T, count int) (dir, prefix string) {
	t.Helper()
	dir = t.TempDir()
	own := "t" + strings.ToLower(rand.Text()[:10]) + "/many"
	var m strings.Builder
	fmt.Fprintf(&m, "project: %s\nregistry: registry.example.com\nroot: deploy\nimages:\n  base: base\n  deploy: deploy\n", own)
	write(t, dir, "base/Dockerfile", "FROM busybox\nRUN echo base > /base\n")
	write(t, dir, "deploy/Dockerfile", "FROM scratch\nCOPY overlays /overlays\n")
	write(t, dir, "deploy/overlays/dev/kustomization.yaml", "resources: []\n")
	for i := range count - 2 {
		name := fmt.Sprintf("s%03d", i)
		fmt.Fprintf(&m, "  %s: services/%s\n", name, name)
		write(t, dir, "services/"+name+"/Dockerfile", "FROM registry.example.com/"+own+"/base\nCOPY main.txt /\n")
		write(t, dir, "services/"+name+"/main.txt", "service "+name+"\n")
	}
	write(t, dir, "quoit.yaml", m.String())
	return dir, stack.Ref(own)
}
