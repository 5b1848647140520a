package llb

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/revision"
)

// Memory remembers values by key for as long as it likes. It is safe for concurrent use.
type Memory interface {
	// Get returns what was put under the key, byte for byte.
	Get(key [sha256.Size]byte) (value []byte, ok bool)
	Put(key [sha256.Size]byte, value []byte)
}

// memorySchema is the number of [compileKey] and [remembered]. Whoever changes what either
// of them says raises it.
const memorySchema = 6

// compileKey is all that a compile depends on but for what it asks: so two of one key ask
// the same, and if they get the same answers, say the same.
type compileKey struct {
	Schema  int
	Version string
	Options map[string]string
	Builder ocispecs.Platform
	Twin    string // see twinKey
}

// remembered is what is kept of a compile: what it has asked, and what it says in all but
// its graph.
type remembered struct {
	Asked    []question
	Reads    []revision.Read
	Lines    []int
	Contexts []UsedContext
	Remotes  []Remote
	Args     []string
	Recipe   string
	Extent   *Extent
	Config   json.RawMessage
	Scratch  bool // it has no graph
	Warnings []remark
}

// question is an image that a compile has asked for, with the sum of the answer.
type question struct {
	Reference string
	Platform  *ocispecs.Platform
	Mode      string
	Answer    [sha256.Size]byte
}

// remark is a warning without its file.
type remark struct {
	Message string
	Level   int
	Detail  [][]byte
	URL     string
	Range   []*pb.Range
}

// key is where the compile of a unit is remembered.
func (c *Compiler) key(u *unit) (key [sha256.Size]byte, err error) {
	twin, err := twinKey(u)
	if err != nil {
		return key, err
	}
	opts := innerOptions(c.Options, u.source)
	delete(opts, "filename")
	all, err := json.Marshal(compileKey{memorySchema, c.Version, opts, c.builder(u.source), twin})
	if err != nil {
		return key, fmt.Errorf("image %s: %w", u.source.Name, err)
	}
	return sha256.Sum256(all), nil
}

// recall returns what the compile of a unit would say, but for its graph; nil if that is
// not known. What it would ask is asked again.
func (c *Compiler) recall(inner *imageClient, key [sha256.Size]byte) *Compiled {
	value, ok := c.Memory.Get(key)
	if !ok {
		return nil
	}
	var known remembered
	if json.Unmarshal(value, &known) != nil {
		return nil
	}
	for _, q := range known.Asked {
		opt := sourceresolver.Opt{
			LogName:  "[internal] load metadata for " + q.Reference,
			ImageOpt: &sourceresolver.ResolveImageOpt{Platform: q.Platform, ResolveMode: q.Mode},
		}
		ref, dgst, config, err := inner.resolve(q.Reference, opt)
		if err != nil || sumOf(ref, dgst, config) != q.Answer {
			return nil // the compile says what is wrong
		}
	}
	if c.warns(inner.unit) {
		for _, r := range known.Warnings {
			c.warn(inner.ctx, inner.unit, warning{r.Message, client.WarnOpts{Level: r.Level, Detail: r.Detail, URL: r.URL, Range: r.Range}})
		}
	}
	return &Compiled{Reads: known.Reads, Lines: known.Lines, Contexts: known.Contexts, Remotes: known.Remotes, Args: known.Args, Recipe: known.Recipe, Extent: known.Extent, config: known.Config, scratch: known.Scratch}
}

// remember keeps what the compile of a unit says, if it has asked for images only.
func (c *Compiler) remember(inner *imageClient, key [sha256.Size]byte, compiled *Compiled) {
	config, err := json.Marshal(compiled.Config)
	if err != nil {
		return
	}
	inner.mu.Lock()
	known := remembered{Asked: inner.questions, Reads: compiled.Reads, Lines: compiled.Lines, Contexts: compiled.Contexts, Remotes: compiled.Remotes, Args: compiled.Args, Recipe: compiled.Recipe, Extent: compiled.Extent, Config: config, Scratch: compiled.scratch}
	beyond := inner.beyond
	inner.mu.Unlock()
	if beyond {
		return
	}
	for _, w := range inner.unit.warnings {
		known.Warnings = append(known.Warnings, remark{w.message, w.opts.Level, w.opts.Detail, w.opts.URL, w.opts.Range})
	}
	if value, err := json.Marshal(known); err == nil {
		c.Memory.Put(key, value)
	}
}

// sumOf is the sum of what is answered to a question.
func sumOf(ref string, dgst digest.Digest, config []byte) [sha256.Size]byte {
	return sha256.Sum256(slices.Concat([]byte(ref+"\n"+dgst.String()+"\n"), config))
}

// note keeps a question and its answer, once.
func (c *imageClient) note(ref string, opt sourceresolver.Opt, found string, dgst digest.Digest, config []byte, err error) {
	if c.compiler.Memory == nil {
		return
	}
	q := question{Reference: ref, Answer: sumOf(found, dgst, config)}
	if opt.ImageOpt != nil {
		q.Platform, q.Mode = opt.ImageOpt.Platform, opt.ImageOpt.ResolveMode
	}
	same := func(other question) bool {
		return other.Reference == q.Reference && other.Mode == q.Mode && other.Answer == q.Answer && samePlatform(other.Platform, q.Platform)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.beyond = true
	} else if !slices.ContainsFunc(c.questions, same) {
		c.questions = append(c.questions, q)
	}
}

func samePlatform(a, b *ocispecs.Platform) bool {
	if a == nil || b == nil {
		return a == b
	}
	return platforms.FormatAll(*a) == platforms.FormatAll(*b)
}
