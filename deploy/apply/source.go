package apply

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// The folders of a root image that kustomize sees. The image also has a quoit
// command, and in a cluster an account's token: nothing else is read.
var sourceFolders = []string{"overlays", "base", "bases", "components"}

// Bounds of what kustomize sees.
const (
	maxSourceFiles = 10_000
	maxSourceBytes = 32 << 20
	maxSourceDepth = 64
)

// source is a root folder's kustomizations, in memory: what is built from it
// cannot reach anything else.
type source struct {
	fs    filesys.FileSystem
	files int
	bytes int64
}

// loadSource reads the folders of a root. A link has to stay in the folder that
// holds it, and everything has to be a file, a folder or such a link.
func loadSource(root string) (*source, error) {
	s := &source{fs: filesys.MakeFsInMemory()}
	for _, folder := range sourceFolders {
		dir := filepath.Join(root, folder)
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("/%s is not a folder", folder)
		}
		if err == nil {
			err = s.loadFolder(dir, folder)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the root image: %w", err)
		}
	}
	return s, nil
}

func (s *source) loadFolder(dir, folder string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return s.load(root, ".", "/"+folder, 0)
}

// load copies what name is in the root to the path to.
func (s *source) load(root *os.Root, name, to string, depth int) error {
	if depth > maxSourceDepth {
		return fmt.Errorf("%s: folders are nested more than %d deep, maybe by a link", to, maxSourceDepth)
	}
	file, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", to, escape(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	if s.files++; s.files > maxSourceFiles {
		return fmt.Errorf("%s: there are more than %d files and folders", to, maxSourceFiles)
	}
	switch {
	case info.Mode().IsRegular():
		return s.loadFile(file, to)
	case !info.IsDir():
		return fmt.Errorf("%s is not a file, a folder or a link to one", to)
	}
	if err := s.fs.MkdirAll(to); err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	entries, err := file.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, entry := range entries {
		if t := entry.Type(); !t.IsRegular() && !t.IsDir() && t != fs.ModeSymlink {
			return fmt.Errorf("%s is not a file, a folder or a link to one", path.Join(to, entry.Name()))
		}
		if err := s.load(root, path.Join(name, entry.Name()), path.Join(to, entry.Name()), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) loadFile(file io.Reader, to string) error {
	content, err := io.ReadAll(io.LimitReader(file, maxSourceBytes-s.bytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	if s.bytes += int64(len(content)); s.bytes > maxSourceBytes {
		return fmt.Errorf("%s: the files have more than %d MiB", to, maxSourceBytes>>20)
	}
	if err := s.fs.WriteFile(to, content); err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return nil
}

// escape leaves out the path of this machine, and says what a link may do.
func escape(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; a link has to stay in the folder that holds it", err)
}

// overlays are the environments that the root has, sorted.
func (s *source) overlays() []string {
	names, err := s.fs.ReadDir("/overlays")
	if err != nil {
		return nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return kustomization(s.fs, path.Join("/overlays", name)) == "" })
	slices.Sort(names)
	return names
}

// kustomization is the path of a folder's kustomization file, "" if it has
// none.
func kustomization(files filesys.FileSystem, dir string) string {
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		if file := path.Join(dir, name); files.Exists(file) && !files.IsDir(file) {
			return file
		}
	}
	return ""
}
