package frontend

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/subrequests/lint"

	"github.com/quoitbuild/quoit/frontend/check"
)

// checked is what `--check` says: "FILE:LINE RULE", the text, and the exit code.
func (w *world) checked(o Options) (found []string, text, code string) {
	w.t.Helper()
	o.Request = lint.RequestLint
	res, err := w.run(o)
	w.must(err)
	results, err := check.Parse(res.Metadata["result.json"])
	w.must(err)
	for _, warning := range results.Warnings {
		file, line := results.Sources[warning.Location.SourceIndex].Filename, int32(0)
		if ranges := warning.Location.Ranges; len(ranges) > 0 {
			line = ranges[0].Start.Line
		}
		found = append(found, fmt.Sprintf("%s:%d %s", file, line, warning.RuleName))
	}
	text = string(res.Metadata["result.txt"])
	if results.Error != nil {
		text += results.Error.Message
	}
	if version := string(res.Metadata["version"]); version <= lint.SubrequestLintDefinition.Version {
		w.t.Errorf("the version %s is one of which buildx prints the manifest's name for every file", version)
	}
	return found, text, string(res.Metadata["result.statuscode"])
}

// clean is shop without anything to warn of.
func clean(files map[string]string) map[string]string {
	all := maps.Clone(shop)
	all["base/Dockerfile"] = "FROM busybox:1.37\nCOPY f /\n"
	maps.Copy(all, files)
	return all
}

