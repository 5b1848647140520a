package site

import (
	"archive/tar"
	"bytes"
	"context"
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

func TestSizesAreBounded(t *testing.T) {
	left, files := int64(1<<20), 0
	if err := unpackLayer(context.Background(), endless{}, t.TempDir(), &left, &files); err == nil || !strings.Contains(err.Error(), "gigabyte") {
		t.Errorf("error %v", err)
	}
	left, files = 1<<20, maxFiles
	if err := unpackLayer(context.Background(), layer(t, entry{"a", tar.TypeReg, "", ""}), t.TempDir(), &left, &files); err == nil || !strings.Contains(err.Error(), "files") {
		t.Errorf("error %v", err)
	}
	if err := unpack(context.Background(), make([]v1.Layer, maxLayers+1), t.TempDir()); err == nil {
		t.Error("any number of layers is unpacked")
	}
}
