package store

import (
	"context"
	"strings"
)

// Levels are the images whose versions a publication writes at a time, how many tags
// it writes in all, and the ring's.
func Levels(p Publication, project string) (levels []string, total int, ring Tag, err error) {
	w, err := p.writes(project)
	for _, level := range w.levels {
		var names []string
		for _, tag := range level {
			names = append(names, tag.Image)
		}
		levels = append(levels, strings.Join(names, " "))
	}
	return levels, w.total(), w.ring, err
}

// ReadWhenFull reads a manifest when as many are held as may be.
func ReadWhenFull(ctx context.Context, p *Project, image, digest string) error {
	d := newDriver(p)
	d.held.Store(maxHeld)
	_, _, err := d.manifest(ctx, image, digest)
	return err
}
