package llb

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	bk "github.com/moby/buildkit/client/llb"
)

// withFiles adds files with fixed modes and times as one layer.
func withFiles(st bk.State, files map[string][]byte, c *Compiled) bk.State {
	var action *bk.FileAction
	created := bk.WithCreatedTime(time.Unix(0, 0))
	made := map[string]bool{"/": true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir := path.Dir(name); !made[dir] {
			made[dir] = true
			action = mkdir(action, dir, created)
		}
		if action == nil {
			action = bk.Mkfile(name, 0o644, files[name], created)
		} else {
			action = action.Mkfile(name, 0o644, files[name], created)
		}
	}
	names := strings.Join(slices.Sorted(maps.Keys(files)), " ")
	return st.File(action, bk.WithCustomName("["+c.Source.Name+"] "+names))
}

func mkdir(action *bk.FileAction, dir string, created bk.CreatedTime) *bk.FileAction {
	if action == nil {
		return bk.Mkdir(dir, 0o755, bk.WithParents(true), created)
	}
	return action.Mkdir(dir, 0o755, bk.WithParents(true), created)
}
