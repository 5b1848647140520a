package testkit

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

// treeWriter writes a tar that depends on names, modes and contents only.
type treeWriter struct {
	tar  *tar.Writer
	dirs map[string]bool
}

// writeLayer is a layer of what fill writes into the tar at file.
func writeLayer(file string, fill func(*treeWriter) error) (v1.Layer, error) {
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	buffered := bufio.NewWriterSize(out, 1<<20)
	t := &treeWriter{tar: tar.NewWriter(buffered), dirs: map[string]bool{"/": true, ".": true}}
	if err := fill(t); err != nil {
		return nil, err
	}
	if err := t.tar.Close(); err != nil {
		return nil, err
	}
	if err := buffered.Flush(); err != nil {
		return nil, err
	}
	return fileLayer(file)
}

func (t *treeWriter) header(name string, h tar.Header) error {
	if err := t.parents(name); err != nil {
		return err
	}
	h.Name, h.ModTime, h.Format = strings.TrimPrefix(name, "/"), time.Unix(0, 0), tar.FormatPAX
	return t.tar.WriteHeader(&h)
}

// parents writes the folders above name that were not written yet.
func (t *treeWriter) parents(name string) error {
	parent := path.Dir(name)
	if t.dirs[parent] {
		return nil
	}
	return t.dir(parent, 0o755)
}

func (t *treeWriter) dir(name string, mode int64) error {
	if t.dirs[name] {
		return nil
	}
	if err := t.parents(name); err != nil {
		return err
	}
	t.dirs[name] = true
	return t.header(name+"/", tar.Header{Typeflag: tar.TypeDir, Mode: mode})
}

func (t *treeWriter) link(name, target string) error {
	return t.header(name, tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777})
}

// file writes the machine's file src as name.
func (t *treeWriter) file(src, name string, mode int64) error {
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

func (t *treeWriter) text(name, content string) error {
	if err := t.header(name, tar.Header{Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644}); err != nil {
		return err
	}
	_, err := io.WriteString(t.tar, content)
	return err
}

// tree writes the folder src as name; WalkDir's order is lexical.
func (t *treeWriter) tree(src, name string) error {
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
			return t.dir(target, 0o755)
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(file)
			if err != nil {
				return err
			}
			return t.link(target, to)
		default:
			return t.file(file, target, int64(info.Mode().Perm()&0o755))
		}
	})
}

// busybox writes a small system of one static program and its applets.
func (t *treeWriter) busybox(program, applets string) error {
	if err := static(program); err != nil {
		return err
	}
	if err := t.file(program, "/bin/busybox", 0o755); err != nil {
		return err
	}
	for _, applet := range strings.Fields(applets) {
		if applet == "busybox" {
			continue
		}
		if err := t.link("/bin/"+applet, "busybox"); err != nil {
			return err
		}
	}
	if err := t.link("/usr/bin/env", "../../bin/busybox"); err != nil {
		return err
	}
	if err := t.dir("/root", 0o700); err != nil {
		return err
	}
	if err := t.dir("/tmp", 0o1777); err != nil {
		return err
	}
	if err := t.text("/etc/group", "root:x:0:\nnogroup:x:65534:\n"); err != nil {
		return err
	}
	return t.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
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

// goRelease is the minor release of a Go version: 1.26 of 1.26.8.
func goRelease(version string) string {
	parts := strings.SplitN(strings.TrimSpace(version), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
