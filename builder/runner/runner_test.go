package runner

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// machine is a BuildKit with one worker.
type machine struct {
	gateway.Client
	platforms []ocispecs.Platform
}

func (m machine) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{Workers: []gateway.WorkerInfo{{Platforms: m.platforms}}}
}

func on(os, architecture string) machine {
	// What it can emulate comes after what it is.
	return machine{platforms: []ocispecs.Platform{{OS: os, Architecture: architecture}, {OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}}
}

func packed(t *testing.T, program string) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := io.WriteString(writer, program); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func twoPrograms(t *testing.T) Programs {
	t.Helper()
	found, err := embedded(fstest.MapFS{
		"programs/.gitignore":     {Data: []byte("*")},
		"programs/linux-amd64.gz": {Data: packed(t, "for amd64")},
		"programs/linux-arm64.gz": {Data: packed(t, "for arm64")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sent is what a local source sends: the one file in it.
func sent(t *testing.T, from fsutil.FS) (stat *types.Stat, program string) {
	t.Helper()
	err := from.Walk(t.Context(), "", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || stat != nil {
			t.Fatalf("error %v, there is more: %s", err, name)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat = info.Sys().(*types.Stat)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := from.Open(stat.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return stat, string(data)
}

// source is the local source that the runner asks for.
func source(t *testing.T, p Programs, c gateway.Client) *pb.SourceOp {
	t.Helper()
	st, path, err := p.Runner(c)
	if err != nil {
		t.Fatal(err)
	}
	if path != "/quoit-runner" {
		t.Errorf("the program is %s", path)
	}
	def, err := st.Marshal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var op pb.Op
	if err := op.UnmarshalVT(def.Def[0]); err != nil {
		t.Fatal(err)
	}
	return op.GetSource()
}

// TestTheProgramIsForTheBuilder and not for what runs quoit, or what the builder emulates.
func TestTheProgramIsForTheBuilder(t *testing.T) {
	found := twoPrograms(t)
	for _, architecture := range []string{"amd64", "arm64"} {
		op := source(t, found, on("linux", architecture))
		name, local := strings.CutPrefix(op.Identifier, "local://")
		files, offered := found.Locals()[name]
		if !local || !offered {
			t.Fatalf("%s: it asks for %s of %v", architecture, op.Identifier, found.Locals())
		}
		stat, program := sent(t, files)
		if program != "for "+architecture {
			t.Errorf("%s gets the program %s", architecture, program)
		}
		// Name, size and time are what BuildKit knows a file by.
		if stat.Path != "quoit-runner" || stat.Size != 9 || stat.ModTime != 0 || fs.FileMode(stat.Mode) != 0o755 || stat.Uid != 0 {
			t.Errorf("it is sent as %v", stat)
		}
	}
}

// TestAProgramHasAKeyOfItsOwn: BuildKit keeps it under that, and sends none twice.
func TestAProgramHasAKeyOfItsOwn(t *testing.T) {
	key := func(program string) string {
		found, err := embedded(fstest.MapFS{"programs/linux-amd64.gz": {Data: packed(t, program)}})
		if err != nil {
			t.Fatal(err)
		}
		return source(t, found, on("linux", "amd64")).Attrs[pb.AttrSharedKeyHint]
	}
	if one, same, other := key("one"), key("one"), key("other"); one != same || one == other || one == "" {
		t.Errorf("the keys are %q, again %q, of another program %q", one, same, other)
	}
}

func TestABuilderThatNoProgramIsFor(t *testing.T) {
	for _, c := range []machine{on("linux", "riscv64"), on("windows", "amd64")} {
		_, _, err := twoPrograms(t).Runner(c)
		if err == nil || !strings.Contains(err.Error(), c.platforms[0].Architecture+", and this command has programs for linux/amd64, linux/arm64: ") || !strings.Contains(err.Error(), "# syntax=…") {
			t.Errorf("%v: error %v", c.platforms[0], err)
		}
	}
}

func TestADamagedProgram(t *testing.T) {
	whole := packed(t, "program")
	for _, data := range [][]byte{nil, []byte("no archive"), whole[:len(whole)-1]} {
		found, err := embedded(fstest.MapFS{"programs/linux-amd64.gz": {Data: data}})
		if err != nil {
			t.Fatal(err)
		}
		files := found.Locals()["quoit-runner-amd64"]
		if err := files.Walk(t.Context(), "", nil); err == nil {
			t.Error("it is listed")
		}
		if _, err := files.Open("quoit-runner"); err == nil {
			t.Error("it is opened")
		}
	}
}

// TestWithoutPrograms the command itself is one, where it can be.
func TestWithoutPrograms(t *testing.T) {
	if found, err := embedded(fstest.MapFS{"programs/.gitignore": {}}); err != nil || len(found) != 0 {
		t.Errorf("error %v, %v", err, found)
	}
	own, err := self()
	if runtime.GOOS != "linux" {
		if err == nil || !strings.Contains(err.Error(), "make build") {
			t.Errorf("error %v", err)
		}
		return
	}
	file, missing := os.Executable()
	data, unread := os.ReadFile(file)
	if missing != nil || unread != nil {
		t.Fatal(missing, unread)
	}
	switch {
	case !static(data):
		if err == nil || !strings.Contains(err.Error(), "make build") {
			t.Errorf("a program that needs others: error %v", err)
		}
	case err != nil:
		t.Error(err)
	default:
		if _, program := sent(t, own.files); program != string(data) {
			t.Error("it sends another program")
		}
	}
	if static([]byte("#!/bin/sh\n")) {
		t.Error("a script is a static program")
	}
}
