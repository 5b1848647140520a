// Package disk looks at a project's tree where it lies, as a builder would get it: it
// lists and digests files for [revision.Answer].
package disk

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/revision"
)

// Options are those of [Answer].
type Options struct {
	// Cache is the file that remembers digests, "" for none; see [CacheFile]. Whatever
	// is in it, or happens to it, costs time at most.
	Cache string
	// Fresh says that every file is read, whatever the cache knows.
	Fresh bool
	// Progress is told, now and then and never twice at a time, how many bytes were
	// read of how many that have to be.
	Progress func(read, of int64)
	// Executable tells which files count as executable, by path in the project. Without
	// it that is what the disk says, which says it of every file on Windows.
	Executable func(name string) bool

	now func() time.Time // for tests
}

// Answer computes a Request's Response from the project's folder on this machine. It is
// what [AnswerFile] answers where a builder has been sent that folder: sockets count as
// empty files there, and so do files that may not be read. Nothing outside of the
// folder is read, whatever links say, and nothing but regular files is opened. A file
// that changes meanwhile is read anew, but not for ever.
func Answer(ctx context.Context, dir string, req revision.Request, o Options) (revision.Response, error) {
	return answer(ctx, dir, req, o, false)
}

func answer(ctx context.Context, dir string, req revision.Request, o Options, sent bool) (revision.Response, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return revision.Response{}, fmt.Errorf("opening the project: %w", err)
	}
	defer root.Close()
	if o.now == nil {
		o.now = time.Now
	}
	cache := openCache(o.Cache, o.now())
	if o.Fresh {
		clear(cache.known)
	}
	response, err := revision.Answer(ctx, &tree{root: root, Options: o, sent: sent, cache: cache}, req)
	_ = cache.save(o.now()) // a full disk, for instance, costs time at most
	return response, err
}

// AnswerStep does the work of a build step if args, without the program's name, say that
// this process is one: [revision.StepCommand] and the paths of [AnswerFile]. Then it
// returns true, and the process ends.
func AnswerStep(ctx context.Context, args []string) (bool, error) {
	if len(args) != 4 || args[0] != revision.StepCommand {
		return false, nil
	}
	return true, AnswerFile(ctx, args[1], args[2], args[3])
}

// maxRequest bounds a Request, in bytes; that of a thousand images has one million.
const maxRequest = 1 << 30

// AnswerFile reads a Request from one file and writes the Response to another;
// project is the folder that was sent to a builder.
func AnswerFile(ctx context.Context, project, request, response string) error {
	data, err := input.Read(request, maxRequest)
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var req revision.Request
	if err := json.Unmarshal(data, &req); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	res, err := answer(ctx, project, req, Options{}, true)
	if err != nil {
		return err
	}
	if data, err = json.Marshal(res); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	if err := os.WriteFile(response, data, 0o644); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
