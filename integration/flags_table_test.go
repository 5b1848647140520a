package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/command"
)

// stockRow is something that stock builds know, what it does to a project, and the test that
// shows it.
type stockRow struct{ name, does, test string }

// stockFlags are those of `docker buildx build`.
var stockFlags = []stockRow{
	{"--add-host", "every step knows the host", "TestFlagsReachEveryStep"},
	{"--allow", "the client's own; a step of any image may then ask for it", "TestFlagsOfTheClient"},
	{"--annotation", "the exporter sets it on what is exported, also on an unchanged image", "TestFlagsMeanWhatTheyMean"},
	{"--attest", "SBOM and provenance of what is exported", "TestAttestations"},
	{"--build-arg", "every container file that declares it gets it; `QUOIT_…` steer the build", "TestFlagsReachEveryStep"},
	{"--build-context", "`NAME=docker-image://…` for every image; a folder is refused: name it in the manifest", "TestNamedContexts"},
	{"--builder", "the client's own", "TestFlagsOfTheClient"},
	{"--cache-from", "imported for what is built", "TestFlagsOfTheClient"},
	{"--cache-to", "exported of what is built", "TestFlagsOfTheClient"},
	{"--call", "`check`, `outline`, `targets`, `quoit.plan`, `quoit.graph`, `quoit.schema`; each is answered once", "TestRequestsOfStockClients"},
	{"--cgroup-parent", "of every step", "TestFlagsReachEveryStep"},
	{"--check", "the [checks](checks.md) of all images, or of the target", "TestChecksOfStockClients"},
	{"--debug", "the client's own", "TestFlagsOfTheClient"},
	{"--file", "names the manifest, which names the container files", "TestStockClients"},
	{"--iidfile", "of the one image that is exported", "TestFlagsOfTheClient"},
	{"--label", "on every image that is exported, also on an unchanged one; what Quoit sets itself is overruled, with a warning", "TestFlagsMeanWhatTheyMean"},
	{"--load", "as `--output type=docker`: one image, see `--target`", "TestOutputsOfStockClients"},
	{"--metadata-file", "has the plan too, under `frontend.quoit.plan`", "TestEveryFrontDoorGivesTheSamePlan"},
	{"--network", "of every step", "TestFlagsReachEveryStep"},
	{"--no-cache", "every step runs, and every file is sent anew", "TestFlagsOfTheClient"},
	{"--no-cache-filter", "`IMAGE` or `IMAGE/STAGE`, whose steps run; another name is refused", "TestFlagsMeanWhatTheyMean"},
	{"--output", "see below", "TestOutputsOfStockClients"},
	{"--platform", "narrows what is built, is never a reason to build; one that the manifest lacks is refused", "TestFlagsMeanWhatTheyMean"},
	{"--policy", "the client's own: its policy is asked for every source", "TestFlagsOfTheClient"},
	{"--progress", "the client's own", "TestASuccessfulBuildPrintsNoErrors"},
	{"--provenance", "as `--attest type=provenance`", "TestAttestations"},
	{"--pull", "external images follow their tags in later rings too", "TestAttributesOfStockClients"},
	{"--push", "pushes what is exported under `--tag`; it publishes no release", "TestStockClientsAndUnchangedImages"},
	{"--quiet", "the client's own: it prints the ID, and after it the plan; a script reads `--iidfile`", "TestFlagsOfTheClient"},
	{"--resource", "of every step", "TestFlagsReachEveryStep"},
	{"--sbom", "as `--attest type=sbom`", "TestAttestations"},
	{"--secret", "for the steps that ask for it", "TestFlagsOfTheClient"},
	{"--shm-size", "of every step", "TestFlagsReachEveryStep"},
	{"--ssh", "for the steps that ask for it", "TestFlagsOfTheClient"},
	{"--tag", "names the one image that is exported; with `--target '*'` it is refused", "TestFlagsMeanWhatTheyMean"},
	{"--target", "`IMAGE`, `IMAGE/STAGE`, or `'*'` for all, into a folder", "TestStockClients"},
	{"--ulimit", "of every step", "TestFlagsReachEveryStep"},
}

// stockOutputs are the types of --output.
var stockOutputs = []stockRow{
	{"cacheonly", "builds, and exports nothing", "TestOutputsOfStockClients"},
	{"docker", "one image, as an archive or into the engine", "TestOutputsOfStockClients"},
	{"image", "one image, into the builder's store, or pushed; `name=*` names a changed one by its repository and version", "TestStockClients"},
	{"local", "the files of one image; with `--target '*'` a folder for each", "TestStockClients"},
	{"oci", "one image, as an archive or a folder", "TestOutputsOfStockClients"},
	{"registry", "one image, pushed", "TestOutputsOfStockClients"},
	{"tar", "the files of one image; with `--target '*'` a folder for each", "TestOutputsOfStockClients"},
}

// stockInstructions are those of container files whose meaning has more to it than BuildKit's.
var stockInstructions = map[string]string{
	command.Add:     "as BuildKit; an address or a git reference is an external that a release records",
	command.Arg:     "as BuildKit; one that a reachable stage declares counts in the revision",
	command.Copy:    "as BuildKit; `--from` may name an image of the project",
	command.From:    "as BuildKit; it may name an image of the project, by its name or its repository",
	command.Label:   "as BuildKit; the labels that Quoit sets itself are overruled, with a warning",
	command.Onbuild: "as BuildKit, for images of the project too: it counts in the revisions of those that build on them",
	command.Run:     "as BuildKit; `--mount=from` may name an image of the project",
}

// TestFlagsPage: docs/flags.md is made of the tables, and every test that they name is there.
func TestFlagsPage(t *testing.T) {
	var instructions []stockRow
	for _, name := range slices.Sorted(maps.Keys(command.Commands)) {
		does := stockInstructions[name]
		if does == "" {
			does = "as BuildKit"
		}
		instructions = append(instructions, stockRow{strings.ToUpper(name), does, "TestEveryInstructionIsAsStockBuildsIt"})
	}
	there := testsOf(t)
	const page = "../docs/flags.md"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	for name, rows := range map[string][]stockRow{"flags": stockFlags, "outputs": stockOutputs, "instructions": instructions} {
		var table bytes.Buffer
		fmt.Fprintf(&table, "| %s | in a project | test |\n| --- | --- | --- |\n", strings.TrimSuffix(name, "s"))
		for _, row := range rows {
			if !there[row.test] {
				t.Errorf("%s: there is no test %s", row.name, row.test)
			}
			fmt.Fprintf(&table, "| `%s` | %s | `%s` |\n", row.name, row.does, row.test)
		}
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, found := strings.Cut(rest, end)
		if !ok || !found {
			t.Fatalf("%s has no place for the %s", page, name)
		}
		want = before + begin + table.String() + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("%s differs from the tables; go test -run FlagsPage ./integration -update writes it anew (-tables +page):\n%s", page, diff)
	}
}

// testsOf are the tests of this module.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, match := range declared.FindAllSubmatch(data, -1) {
			found[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
