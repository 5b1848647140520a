//go:build stack

package integration

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/command"
)

// tryBuildx is [buildx] of a build that may fail; output is what it printed, all or nothing but
// its result.
func tryBuildx(t *testing.T, dir string, args ...string) (stdout, output string, code int) {
	t.Helper()
	args = append([]string{
		"build", "-f", "quoit.yaml", "--build-arg", "BUILDKIT_SYNTAX=" + frontendImage(t),
		"--build-arg", "QUOIT_REGISTRY=" + stack.Registry,
	}, args...)
	cmd := stack.Command(t.Context(), "buildx", append(args, ".")...)
	cmd.Dir = dir
	var out, all strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &all
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), out.String() + all.String(), cmd.ProcessState.ExitCode()
}

// TestEveryFlagOfBuildxIsInTheTable: of the pinned version; so are its outputs.
func TestEveryFlagOfBuildxIsInTheTable(t *testing.T) {
	out := run(t, t.TempDir(), "buildx", "build", "--help")
	var flags []string
	for _, found := range regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z-]+)`).FindAllStringSubmatch(out, -1) {
		if found[1] != "help" {
			flags = append(flags, "--"+found[1])
		}
	}
	var rows []string
	for _, row := range stockFlags {
		rows = append(rows, row.name)
	}
	slices.Sort(flags)
	slices.Sort(rows)
	if diff := cmp.Diff(flags, rows); diff != "" || len(flags) < 30 {
		t.Errorf("flags of buildx build (-help +table):\n%s", diff)
	}
}

func TestFlagsMeanWhatTheyMean(t *testing.T) {
	dir, prefix := small(t)
	own := stack.Ref(repository(prefix) + "-own/out")
	refused := func(t *testing.T, words []string, args ...string) {
		t.Helper()
		_, out, code := tryBuildx(t, dir, args...)
		for _, word := range words {
			if code == 0 || !strings.Contains(out, word) {
				t.Errorf("%q: exit code %d, want an error with %q:\n%s", args, code, word, out)
			}
		}
	}
	t.Run("a platform that the manifest lacks is refused", func(t *testing.T) {
		refused(t, []string{"image deploy is not built for linux/arm64, but for linux/amd64", "platforms:"}, "--platform", "linux/amd64,linux/arm64", "--push", "-t", own+":1")
		refused(t, []string{"image base is not built for linux/s390x"}, "--target", "base", "--platform", "linux/s390x", "--push", "-t", own+":1")
		for _, command := range []string{"plan", "build"} {
			if _, stderr, code := quoit(t, dir, command, "--platform", "linux/amd64,linux/s390x"); code != 1 || !strings.Contains(stderr, "is built for linux/s390x, but for linux/amd64") {
				t.Errorf("quoit %s: exit code %d\n%s", command, code, stderr)
			}
		}
	})
	t.Run("several images are not put under one name", func(t *testing.T) {
		oci := filepath.Join(t.TempDir(), "out.tar")
		for _, args := range [][]string{{"-t", own + ":star", "--push"}, {"--provenance=false", "-t", own + ":star", "--push"}, {"-o", "type=oci,dest=" + oci}} {
			refused(t, []string{"several-images-under-one-name", "target"}, append(args, "--target", "*")...)
		}
		if out, err := stack.Command(t.Context(), "crane", "digest", own+":star").CombinedOutput(); err == nil {
			t.Errorf("it was pushed: %s", out)
		}
		if _, out, code := tryBuildx(t, dir, "--target", "*"); code != 0 {
			t.Errorf("without an output it fails:\n%s", out)
		}
	})
	t.Run("a filter runs the steps of an image anew", func(t *testing.T) {
		cached := func(args ...string) bool {
			out := buildx(t, dir, append(args, "--target", "base")...)
			at := strings.Index(out, "[base 2/2] RUN echo base > /base\n")
			if at < 0 {
				t.Fatalf("there is no step of base:\n%s", out)
			}
			step := regexp.MustCompile(`(?m)^(#\d+) \[base 2/2\]`).FindStringSubmatch(out)[1]
			return strings.Contains(out, step+" CACHED")
		}
		cached()
		if !cached() || cached("--no-cache-filter", "base") || !cached("--no-cache-filter", "s000") {
			t.Error("the wrong image's steps were run anew")
		}
		refused(t, []string{"--no-cache-filter", `names "bas", which is not an image`, `did you mean "base"?`}, "--no-cache-filter", "bas")
		if _, stderr, code := quoit(t, dir, "build", "--progress", "plain", "--no-cache-filter", "base"); code != 0 || strings.Contains(stderr, "CACHED") && !strings.Contains(stderr, "RUN echo base > /base\n") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
	t.Run("a request is answered once, by both of its names", func(t *testing.T) {
		out, all, code := tryBuildx(t, dir, "--call=quoit.plan")
		if n := strings.Count(out, "s000"); code != 0 || n == 0 || strings.Count(all, out) != 1 {
			t.Errorf("exit code %d, it prints\n%s", code, all)
		}
		for _, name := range []string{"quoit.plan", "frontend.quoit.plan"} {
			// It prints no answer, but fails where there is none.
			run(t, dir, "buildctl", "build", "--progress=quiet", "--frontend=gateway.v0", "--opt", "source="+frontendImage(t), "--opt", "filename=quoit.yaml",
				"--opt", "requestid="+name, "--opt", "build-arg:QUOIT_REGISTRY="+stack.Registry, "--local", "context=.", "--local", "dockerfile=.")
		}
	})
	publish(t, dir, prefix, "developers")
	t.Run("a label on an unchanged image is there", func(t *testing.T) {
		buildx(t, dir, "--target", "base", "--provenance=false", "--label", "team=checkout", "--annotation", "team=checkout", "-t", own+":labelled", "--push")
		want, got := config(t, prefix+"/base:0.1.0"), config(t, own+":labelled")
		if got.Config.Labels["team"] != "checkout" {
			t.Errorf("labels %v", got.Config.Labels)
		}
		delete(got.Config.Labels, "team")
		if diff := cmp.Diff(want.Config, got.Config) + cmp.Diff(want.RootFS, got.RootFS); diff != "" {
			t.Errorf("(-registry +pushed):\n%s", diff)
		}
	})
}

