package llb

import (
	"path"
	"slices"
	"testing"

	bk "github.com/moby/buildkit/client/llb"
)

func TestContext(t *testing.T) {
	project := bk.Local("context", bk.SessionID("s"))
	for _, c := range []struct {
		name    string
		source  Source
		applied bool
		copied  bool
	}{
		{"the root is the project itself", Source{Context: "."}, false, false},
		{"the root with an ignore file that is applied is the project itself", Source{Context: ".", Ignore: []string{"x"}}, true, false},
		{"the root with an ignore file is a copy", Source{Context: ".", Ignore: []string{"x"}}, false, true},
		{"a folder is a copy", Source{Context: "a", Ignore: []string{"x"}}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			def, err := Context(project, c.source, c.applied).Marshal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, byDigest := ops(t, def.ToPB())
			copied := false
			for _, op := range byDigest {
				if file := op.GetFile(); file != nil {
					copied = true
					action := file.Actions[0].GetCopy()
					if action.Src != path.Join("/", c.source.Context) || !slices.Equal(action.ExcludePatterns, c.source.Ignore) || !action.DirCopyContents {
						t.Errorf("the copy is %v", action)
					}
				}
			}
			if copied != c.copied {
				t.Errorf("a copy: %t, want %t", copied, c.copied)
			}
		})
	}
}
