package main

import (
	"fmt"
	"io"
	"time"

	"github.com/quoitbuild/quoit/store"
)

// often is how long long work may be silent.
const often = 2 * time.Second

// tagging tells how far a publish is, if that takes long.
func (f *buildkitFlags) tagging(out io.Writer) func(store.Event) {
	last := time.Now()
	return func(event store.Event) {
		if !f.buildKit(out).Progress.ForPeople() || time.Since(last) < often {
			return
		}
		last = time.Now()
		_, _ = fmt.Fprintf(out, "tagged %d of %d\n", event.Done, event.Total) // nobody to tell
	}
}
