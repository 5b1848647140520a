// Command fill builds the programs that package runner has for BuildKit's machines into a
// folder. The same sources give the same bytes, on every machine.
//
//	go run ./fill FOLDER
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const program = "github.com/quoitbuild/quoit/cmd/quoit-runner"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "fill wants a folder")
		os.Exit(1)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		if err := fill(os.Args[1], architecture); err != nil {
			fmt.Fprintf(os.Stderr, "fill: building %s for linux/%s: %v\n", program, architecture, err)
			os.Exit(1)
		}
	}
}

func fill(folder, architecture string) (err error) {
	work, err := os.MkdirTemp("", "quoit-runner-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	built := filepath.Join(work, "quoit-runner")
	// Neither a commit nor a build makes another program of the same sources.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", built, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture, "GOAMD64=v1", "GOARM64=v8.0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	data, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = writer.Write(data)
	if err = errors.Join(err, writer.Close()); err != nil {
		return err
	}
	return replace(filepath.Join(folder, "linux-"+architecture+".gz"), packed.Bytes())
}

// replace writes a file that others may be reading.
func replace(file string, data []byte) error {
	if now, err := os.ReadFile(file); err == nil && bytes.Equal(now, data) {
		return nil
	}
	whole, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = whole.Write(data)
	if err = errors.Join(err, whole.Chmod(0o644), whole.Close()); err == nil {
		err = os.Rename(whole.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(whole.Name()))
	}
	return nil
}
