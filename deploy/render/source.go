package render

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/labels"
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

// descriptionFile is where the build writes what the release is.
const descriptionFile = "quoit/release.json"

// Source is what a root image brings for rendering, in memory: what is built
// from it cannot reach anything else.
type Source struct {
	fs          filesys.FileSystem
	files       int
	bytes       int64
	description []byte // descriptionFile, nil if there is none
}

// Load reads a root image's files from a folder: overlays, base, bases,
// components and quoit/release.json, and nothing else. A link has to stay in the
// folder that holds it, and everything has to be a file, a folder or such a link.
func Load(root string) (*Source, error) {
	s := &Source{fs: filesys.MakeFsInMemory()}
	var err error
	if s.description, err = readDescription(root); err != nil {
		return nil, fmt.Errorf("reading the release in the root image: %w", err)
	}
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

// readDescription returns nil for a root without one.
func readDescription(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := input.ReadIn(root, descriptionFile, labels.MaxRelease)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Files is a source made of files: path in the root image → content. Those that
// rendering does not read are left out.
func Files(files map[string]string) (*Source, error) {
	s := &Source{fs: filesys.MakeFsInMemory()}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := path.Clean("/" + name)
		folder, _, _ := strings.Cut(file[1:], "/")
		var err error
		switch {
		case file == "/"+descriptionFile:
			s.description = []byte(files[name])
		case slices.Contains(sourceFolders, folder):
			err = s.add(file, []byte(files[name]))
		}
		if err != nil {
			return nil, fmt.Errorf("reading the root image: %w", err)
		}
	}
	return s, nil
}

func (s *Source) loadFolder(dir, folder string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return s.load(root, ".", "/"+folder, 0)
}

// load copies what name is in the root to the path to.
func (s *Source) load(root *os.Root, name, to string, depth int) error {
	if depth > maxSourceDepth {
		return fmt.Errorf("%s: folders are nested more than %d deep, perhaps through a link", to, maxSourceDepth)
	}
	info, err := root.Stat(name)
	if err != nil {
		return fmt.Errorf("%s: %w", to, linkError(err))
	}
	if s.files++; s.files > maxSourceFiles {
		return fmt.Errorf("%s: there are more than %d files and folders", to, maxSourceFiles)
	}
	switch {
	case info.Mode().IsRegular():
		return s.loadFile(root, name, to)
	case !info.IsDir():
		return fmt.Errorf("%s is not a file, a folder or a link to one", to)
	}
	if err := s.fs.MkdirAll(to); err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(name))
	if err != nil {
		return fmt.Errorf("%s: %w", to, linkError(err))
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

func (s *Source) loadFile(root *os.Root, name, to string) error {
	content, err := input.ReadIn(root, name, maxSourceBytes-s.bytes)
	if large := new(input.TooLargeError); errors.As(err, &large) {
		return fmt.Errorf("%s: the files add up to more than %d MiB", to, maxSourceBytes>>20)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", to, linkError(err))
	}
	return s.add(to, content)
}

func (s *Source) add(to string, content []byte) error {
	if s.bytes += int64(len(content)); s.bytes > maxSourceBytes {
		return fmt.Errorf("%s: the files add up to more than %d MiB", to, maxSourceBytes>>20)
	}
	if err := s.fs.WriteFile(to, content); err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return nil
}

// linkError leaves out the path of this machine, and says what a link may do.
func linkError(err error) error {
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
func (s *Source) overlays() []string {
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
