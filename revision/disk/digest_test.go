package disk

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/revision"
)

// whole is an image that reads everything.
var whole = revision.ImageInputs{Reads: []revision.Read{everything}}

func TestProgress(t *testing.T) {
	dir := plant(t, files{"small": "s", "sub/large": string(bytes.Repeat([]byte("l"), 3*bufferSize)), "link": link("small"), "pipe": pipe{}, "empty": ""})
	last, calls := int64(0), 0
	const total = 3*bufferSize + 1
	treeOf(t, dir, revision.ImageInputs{Reads: []revision.Read{everything}}, Options{Progress: func(read, of int64) {
		if read <= last || read > of || of != total {
			t.Errorf("%d of %d bytes were read, %d before", read, of, last)
		}
		last = read
		calls++
	}})
	if last != total || calls < 3 {
		t.Errorf("told %d times, of %d bytes at last", calls, last)
	}
}

func TestProgressIsToldAThousandTimesAtMost(t *testing.T) {
	calls := 0
	p := &progress{of: 1 << 20, tell: func(int64, int64) { calls++ }}
	for range p.of {
		p.add(1)
	}
	p.add(math.MaxInt32)
	if calls < 900 || calls > 1001 || p.told != p.of {
		t.Errorf("told %d times, of %d at last", calls, p.told)
	}
}

func TestALookThatIsCancelledEnds(t *testing.T) {
	dir := plant(t, files{"a": "a"})
	huge := filepath.Join(dir, "huge") // a hole of a size that nobody reads to its end
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 1<<43); err != nil {
		t.Skip("no such holes here:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Answer(ctx, dir, revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{{Name: "x", Context: ".", Reads: whole.Reads}}},
		Options{Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

// A file that changes while it is read is read anew; one that never rests has what was
// found last.
func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		contents []string // each shorter than the one before, so that nothing of it is read after that
		want     string
	}{
		"once":   {[]string{"first", "once"}, "once"},
		"always": {[]string{"first", "2nd!", "3rd", "4."}, "3rd"},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := os.OpenRoot(plant(t, files{"file": c.contents[0]}))
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			at := 0
			p := &progress{of: math.MaxInt32, told: -math.MaxInt32}
			p.tell = func(int64, int64) {
				p.told = -math.MaxInt32 // so it tells of each byte
				if at++; at < len(c.contents) {
					if err := root.WriteFile("file", []byte(c.contents[at]), 0o644); err != nil {
						t.Error(err)
					}
				}
			}
			file := &revision.File{Name: "file"}
			if err := treeIn(root).digest(t.Context(), newReader(root, p), file); err != nil {
				t.Fatal(err)
			}
			if file.Digest != digest.FromString(c.want) {
				t.Errorf("the digest is not that of %q", c.want)
			}
		})
	}
}

func TestFilesThatGoAway(t *testing.T) {
	dir := plant(t, files{"a": "a", "sub/b": "b", "file": "f"})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	tr := treeIn(root)
	folders := map[string][]*revision.File{}
	for _, name := range []string{".", "sub"} {
		listed, err := tr.List(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range listed {
			if file.Mode.IsRegular() {
				folders[name] = append(folders[name], file)
			}
		}
	}
	if err := errors.Join(root.RemoveAll("sub"), root.Remove("file"), root.Mkdir("file", 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Run("a file that is a folder now is an error", func(t *testing.T) {
		if err := tr.Digest(t.Context(), folders); err == nil {
			t.Error("no error")
		}
	})
	if err := root.Remove("file"); err != nil {
		t.Fatal(err)
	}
	t.Run("a file that is gone has no digest", func(t *testing.T) {
		if err := tr.Digest(t.Context(), folders); err != nil {
			t.Fatal(err)
		}
		for _, in := range folders {
			for _, file := range in {
				if there := file.Name == "a"; there != (file.Digest != "") {
					t.Errorf("%s has the digest %q", file.Name, file.Digest)
				}
			}
		}
	})
}
