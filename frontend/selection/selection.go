// Package selection chooses what of a project's files a client has to send for a build: what
// its images read, and, once it is known, what links in that lead to.
//
//	s := selection.New(images, transfer)
//	wider, grown := s.Widen(response.Beyond, round)
package selection

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"

	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/revision"
)

// Transfer is what a client sends under a key.
type Transfer func(key string, options ...bk.LocalOption) bk.State

// Selection is what of the project's files a client sends: what images read. A part is one
// transfer, and an ignore file is applied in it, so what every reader ignores is not sent.
// Contexts lie in one part unless an ignore file would apply to both.
type Selection struct {
	transfer Transfer
	parts    []part
	of       map[string]int // the part of an image's context
}

// part is one transfer, and those of what links in it lead to.
type part struct {
	groups []group
	raw    bool           // the ignore file does not fit into a header, so it is not applied
	sent   revision.Paths // below the project
	tree   bk.State       // the project's
}

// group are images that see the same files.
type group struct {
	context string
	ignore  []string
	wanted  revision.Paths // below the project
	images  []string
}

const (
	// maxPatterns bounds the patterns of a part of several groups: each is compared with
	// each file.
	maxPatterns = 500
	// maxOwn bounds those for the reads of a group; one with more gets its whole context.
	maxOwn = 2000
	// maxHeader bounds each kind of patterns of a part, in bytes: they travel in a header
	// of at most 1 MiB.
	maxHeader = 400 << 10
	// MaxRounds bounds the transfers of what links lead to, of which each may have links
	// again; the last is of whole contexts.
	MaxRounds = 6
)

// New chooses what images read, as long as no link leads elsewhere.
func New(images []revision.ImageInputs, transfer Transfer) Selection {
	s := Selection{transfer: transfer, of: map[string]int{}}
	for _, g := range groupsOf(images) {
		i := slices.IndexFunc(s.parts, func(p part) bool { return p.fits(g) })
		if i < 0 {
			i = len(s.parts)
			s.parts = append(s.parts, part{raw: g.raw()})
		}
		s.parts[i].groups = append(s.parts[i].groups, g)
		for _, name := range g.images {
			s.of[name] = i
		}
	}
	for i := range s.parts {
		part := &s.parts[i]
		for _, g := range part.groups {
			part.sent = revision.Join(part.sent, g.wanted)
		}
		part.tree = s.send(partKey(i), part.sent, part.ignored())
	}
	return s
}

func partKey(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", i)
}

// groupsOf are the groups of images, always in the same order.
func groupsOf(images []revision.ImageInputs) []group {
	byKey := map[string]group{}
	for _, in := range images {
		key := fmt.Sprintf("%q %q", in.Context, in.Ignore)
		g := byKey[key]
		g.context, g.ignore, g.images = in.Context, in.Ignore, append(g.images, in.Name)
		g.wanted = revision.Join(g.wanted, revision.Wanted(in.Reads).Below(in.Context))
		byKey[key] = g
	}
	var groups []group
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		g := byKey[key]
		if tooMany(g.wanted) {
			g.wanted = wholeContext(g.context)
		}
		groups = append(groups, g)
	}
	return groups
}

// tooMany tells whether there are too many paths for patterns of their own.
func tooMany(paths revision.Paths) bool {
	patterns := paths.Patterns()
	return len(patterns) > maxOwn || size(patterns) > maxHeader || size(paths.Outside()) > maxHeader/2
}

// size is what patterns need of a header at most, in bytes: BuildKit writes what is not
// ASCII in three.
func size(patterns []string) (sum int) {
	for _, pattern := range patterns {
		sum += 3*len(pattern) + 64
	}
	return sum
}

// raw tells whether the ignore file does not fit into a header, which has a bound and takes no
// control characters.
func (g group) raw() bool {
	return size(g.ignore) > maxHeader/2 || slices.ContainsFunc(append([]string{g.context}, g.ignore...), func(text string) bool {
		return strings.ContainsFunc(text, unicode.IsControl)
	})
}

func wholeContext(folder string) revision.Paths {
	return revision.Paths{Trees: []string{"."}}.Below(folder)
}

func (g group) count() int { return len(g.wanted.Patterns()) + len(g.ignore) }

