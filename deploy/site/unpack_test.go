package site

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

type entry struct {
	name string
	kind byte
	link string
	text string
}

func layer(t *testing.T, entries ...entry) v1.Layer {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.text)), Mode: 0o6755}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(data.Bytes(), types.OCIUncompressedLayer)
}

// TestHostileLayers: whatever layers have, nothing beside the folder changes.
func TestHostileLayers(t *testing.T) {
	file := func(name string) entry { return entry{name, tar.TypeReg, "", "evil"} }
	for _, test := range []struct {
		name   string
		layers [][]entry
		fails  bool // it may also unpack it inside
	}{
		{"a file above", [][]entry{{file("../victim")}}, true},
		{"a file far above", [][]entry{{file("overlays/../../../../victim")}}, true},
		{"an absolute file", [][]entry{{file("/victim")}}, false},
		{"through a link", [][]entry{{{"out", tar.TypeSymlink, "..", ""}, file("out/victim")}}, false},
		{"through an absolute link", [][]entry{{{"out", tar.TypeSymlink, "OUTSIDE", ""}, file("out/victim")}}, false},
		{"through a link of another layer", [][]entry{{{"out", tar.TypeSymlink, "..", ""}}, {file("out/victim")}}, false},
		{"over a link", [][]entry{{{"out", tar.TypeSymlink, "../victim", ""}, file("out")}}, false},
		{"a hard link above", [][]entry{{{"inside", tar.TypeLink, "../victim", ""}, file("inside")}}, true},
		{"a hard link through a link", [][]entry{{{"out", tar.TypeSymlink, "..", ""}, {"inside", tar.TypeLink, "out/victim", ""}, file("inside")}}, true},
		{"a whiteout above", [][]entry{{file("../.wh.victim")}}, true},
		{"a whiteout of the folder above", [][]entry{{file(".wh...")}}, false},
		{"a whiteout through a link", [][]entry{{{"out", tar.TypeSymlink, "..", ""}}, {file("out/.wh.victim")}}, false},
		{"an opaque folder through a link", [][]entry{{{"out", tar.TypeSymlink, "..", ""}}, {file("out/.wh..wh..opq")}}, false},
		{"a device", [][]entry{{{"dev", tar.TypeBlock, "", ""}, {"pipe", tar.TypeFifo, "", ""}}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			outside := t.TempDir()
			victim, folder := filepath.Join(outside, "victim"), filepath.Join(outside, "folder")
			if err := os.WriteFile(victim, []byte("good"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			var layers []v1.Layer
			for _, entries := range test.layers {
				for i := range entries {
					entries[i].link = strings.ReplaceAll(entries[i].link, "OUTSIDE", outside)
				}
				layers = append(layers, layer(t, entries...))
			}
			err := unpack(context.Background(), layers, folder)
			if test.fails && err == nil {
				t.Error("it was unpacked")
			}
			if text, err := os.ReadFile(victim); err != nil || string(text) != "good" {
				t.Errorf("the file outside says %q: %v", text, err)
			}
			if beside, err := os.ReadDir(outside); err != nil || len(beside) != 2 {
				t.Errorf("beside the folder there is %v: %v", beside, err)
			}
			for _, odd := range []string{"dev", "pipe"} {
				if _, err := os.Lstat(filepath.Join(folder, odd)); err == nil {
					t.Errorf("%s was made", odd)
				}
			}
		})
	}
}

func TestUnpack(t *testing.T) {
	folder := t.TempDir()
	err := unpack(context.Background(), []v1.Layer{
		layer(t, entry{"overlays/prod/kustomization.yaml", tar.TypeReg, "", "one"}, entry{"hooks/old", tar.TypeReg, "", "old"}),
		layer(t, entry{"overlays/prod/kustomization.yaml", tar.TypeReg, "", "two"}, entry{"hooks/.wh.old", tar.TypeReg, "", ""}),
	}, folder)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "overlays/prod/kustomization.yaml")
	if text, err := os.ReadFile(file); err != nil || string(text) != "two" {
		t.Errorf("%q: %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(folder, "hooks/old")); !os.IsNotExist(err) {
		t.Errorf("what a layer has deleted is there: %v", err)
	}
}

// endless is a layer that is larger than any image.
type endless struct{ v1.Layer }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (endless) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		out := tar.NewWriter(w)
		err := out.WriteHeader(&tar.Header{Name: "big", Typeflag: tar.TypeReg, Size: 1 << 50, Mode: 0o644})
		if err == nil {
			_, err = io.Copy(out, zeros{})
		}
		w.CloseWithError(err)
	}()
	return r, nil
}

// padding is a layer that goes on behind the end of its archive.
type padding struct{ v1.Layer }

func (padding) Uncompressed() (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }

func TestSizesAreBounded(t *testing.T) {
	few := func() *bounds { return &bounds{read: 1 << 20, written: 1 << 20, files: 10} }
	for name, layer := range map[string]v1.Layer{"files": endless{}, "padding": padding{}} {
		if err := unpackLayer(context.Background(), layer, t.TempDir(), few()); err == nil || !strings.Contains(err.Error(), "gigabyte") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	left := few()
	left.files = 0
	if err := unpackLayer(context.Background(), layer(t, entry{"a", tar.TypeReg, "", ""}), t.TempDir(), left); err == nil || !strings.Contains(err.Error(), "files") {
		t.Errorf("error %v", err)
	}
	if err := unpack(context.Background(), make([]v1.Layer, maxLayers+1), t.TempDir()); err == nil {
		t.Error("any number of layers is unpacked")
	}
}

// sparse is an archive of a kibibyte with a file that is nothing but a hole.
func sparse(t *testing.T, size int64) v1.Layer {
	t.Helper()
	var records string
	for _, record := range []string{"GNU.sparse.numblocks=1", "GNU.sparse.map=0,0", fmt.Sprint("GNU.sparse.size=", size)} {
		length := len(record) + len(" \n") + len("00")
		records += fmt.Sprintf("%d %s\n", length, record)
	}
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for i, text := range []string{records, ""} {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	archive := data.Bytes()
	const kind, sum = 156, 148 // where a header has them
	archive[kind] = tar.TypeXHeader
	copy(archive[sum:sum+8], "        ")
	total := 0
	for _, b := range archive[:512] {
		total += int(b)
	}
	copy(archive[sum:sum+8], fmt.Sprintf("%06o\x00 ", total))
	return static.NewLayer(archive, types.OCIUncompressedLayer)
}

// TestHolesAreCounted: what is a hole in an archive is written in full.
func TestHolesAreCounted(t *testing.T) {
	folder := t.TempDir()
	if err := unpack(t.Context(), []v1.Layer{sparse(t, 1<<20)}, folder); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, "1")); err != nil || info.Size() != 1<<20 {
		t.Fatalf("the archive has no file with a hole: %v %v", info, err)
	}
	folder = t.TempDir()
	if err := unpack(t.Context(), []v1.Layer{sparse(t, 2<<30)}, folder); !errors.Is(err, errTooBig) {
		t.Errorf("error %v", err)
	}
	if written, err := os.ReadDir(folder); err != nil || len(written) > 0 {
		t.Errorf("there is %v: %v", written, err)
	}
}
