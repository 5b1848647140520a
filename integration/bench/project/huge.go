package project

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// filesPerFolder is how many files of a huge image lie in one folder.
const filesPerFolder = 100

// writeSingle writes a project of one image that copies its whole folder src.
func (p Project) writeSingle() error {
	if err := errorsOf(
		p.file("Dockerfile", "FROM busybox\nCOPY src /app\nRUN ls /app > /listing\n"),
		p.file("src/salt.txt", p.Salt+"\n"),
		p.writeManifests(),
	); err != nil {
		return err
	}
	random := rand.New(rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", p.Salt)))))
	block := make([]byte, p.Size)
	for i := range p.Files {
		// Different in its first bytes is different enough, and quick to make.
		for j := range min(len(block), 64) {
			block[j] = byte(random.Uint32())
		}
		name := filepath.Join(p.Dir, HugeFile(i))
		if i%filesPerFolder == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(name, block, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// HugeFile is the path of a single image's file i.
func HugeFile(i int) string { return fmt.Sprintf("src/d%04d/f%06d", i/filesPerFolder, i) }

// EditSingle changes the single image's sources.
func (p Project) EditSingle(edit string) error {
	return p.file("src/salt.txt", p.Salt+" "+edit+"\n")
}
