package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/internal/show"
)

// hookFiles are the executables of a point, in their order: hooks/<point>, then
// what is in the folder hooks/<point>.d. They have to be files that can be
// executed; no link is followed.
func hookFiles(dir, point string) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, folder := range []string{"hooks", "hooks/" + point + ".d"} {
		info, err := root.Lstat(folder)
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("/%s is not a folder", folder)
		}
	}
	names := []string{"hooks/" + point}
	entries, err := fs.ReadDir(root.FS(), "hooks/"+point+".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading /hooks/%s.d: %w", point, err)
	}
	for _, entry := range entries {
		names = append(names, "hooks/"+point+".d/"+entry.Name())
	}
	var files []string
	for _, name := range names {
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading /%s: %w", name, err)
		}
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			return nil, fmt.Errorf("hook /%s is not an executable file", name)
		}
		files = append(files, name)
	}
	slices.Sort(files)
	return files, nil
}

// runFile runs one executable of the root image. What it prints goes to the
// progress as it comes.
func (h *hookRunner) runFile(ctx context.Context, point, name string) error {
	ctx, cancel := context.WithTimeout(ctx, h.request.Timeout)
	defer cancel()
	file, err := filepath.Abs(filepath.Join(h.request.Root, name))
	if err != nil {
		return fmt.Errorf("hook %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, file)
	cmd.Dir = h.request.Root
	shown := show.NewWriter(h.console.out)
	cmd.Stdout, cmd.Stderr = shown, shown
	cmd.WaitDelay = 5 * time.Second // for children that hold the output open
	cmd.Env = os.Environ()
	for key, value := range h.request.environment() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	if err := cmd.Run(); err != nil {
		reason := err.Error()
		if ctx.Err() != nil {
			reason = "did not end within " + h.request.Timeout.String()
		}
		return &HookError{Point: point, Name: "/" + name, Reason: strings.ReplaceAll(reason, file, "/"+name)}
	}
	return nil
}