func TestChecksOfStockClients(t *testing.T) {
	dir, prefix := small(t)
	write(t, dir, "base/Dockerfile", "FROM scratch\nMAINTAINER ann\n")
	write(t, dir, "services/s000/Dockerfile", "FROM "+prefix+"/base\nCOPY main.txt /\n")
	for _, args := range [][]string{{"--check"}, {"--call=check"}, {"--call=check,format=json"}, {"--check", "--target", "base"}} {
		out, all, code := tryBuildx(t, dir, args...)
		if code != 1 || !strings.Contains(out, "MaintainerDeprecated") || !strings.Contains(out, "base/Dockerfile") {
			t.Errorf("%q: exit code %d\n%s", args, code, all)
		}
	}
	stdout, stderr, code := quoit(t, dir, "build", "--check")
	_, stock, _ := tryBuildx(t, dir, "--check")
	if code != 1 || !strings.Contains(stock, stdout) {
		t.Errorf("exit code %d, quoit says\n%s%s\nbuildx says\n%s", code, stdout, stderr, stock)
	}
	write(t, dir, "base/Dockerfile", "FROM scratch\nCOPY\n")
	if _, all, code := tryBuildx(t, dir, "--check"); code != 1 || !strings.Contains(all, "base/Dockerfile:2") || !strings.Contains(all, "COPY requires at least two arguments") {
		t.Errorf("of what does not compile: exit code %d\n%s", code, all)
	}
	write(t, dir, "base/Dockerfile", "FROM scratch\nCOPY f /\n")
	write(t, dir, "base/f", "")
	if out, all, code := tryBuildx(t, dir, "--check"); code != 0 || !strings.Contains(out, "Check complete, no warnings found.") {
		t.Errorf("exit code %d\n%s", code, all)
	}
	if stdout, stderr, code := quoit(t, dir, "build", "--check"); code != 0 || stdout != "Check complete, no warnings found.\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// alarms are the lines of a successful build that look like its failure.
func alarms(out string) (lines []string) {
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "ERROR") || strings.Contains(line, "not found") || strings.HasPrefix(line, "-----") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestASuccessfulBuildPrintsNoErrors(t *testing.T) {
	dir, _ := small(t)
	out := buildx(t, dir)
	found := alarms(out)
	if n := strings.Count(strings.Join(found, "\n"), "ERROR"); n > 1 {
		t.Errorf("before the first release a stock client prints %d errors:\n%s", n, strings.Join(found, "\n"))
	}
	for _, line := range found {
		if strings.Contains(line, "not found") && !strings.Contains(line, "/records:records") {
			t.Errorf("it prints %q", line)
		}
	}
	if len(found) > 0 && !strings.Contains(out, "is no error") {
		t.Errorf("nothing says that this is no error:\n%s", out)
	}
	for _, mode := range []string{"plain", "auto"} {
		for _, args := range [][]string{{"plan"}, {"build"}, {"build", "--push"}, {"build", "--push"}} {
			stdout, stderr, code := quoit(t, dir, append(args, "--progress", mode)...)
			if found := alarms(stdout + stderr); code != 0 || len(found) > 0 {
				t.Errorf("quoit %q --progress %s: exit code %d, %q\n%s", args, mode, code, found, stderr)
			}
			if args[0] == "build" && len(args) > 1 && strings.Contains(stderr, "exporting to image") {
				t.Errorf("the export of an image does not name it:\n%s", stderr)
			}
		}
		edit(t, dir, mode)
	}
	if found := alarms(buildx(t, dir)); len(found) > 0 {
		t.Errorf("with a release a stock client prints %q", found)
	}
}

// TestFlagsOfTheClient: what a client does itself works as with a container file.
func TestFlagsOfTheClient(t *testing.T) {
	dir, _ := small(t)
	write(t, dir, "base/Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=token cat /run/secrets/token >/token\nRUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\" && echo base >/base\n")
	out := t.TempDir()
	write(t, out, "token", "hunter2\n")
	agent := filepath.Join(os.TempDir(), "a"+rand.Text()[:8])
	listener, err := net.Listen("unix", agent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	given := []string{"--target", "base", "--secret", "id=token,src=" + out + "/token", "--ssh", "default=" + agent}
	buildx(t, dir, append(given, "-o", "type=local,dest="+out+"/base", "--cache-to", "type=local,dest="+out+"/cache", "--policy", "disabled=true", "--debug")...)
	if got := content(t, out+"/base/token") + content(t, out+"/base/base"); got != "hunter2\nbase\n" {
		t.Errorf("the image has %q", got)
	}
	if content(t, out+"/cache/index.json") == "" {
		t.Error("there is no cache")
	}
	printed := buildx(t, dir, append(given, "--no-cache", "--cache-from", "type=local,src="+out+"/cache")...)
	if !strings.Contains(printed, "importing cache manifest") || regexp.MustCompile(`RUN .*\n#\d+ CACHED`).MatchString(printed) {
		t.Errorf("with --no-cache and --cache-from it prints\n%s", printed)
	}
	stdout, all, code := tryBuildx(t, dir, append(given, "--quiet", "--iidfile", out+"/id", "-o", "type=image,name=out,push=false")...)
	id, err := os.ReadFile(out + "/id")
	if err != nil || code != 0 || !strings.HasPrefix(string(id), "sha256:") || !strings.HasPrefix(stdout, string(id)+"\n") {
		t.Errorf("error %v, exit code %d, the ID is %q, it prints\n%s", err, code, id, all)
	}
	if _, all, code := tryBuildx(t, dir, append(given, "--allow", "security.insecure")...); code == 0 || !strings.Contains(all, "security.insecure is not allowed") {
		t.Errorf("what the builder does not allow: exit code %d\n%s", code, all)
	}
	if _, all, code := tryBuildx(t, dir, append(given, "--builder", "nobody")...); code == 0 || !strings.Contains(all, `no builder "nobody" found`) {
		t.Errorf("a builder that there is not: exit code %d\n%s", code, all)
	}
}

func TestOutputsOfStockClients(t *testing.T) {
	dir, prefix := small(t)
	out := t.TempDir()
	for _, output := range stockOutputs {
		value := "type=" + output.name
		switch output.name {
		case "registry", "image":
			value += ",name=" + prefix + "-out/" + output.name + ":1"
		case "cacheonly":
		default:
			value += ",dest=" + out + "/" + output.name
		}
		buildx(t, dir, "--target", "base", "--provenance=false", "-o", value)
		if strings.Contains(value, "dest=") {
			if _, err := os.Stat(out + "/" + output.name); err != nil {
				t.Errorf("%s: %v", value, err)
			}
		}
	}
	digestOf(t, prefix+"-out/registry:1")
	buildx(t, dir, "--target", "*", "-o", "type=tar,dest="+out+"/all.tar")
	if listed := run(t, out, "tar", "-tf", "all.tar"); !strings.Contains(listed, "base/base\n") || !strings.Contains(listed, "s000/main.txt\n") {
		t.Errorf("the archive of all has\n%s", listed)
	}
}

func TestEveryInstructionIsAsStockBuildsIt(t *testing.T) {
	dir, prefix := small(t)
	base := "FROM busybox\nONBUILD ENV TRIGGERED=yes\n"
	image := `FROM BASE AS build
ARG GREETING=hello
ENV A=1
RUN echo $GREETING >/greeting
FROM BASE
LABEL team=checkout
MAINTAINER ann
ENV B=2 C=3
COPY --from=build /greeting /greeting
COPY main.txt /
ADD main.txt /added/
WORKDIR /work
EXPOSE 80/tcp 81/udp
VOLUME /data
USER 1000:1000
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["cat"]
CMD /greeting
`
	for name := range command.Commands {
		if !regexp.MustCompile(`(?m)^` + strings.ToUpper(name) + ` `).MatchString(base + image) {
			t.Errorf("%s is not tried", name)
		}
	}
	write(t, dir, "base/Dockerfile", base)
	write(t, dir, "services/s000/Dockerfile", strings.ReplaceAll(image, "BASE", "base"))
	own := prefix + "-out/"
	buildx(t, dir, "--target", "s000", "--provenance=false", "-t", own+"ours:1", "--push")
	run(t, dir, "buildx", "build", "--provenance=false", "-t", own+"base:1", "--push", "base")
	write(t, dir, "services/s000/Stockfile", strings.ReplaceAll(image, "BASE", own+"base:1"))
	run(t, dir, "buildx", "build", "--provenance=false", "-t", own+"stock:1", "--push", "-f", "services/s000/Stockfile", "services/s000")
	ours, stock := config(t, own+"ours:1"), config(t, own+"stock:1")
	if ours.Config.Labels["team"] != "checkout" {
		t.Errorf("labels %v", ours.Config.Labels)
	}
	ours.Config.Labels = stock.Config.Labels
	if diff := cmp.Diff(stock.Config, ours.Config); diff != "" {
		t.Errorf("config (-stock +quoit):\n%s", diff)
	}
	steps := func(c *v1.ConfigFile) (all []string) {
		for _, h := range c.History {
			all = append(all, h.CreatedBy)
		}
		return all
	}
	if diff := cmp.Diff(steps(stock), steps(ours)); diff != "" {
		t.Errorf("steps (-stock +quoit):\n%s", diff)
	}
	for _, file := range []string{"/greeting", "/main.txt", "/added/main.txt"} {
		if a, b := string(extract(t, own+"stock:1", file)), string(extract(t, own+"ours:1", file)); a != b {
			t.Errorf("%s is %q, of stock %q", file, b, a)
		}
	}
}
