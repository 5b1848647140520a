// Package store is what goes through a project's log: it reads which release a ring
// has, publishes a plan whose images were pushed by digest, and moves rings.
//
// A [Project] is opened in a registry by [Open], or in any [registry.Namespace] by [New].
// Its methods are in read.go (what is there), publish.go and rings.go (what writes), and
// log.go, which is what packages like store/prune and store/verify are made on. All that
// writes runs the protocol of store/records by a driver: driver.go lets a machine come to
// its end, carry.go and put.go carry out what it asks for, wait.go waits.
//
// "Absent" is only what a registry clearly says; every other answer that is not
// the expected one is an error. Errors name the reference and the next step,
// and hold no credentials.
package store

import (
	"sync"
	"sync/atomic"

	"github.com/quoitbuild/quoit/registry"
)

// Project is what one project has in a registry, or in something like one. It may be
// used by several goroutines.
type Project struct {
	name string // acme/shop
	at   registry.Namespace
	pace registry.Pace
	// reader is a driver that writes nothing; what it has read of the log it knows.
	reader func() *driver
	blobs  Blobs       // known already; nil: none are
	wrote  atomic.Bool // more than votes, or perhaps
}

// Open returns the project of that name ("acme/shop") in a registry. It makes no
// request. Errors are those of [registry.Open].
func Open(host, project string, options registry.Options) (*Project, error) {
	at, err := registry.Open(host, project, options)
	if err != nil {
		return nil, err
	}
	return New(at, project), nil
}

// New returns the project of that name whose images and log are in a namespace.
func New(at registry.Namespace, project string) *Project {
	p := &Project{name: project, at: at, pace: at.Pace().Filled()}
	p.reader = sync.OnceValue(func() *driver { return newReader(p) })
	return p
}

// Blobs remembers small blobs by digest.
type Blobs interface {
	// Blob returns one that has that digest, if it is known.
	Blob(digest string) ([]byte, bool)
	// Keep remembers one. It may have none of the digest.
	Keep(digest string, data []byte)
}

// Know lets [Project.State] take what records say from what is remembered, once the
// registry has named them by digest. It is for who only reads, and is called before all
// other methods.
func (p *Project) Know(blobs Blobs) { p.blobs = blobs }

// Name is the project's, like acme/shop.
func (p *Project) Name() string { return p.name }

// Wrote reports whether anything but votes was written through p, or perhaps: what it was
// asked for, what a record of others says, or an upgrade of the log.
func (p *Project) Wrote() bool { return p.wrote.Load() }

// Namespace is where the project is.
func (p *Project) Namespace() registry.Namespace { return p.at }