// fits tells whether no ignore file applies to what the group and another have in common.
func (p part) fits(g group) bool {
	count, bytes := g.count(), size(g.ignore)+size(g.wanted.Patterns())
	for _, other := range p.groups {
		count += other.count()
		bytes += size(other.ignore) + size(other.wanted.Patterns())
		nested := within(g.context, other.context) || within(other.context, g.context)
		if count > maxPatterns || bytes > maxHeader || g.raw() || p.raw || nested && len(g.ignore)+len(other.ignore) > 0 {
			return false
		}
	}
	return true
}

// within tells whether folder is parent or lies below it.
func within(folder, parent string) bool {
	return parent == "." || folder == parent || strings.HasPrefix(folder, parent+"/")
}

// ignored are the ignore files of the part, below the project.
func (p part) ignored() []string {
	var patterns []string
	for _, g := range p.groups {
		if p.raw {
			break
		}
		patterns = append(patterns, revision.Moved(llb.Escape(g.context), g.ignore)...)
	}
	return patterns
}

// Widen adds what links lead to, and says if that is more than there was: beyond is [revision.Response.Beyond]. It is a transfer of
// its own with a key of its own: under one key, what the first transfer of the next build
// does not need would be deleted, and then sent again.
func (s Selection) Widen(beyond map[string]revision.Paths, round int) (wider Selection, grown bool) {
	wider = Selection{transfer: s.transfer, parts: slices.Clone(s.parts), of: maps.Clone(s.of)}
	for i, part := range s.parts {
		var linked []group
		var sent revision.Paths
		for _, g := range part.groups {
			if more := g.beyond(beyond).Without(part.sent); s.of[g.images[0]] == i && !more.Empty() {
				if round >= MaxRounds || tooMany(more) {
					more = wholeContext(g.context)
				}
				// The folder itself is there, too, if the links lead nowhere.
				linked, sent = append(linked, g), revision.Join(sent, more, revision.Paths{}.Below(g.context))
			}
		}
		key := fmt.Sprintf("%s:links:%d", partKey(i), round)
		links := s.send(key, sent, part.ignored())
		for _, g := range linked {
			grown = true
			wider.add(g, part.raw, revision.Join(part.sent, sent), joined(g.context, part.tree, links))
		}
	}
	return wider, grown
}

// beyond is what links of any of the group's images lead to, below the project.
func (g group) beyond(by map[string]revision.Paths) (all revision.Paths) {
	for _, name := range g.images {
		all = revision.Join(all, by[name].Below(g.context))
	}
	return all
}

// add makes a part for a group that had another.
func (s *Selection) add(g group, raw bool, sent revision.Paths, tree bk.State) {
	for _, name := range g.images {
		s.of[name] = len(s.parts)
	}
	s.parts = append(s.parts, part{groups: []group{g}, raw: raw, sent: sent, tree: tree})
}

// joined are a folder of several trees in one: copied, because what BuildKit merges of
// local files it lets go of, so that they would be sent again.
func joined(folder string, trees ...bk.State) bk.State {
	st := bk.Scratch()
	for _, tree := range trees {
		from := bk.Copy(tree, path.Join("/", folder), path.Join("/", folder), &bk.CopyInfo{CopyDirContentsOnly: true, CreateDestPath: true})
		st = st.File(from, dockerui.WithInternalName("join them with what links lead to"))
	}
	return st
}

// send is what a client sends of the paths.
func (s Selection) send(key string, paths revision.Paths, ignored []string) bk.State {
	return s.transfer(key, bk.IncludePatterns(paths.Patterns()), bk.ExcludePatterns(append(paths.Outside(), ignored...)))
}

// root is where a part is in the tree that is hashed, "" for the tree itself.
func (s Selection) root(part int) string {
	if len(s.parts) == 1 {
		return ""
	}
	return fmt.Sprint(part)
}

// Request is a request about the parts.
func (s Selection) Request(req revision.Request) revision.Request {
	req.Images = slices.Clone(req.Images)
	for i, image := range req.Images {
		req.Images[i].Project = s.root(s.of[image.Name])
	}
	return req
}

// Mounts are the parts where a request looks for them.
func (s Selection) Mounts() (mounts []bk.RunOption) {
	for i, part := range s.parts {
		mounts = append(mounts, bk.AddMount(path.Join("/project", s.root(i)), part.tree, bk.Readonly))
	}
	return mounts
}

// Context is an image's context in the graph.
func (s Selection) Context(source llb.Source) bk.State {
	part := s.parts[s.of[source.Name]]
	return llb.Context(part.tree, source, !part.raw)
}