func TestChecks(t *testing.T) {
	root := func(text string) string { return strings.Replace(shop["quoit.yaml"], "base: base", text, 1) }
	named := "images:\n- name: api\n  newTag: x\n- name: web\n"
	remote := "https://example.com/f.tar"
	for name, test := range map[string]struct {
		files map[string]string
		o     Options
		want  []string
	}{
		"nothing is wrong":               {},
		"by BuildKit's rules":            {files: map[string]string{"web/Dockerfile": "FROM scratch\nMAINTAINER ann\ncopy f /\n", "api/Dockerfile": "FROM base as x\nCOPY f /\n"}, want: []string{"api/Dockerfile:1 FromAsCasing", "web/Dockerfile:2 MaintainerDeprecated", "web/Dockerfile:3 ConsistentInstructionCasing"}},
		"of stages that are not reached": {files: map[string]string{"web/Dockerfile": "FROM scratch AS Other\nCOPY f /\nFROM scratch\nCOPY f /\n"}, want: []string{"web/Dockerfile:1 StageNameCasing"}},
		"one image":                      {files: map[string]string{"web/Dockerfile": "FROM scratch\nMAINTAINER ann\n", "api/Dockerfile": "FROM base\nMAINTAINER ann\n"}, o: Options{Target: "api"}, want: []string{"api/Dockerfile:2 MaintainerDeprecated"}},
		"one stage":                      {files: map[string]string{"web/Dockerfile": "FROM scratch AS other\nWORKDIR rel\nFROM scratch AS x\n"}, o: Options{Target: "web/x"}},
		"another":                        {files: map[string]string{"web/Dockerfile": "FROM scratch AS other\nWORKDIR rel\nFROM scratch AS x\n"}, o: Options{Target: "web/other"}, want: []string{"web/Dockerfile:2 WorkdirRelativePath"}},
		"a file that two images share":   {files: map[string]string{"quoit.yaml": root("base: {context: web}"), "web/Dockerfile": "FROM scratch\nMAINTAINER ann\n"}, want: []string{"web/Dockerfile:2 MaintainerDeprecated"}},
		"skipped by the file":            {files: map[string]string{"web/Dockerfile": "# check=skip=MaintainerDeprecated\nFROM scratch\nMAINTAINER ann\n"}},
		"skipped by an argument":         {files: map[string]string{"web/Dockerfile": "FROM scratch\nMAINTAINER ann\n", "base/Dockerfile": "FROM busybox\n"}, o: Options{Args: map[string]string{ArgCheck: "skip=all"}}},

		"an image without a tag":               {files: map[string]string{"base/Dockerfile": "FROM busybox\n"}, want: []string{"base/Dockerfile:1 UnpinnedExternal"}},
		"by an argument":                       {files: map[string]string{"base/Dockerfile": "ARG B=busybox:latest\nFROM $B\n"}, want: []string{"base/Dockerfile:2 UnpinnedExternal"}},
		"one that is copied from":              {files: map[string]string{"base/Dockerfile": "FROM scratch\nCOPY --from=busybox /f /\n"}, want: []string{"base/Dockerfile:2 UnpinnedExternal"}},
		"with a digest":                        {files: map[string]string{"base/Dockerfile": "FROM busybox@sha256:" + strings.Repeat("a", 64) + "\n"}},
		"skipped":                              {files: map[string]string{"base/Dockerfile": "# check=skip=UnpinnedExternal\nFROM busybox\n"}},
		"an external of the manifest":          {files: map[string]string{"quoit.yaml": strings.Replace(shop["quoit.yaml"], "postgres:17", "postgres:latest", 1)}, want: []string{"quoit.yaml:10 UnpinnedExternal"}},
		"skipped by the manifest":              {files: map[string]string{"quoit.yaml": "# check=skip=UnpinnedExternal\n" + strings.Replace(shop["quoit.yaml"], "postgres:17", "postgres:latest", 1)}},
		"an address without a checksum":        {files: map[string]string{"web/Dockerfile": "FROM scratch\nADD " + remote + " /\n"}, want: []string{"web/Dockerfile:2 AddWithoutChecksum"}},
		"and with one":                         {files: map[string]string{"web/Dockerfile": "FROM scratch\nADD --checksum=sha256:" + strings.Repeat("a", 64) + " " + remote + " /\n"}},
		"the manifest is copied":               {files: map[string]string{"quoit.yaml": root("base: {context: ., file: base/Dockerfile}"), "base/Dockerfile": "FROM scratch\nCOPY base /base\nCOPY . /all\n"}, want: []string{"base/Dockerfile:3 CopyTakesManifest"}},
		"by a wildcard":                        {files: map[string]string{"quoit.yaml": root("base: {context: ., file: base/Dockerfile}"), "base/Dockerfile": "FROM scratch\nCOPY *.yaml /\n"}, want: []string{"base/Dockerfile:2 CopyTakesManifest"}},
		"it is meant":                          {files: map[string]string{"quoit.yaml": root("base: {context: ., file: base/Dockerfile}"), "base/Dockerfile": "FROM scratch\nCOPY quoit.yaml /\n"}},
		"it is ignored":                        {files: map[string]string{"quoit.yaml": root("base: {context: ., file: base/Dockerfile}"), "base/Dockerfile": "FROM scratch\nCOPY . /all\n", ".dockerignore": "quoit.yaml\n"}},
		"it is excluded":                       {files: map[string]string{"quoit.yaml": root("base: {context: ., file: base/Dockerfile}"), "base/Dockerfile": "FROM scratch\nCOPY --exclude=*.yaml . /all\n"}},
		".git is copied":                       {files: map[string]string{"quoit.yaml": root("base: {context: ., file: base/Dockerfile}"), ".git/HEAD": "x", "base/Dockerfile": "FROM scratch\nCOPY . /all\n", ".dockerignore": "quoit.yaml\n"}, want: []string{"base/Dockerfile:2 CopyTakesGit"}},
		"an image that nothing uses":           {files: map[string]string{"quoit.yaml": root("base: base\n  spare: base"), "deploy/kustomization.yaml": named, "deploy/Dockerfile": "FROM scratch\nCOPY kustomization.yaml /overlays/dev/\n"}, want: []string{"quoit.yaml:6 UnusedImage"}},
		"the root image's files name no image": {files: map[string]string{"quoit.yaml": root("base: base\n  spare: base")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, clean(test.files))
			w.down() // nothing of the project's registry is asked
			got, text, code := w.checked(test.o)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, text)
			}
			if (code == "1") != (len(test.want) > 0) {
				t.Errorf("exit code %s", code)
			}
			for _, at := range test.want {
				file, _, _ := strings.Cut(at, " ")
				if !strings.Contains(text, file+"\n") {
					t.Errorf("the text does not name %s:\n%s", file, text)
				}
			}
			if warnings := w.Warnings(); len(warnings) > 0 {
				t.Errorf("it is said twice: %q", warnings)
			}
		})
	}
}

// TestChecksOfWhatDoesNotCompile: the mistake is in the answer, with its own file's name, beside
// the warnings of the others; who builds on it has none.
func TestChecksOfWhatDoesNotCompile(t *testing.T) {
	w := newWorld(t, clean(map[string]string{"base/Dockerfile": "FROM scratch\nCOPY\n", "web/Dockerfile": "FROM scratch\nMAINTAINER ann\n"}))
	got, text, code := w.checked(Options{})
	if diff := cmp.Diff([]string{"web/Dockerfile:2 MaintainerDeprecated"}, got); diff != "" || code != "1" {
		t.Errorf("exit code %s, (-want +got):\n%s", code, diff)
	}
	if !strings.Contains(text, "image base: ") || !strings.Contains(text, "base/Dockerfile:2\n") || !strings.Contains(text, ">>> COPY") || strings.Contains(text, "image api") {
		t.Errorf("the mistake is told as\n%s", text)
	}
	w.fails(Options{Request: lint.RequestLint, Target: "wbe"}, `there is no image "wbe" in acme/shop; did you mean "web"?`)
	w.fails(Options{Request: lint.RequestLint, Args: map[string]string{ArgCheck: "skp=all"}}, `invalid check option "skp"`)
}
