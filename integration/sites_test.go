//go:build stack

package integration

import (
	"bytes"
	"encoding/json"
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// elsewhere are sites whose clusters do not answer, each in its own way: one is
// away, one takes connections and says nothing, one wants a login that does not
// come. The first follows the ring of eu.
const elsewhere = `
  away: {environment: prod, ring: developers, cluster: away}
  mute: {environment: prod, ring: testers, cluster: mute}
  slow: {environment: prod, ring: testers, cluster: slow}
`

// unanswered writes a kubeconfig that has the contexts of elsewhere too.
func unanswered(t *testing.T) (file string) {
	t.Helper()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	config := decode[map[string]any](t, kubectl(t, "", "config", "view", "--raw", "-o", "json"))
	add := func(list, name, kind string, value map[string]any) {
		all, _ := config[list].([]any)
		config[list] = append(all, map[string]any{"name": name, kind: value})
	}
	for name, address := range map[string]string{"away": "127.0.0.1:1", "mute": mute.Addr().String(), "slow": "127.0.0.1:1"} {
		add("clusters", name, "cluster", map[string]any{"server": "https://" + address})
		add("contexts", name, "context", map[string]any{"cluster": name, "user": name})
	}
	add("users", "slow", "user", map[string]any{"exec": map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": []string{"30"}, "interactiveMode": "Never",
	}})
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "kubeconfig", string(text))
	return filepath.Join(dir, "kubeconfig")
}

// deploysWhereItCan deploys to all sites of the ring, and looks at all sites.
func (s *standIn) deploysWhereItCan() {
	t := s.t
	t.Helper()
	config := unanswered(t)
	replace(t, s.dir, "quoit.yaml", "sites: {eu: ", "sites:"+elsewhere+"  eu: ")
	replace(t, s.dir, "quoit.yaml", "}}", "}")
	run := func(args ...string) (stdout string, code int) {
		var out bytes.Buffer
		cmd := stack.Command(t.Context(), quoitRun, args...)
		cmd.Dir, cmd.Env = s.dir, append(cmd.Env, "KUBECONFIG="+config)
		cmd.Stdout = &out
		_ = cmd.Run() // the code says it; what slow has started keeps no pipe open
		return out.String(), cmd.ProcessState.ExitCode()
	}
	out, code := run("deploy", "--ring", "developers")
	end := regexp.MustCompile(`(?s)eu runs \S+ 1\.0\.0 now\naway: failed: [^\n]*connection refused \(nothing was written to site away\)\neu: at 1\.0\.0\n$`)
	if code != 1 || !end.MatchString(out) {
		t.Errorf("deploying to a ring ends with code %d\n%s", code, out)
	}
	begin := time.Now()
	out, code = run("status", "--sites")
	if took := time.Since(begin); code != 0 || took > 20*time.Second {
		t.Errorf("the status takes %s and ends with code %d", took, code)
	}
	for _, want := range []string{
		`away +developers +1\.0\.0 +- +unreachable: dial tcp 127\.0\.0\.1:1: connect: connection refused`,
		`mute +testers +- +- +unreachable: no answer within 8s`,
		`slow +testers +- +- +unreachable: no answer within 8s`,
		`eu +developers +1\.0\.0 +1\.0\.0 +current`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the status does not say %s:\n%s", want, out)
		}
	}
}
