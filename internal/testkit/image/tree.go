package image

import (
	"archive/tar"
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Tree writes a tar that depends on names, modes and contents only.
type Tree struct {
	tar  *tar.Writer
	dirs map[string]bool
}

// Layer is a layer of what fill writes into the tar at file.
func Layer(file string, fill func(*Tree) error) (v1.Layer, error) {
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	buffered := bufio.NewWriterSize(out, 1<<20)
	t := &Tree{tar: tar.NewWriter(buffered), dirs: map[string]bool{"/": true, ".": true}}
	if err := fill(t); err != nil {
		return nil, err
	}
	if err := t.tar.Close(); err != nil {
		return nil, err
	}
	if err := buffered.Flush(); err != nil {
		return nil, err
	}
	return FileLayer(file)
}

func (t *Tree) header(name string, h tar.Header) error {
	if err := t.parents(name); err != nil {
		return err
	}
	h.Name, h.ModTime, h.Format = strings.TrimPrefix(name, "/"), time.Unix(0, 0), tar.FormatPAX
	return t.tar.WriteHeader(&h)
}

// parents writes the folders above name that were not written yet.
func (t *Tree) parents(name string) error {
	parent := path.Dir(name)
	if t.dirs[parent] {
		return nil
	}
	return t.Dir(parent, 0o755)
}

// Dir writes a folder, once.
func (t *Tree) Dir(name string, mode int64) error {
	if t.dirs[name] {
		return nil
	}
	if err := t.parents(name); err != nil {
		return err
	}
	t.dirs[name] = true
	return t.header(name+"/", tar.Header{Typeflag: tar.TypeDir, Mode: mode})
}

// Link writes a symbolic link.
func (t *Tree) Link(name, target string) error {
	return t.header(name, tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777})
}

// File writes the machine's file src as name.
func (t *Tree) File(src, name string, mode int64) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := t.header(name, tar.Header{Typeflag: tar.TypeReg, Size: info.Size(), Mode: mode}); err != nil {
		return err
	}
	_, err = io.Copy(t.tar, in)
	return err
}

// Text writes a file with this content.
func (t *Tree) Text(name, content string) error {
	if err := t.header(name, tar.Header{Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644}); err != nil {
		return err
	}
	_, err := io.WriteString(t.tar, content)
	return err
}

// Copy writes the folder src as name; WalkDir's order is lexical.
func (t *Tree) Copy(src, name string) error {
	src, err := filepath.EvalSymlinks(src)
	if err != nil {
		return err
	}
	return filepath.WalkDir(src, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, file)
		if err != nil {
			return err
		}
		target := path.Join(name, filepath.ToSlash(rel))
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return t.Dir(target, 0o755)
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return t.Link(target, to)
		default:
			return t.File(file, target, int64(info.Mode().Perm()&0o755))
		}
	})
}

// Busybox writes a small system of one static program and its applets.
func (t *Tree) Busybox(program, applets string) error {
	if err := static(program); err != nil {
		return err
	}
	if err := t.File(program, "/bin/busybox", 0o755); err != nil {
		return err
	}
	for _, applet := range strings.Fields(applets) {
		if applet == "busybox" {
			continue
		}
		if err := t.Link("/bin/"+applet, "busybox"); err != nil {
			return err
		}
	}
	if err := t.Link("/usr/bin/env", "../../bin/busybox"); err != nil {
		return err
	}
	if err := t.Dir("/root", 0o700); err != nil {
		return err
	}
	if err := t.Dir("/tmp", 0o1777); err != nil {
		return err
	}
	if err := t.Text("/etc/group", "root:x:0:\nnogroup:x:65534:\n"); err != nil {
		return err
	}
	return t.Text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
}

// static is an error for a program that needs a dynamic linker.
func static(program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not static; as root run: apt-get install -y busybox-static", program)
		}
	}
	return nil
}
