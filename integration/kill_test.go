//go:build stack

package integration

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// killAt runs a command, and kills it at its k-th request through the proxy that
// match chooses: before it is carried out, or when it is done.
func killAt(t *testing.T, cmd *exec.Cmd, p *proxy.Proxy, k int, match func(proxy.Request) bool, done bool) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	dead, killed := make(chan struct{}), false
	p.Use(proxy.CrashAt(k, match, done, func(r proxy.Request) {
		t.Logf("killed %s %s %s", moment(done), r.Method, r.Path)
		killed = true
		_ = cmd.Process.Kill() // if it is gone already, the test fails below
		<-dead
	}))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	close(dead)
	if !killed || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("it was not killed: exit code %d\n%s", cmd.ProcessState.ExitCode(), output.String())
	}
}
