package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// filesPerFolder is how many files of a huge image lie in one folder.
const filesPerFolder = 100

// writeSingle writes a project of one image that copies its whole folder src.
func (p project) writeSingle() error {
	if err := errorsOf(
		p.file("Dockerfile", "FROM busybox\nCOPY src /app\nRUN ls /app > /listing\n"),
		p.file("src/salt.txt", p.salt+"\n"),
		p.writeManifests(),
	); err != nil {
		return err
	}
	random := rand.New(rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", p.salt)))))
	block := make([]byte, p.size)
	for i := range p.files {
		// Different in its first bytes is different enough, and quick to make.
		for j := range min(len(block), 64) {
			block[j] = byte(random.Uint32())
		}
		name := filepath.Join(p.dir, hugeFile(i))
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

// hugeFile is the path of a single image's file i.
func hugeFile(i int) string { return fmt.Sprintf("src/d%04d/f%06d", i/filesPerFolder, i) }

// editSingle changes the single image's sources.
func (p project) editSingle(edit string) error {
	return p.file("src/salt.txt", p.salt+" "+edit+"\n")
}
