package rings

import (
	"context"
	"sync"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/store/records"
)

// Images reads images of the project's registry, for what their labels say.
type Images interface {
	// Image returns an image as it is for the first of the platforms that it has, or for
	// any: its labels say the same for each. It is nil if the registry says, without any
	// doubt, that it is not there. What says in a few words what it is asked for.
	Image(ctx context.Context, ref, what string, platforms []ocispecs.Platform) (*Image, error)
}

// Image is an image in a registry.
type Image struct {
	Digest string // of what the reference names
	Labels map[string]string
}

// lookup reads images of the project's registry. Each reference is asked for once, also by
// several at a time.
type lookup struct {
	from Images

	mu    sync.Mutex
	asked map[string]*answered
}

// answered is what the registry has said of a reference.
type answered struct {
	once  sync.Once
	image *published // nil for one that is not there
	err   error
}

// published is an image in the registry.
type published struct {
	Image

	parse  sync.Once // of a record, which may be asked for each image
	record records.Record
	err    error
}

func (l *lookup) read(ctx context.Context, ref string, platforms []ocispecs.Platform, what string) (*published, error) {
	l.mu.Lock()
	if l.asked == nil {
		l.asked = map[string]*answered{}
	}
	answer, ok := l.asked[ref]
	if !ok {
		answer = &answered{}
		l.asked[ref] = answer
	}
	l.mu.Unlock()
	answer.once.Do(func() {
		image, err := l.from.Image(ctx, ref, what, platforms)
		if answer.err = err; image != nil {
			answer.image = &published{Image: *image}
		}
	})
	return answer.image, answer.err
}
