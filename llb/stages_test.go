package llb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// chain is a container file of stages that each use the one before.
func chain(stages int, use string) string {
	file := "FROM busybox AS s0\nARG X\nRUN true\n"
	for i := 1; i < stages; i++ {
		file += fmt.Sprintf("FROM s%d AS s%d\n", i-1, i) + strings.ReplaceAll(use, "BEFORE", fmt.Sprint("s", i-1))
	}
	return file
}

func TestStagesThatUseEachOtherInManyWays(t *testing.T) {
	given := func(s *Source) { s.Args = map[string]string{"X": "1"} }
	for name, use := range map[string]string{
		"COPY":    "COPY --from=BEFORE /a /b\n",
		"mounts":  "RUN --mount=from=BEFORE,target=/b true\n",
		"ONBUILD": "ONBUILD COPY --from=BEFORE /a /b\n",
		"numbers": "COPY --from=0 /a /b\nCOPY --from=BEFORE /a /b\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompiler(map[string]string{"api": chain(40, use)}, given)
			_, err := c.All(t.Context())
			if err == nil || !strings.Contains(err.Error(), "image api: api/Dockerfile: its stages use each other") {
				t.Errorf("got error %v, want one that names the file", err)
			}
			if _, err := c.Outline(t.Context(), "api"); err == nil {
				t.Error("it has an outline")
			}
		})
	}
	for name, file := range map[string]string{
		"many stages on each other":        chain(100, "COPY x /\n"),
		"a stage that is used many times":  chain(10, strings.Repeat("COPY --from=s0 /a /b\n", 100)),
		"many ways that are not built":     chain(40, "COPY --from=BEFORE /a /b\n") + "FROM busybox\nARG X\nCOPY x /\n",
		"stages in a circle of no account": "FROM busybox AS a\nARG X\nRUN true\nFROM a\nCOPY --from=0 /a /b\n",
	} {
		t.Run(name, func(t *testing.T) {
			api := compiled(t, newCompiler(map[string]string{"api": file}, given))["api"][0]
			if diff := cmp.Diff([]string{"X"}, api.Args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}
