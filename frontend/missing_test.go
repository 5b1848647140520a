package frontend

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is copied or mounted of a context has to be there.
func TestSourcesThatAreNotThere(t *testing.T) {
	quoit := strings.Replace(shop["quoit.yaml"], "{context: web,", "{context: web, target: last,", 1)
	for _, test := range []struct {
		name   string
		files  map[string]string
		places []string
		words  []string
	}{
		{"a copy", map[string]string{"api/Dockerfile": "FROM base\nCOPY f g /\n"}, []string{"api/Dockerfile:2:1"}, []string{"image api: there is no g in the context api", "put it there"}},
		{"a copy in a folder", map[string]string{"api/Dockerfile": "FROM base\n\nADD src/main.go /\n"}, []string{"api/Dockerfile:3:1"}, []string{"there is no src/main.go in the context api"}},
		{"a mount", map[string]string{"api/Dockerfile": "FROM base\nRUN --mount=type=bind,source=gone,target=/x ls /x\n"}, []string{"api/Dockerfile:2:1"}, []string{"there is no gone in the context api"}},
		{"an earlier stage", map[string]string{"web/Dockerfile": "FROM scratch AS one\nCOPY x /\nFROM scratch AS last\nCOPY --from=one /x /\n", "quoit.yaml": quoit}, []string{"web/Dockerfile:2:1"}, nil},
		{"an ignored file", map[string]string{"api/.dockerignore": "f\n"}, []string{"api/Dockerfile:3:1"}, []string{"there is no f in the context api", "or let the ignore file leave it in"}},
		{"an ignored folder", map[string]string{"api/.dockerignore": "!other\nd\n", "api/d/e/x": "x", "api/Dockerfile": "FROM base\nCOPY d /\n"}, []string{"api/Dockerfile:2:1"}, []string{"there is no d in the context api"}},
		{"a copy with its parents", map[string]string{"api/Dockerfile": "FROM base\nCOPY f /\nCOPY --parents f d/gone /\n"}, []string{"api/Dockerfile:3:1"}, []string{"there is no d/gone in the context api"}},
		{"a copy with some of its parents", map[string]string{"api/Dockerfile": "FROM base\nCOPY --parents d/./x /\n"}, []string{"api/Dockerfile:2:1"}, []string{"there is no d/x in the context api"}},
		{"an ignored file with its parents", map[string]string{"api/.dockerignore": "d\n", "api/d/x": "x", "api/Dockerfile": "FROM base\nCOPY --parents d/x /\n"}, []string{"api/Dockerfile:2:1"}, []string{"there is no d/x in the context api", "or let the ignore file leave it in"}},
		{"two images", map[string]string{"api/Dockerfile": "FROM base\nCOPY g /\n", "web/Dockerfile": "FROM scratch\nCOPY h i /\n"}, []string{"api/Dockerfile:2:1", "web/Dockerfile:2:1"}, []string{"no g in", "no h in", "no i in"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, shop)
			for name, text := range test.files {
				w.write(name, text)
			}
			for _, o := range []Options{{Request: RequestPlan}, {}} {
				if diff := cmp.Diff(test.places, excerpts(t, w.fails(o, test.words...))); diff != "" {
					t.Errorf("places (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// What BuildKit takes is no mistake.
func TestSourcesThatNeedNotBeThere(t *testing.T) {
	w := newWorld(t, shop)
	w.write("api/.dockerignore", "d\n!d/e/x\n")
	w.write("api/d/e/x", "of a folder that is ignored")
	w.write("api/Dockerfile", "FROM base\nCOPY f d /\n")
	w.write("web/Dockerfile", "FROM scratch AS other\nCOPY gone /\nFROM nginx:1 AS assets\nCOPY f go*.mod lib/*/x /\nCOPY --parents f g*/x */./y /\nFROM scratch\nCOPY --from=assets /nowhere f* /\nCOPY . /all\n")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.0 new", "base 0.1.0 new", "deploy 0.1.0 new", "web 0.1.0 new")
}
