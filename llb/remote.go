package llb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"
	"github.com/opencontainers/go-digest"
)

// Remote is what an image takes from elsewhere that is not an image: ADD of an address, or of
// a reference in a git repository, whose contents the container file does not say.
type Remote struct {
	// Name is the address as it is recorded and shown: without credentials, and with a
	// query's digest in the query's place, as that may hold a credential too.
	Name string
	// Identifier and Attrs are those of the source op.
	Identifier string
	Attrs      map[string]string
	// Range is where the container file adds it.
	Range []*pb.Range
}

// Op is the source op.
func (r Remote) Op() *pb.SourceOp {
	return &pb.SourceOp{Identifier: r.Identifier, Attrs: maps.Clone(r.Attrs)}
}

// remotesOf are those of a definition, each once.
func remotesOf(def *pb.Definition) ([]Remote, error) {
	var found []Remote
	of := map[string]int{} // by the source op's digest
	at := func(op string) (ranges []*pb.Range) {
		for _, location := range def.GetSource().GetLocations()[op].GetLocations() {
			ranges = append(ranges, location.Ranges...)
		}
		return ranges
	}
	for i, raw := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		for _, input := range op.Inputs {
			// The instruction is the step that takes it.
			if r, ok := of[input.Digest]; ok && len(found[r].Range) == 0 {
				found[r].Range = at(digest.FromBytes(raw).String())
			}
		}
		name, ok := remoteName(op.GetSource())
		if !ok || slices.ContainsFunc(found, func(r Remote) bool { return r.Name == name }) {
			continue
		}
		step := digest.FromBytes(raw).String()
		of[step] = len(found)
		found = append(found, Remote{Name: name, Identifier: op.GetSource().Identifier, Attrs: op.GetSource().Attrs, Range: at(step)})
	}
	return found, nil
}

// InRemote is an error with the image and the place in its container file.
func InRemote(err error, source Source, r Remote) error {
	err = fmt.Errorf("image %s: %s: %w", source.Name, r.Name, err)
	if len(r.Range) == 0 {
		return err
	}
	return withSource(err, source, r.Range)
}

// remoteName returns the name of a source whose contents are not fixed, false for any other.
func remoteName(op *pb.SourceOp) (name string, ok bool) {
	scheme, _, _ := strings.Cut(op.GetIdentifier(), "://")
	switch scheme {
	case "http", "https":
		return shownAddress(op.Identifier), op.Attrs[pb.AttrHTTPChecksum] == ""
	case "git":
		git, _ := GitReferenceOf(op)
		if name = shownAddress(git.Repository); git.Ref != "" {
			name += "#" + git.Ref
		}
		return name, op.Attrs[pb.AttrGitChecksum] == "" && !gitutil.IsCommitSHA(git.Ref)
	}
	return "", false
}

// GitReference is a reference in a git repository.
type GitReference struct {
	Repository string // its address
	Ref        string // "" is the default branch
	// KeepGitDir says that the repository itself is added too, so that of an annotated tag
	// the tag counts, and not only the commit.
	KeepGitDir bool
}

// GitReferenceOf returns what a source op takes from git, false if it takes something else.
func GitReferenceOf(op *pb.SourceOp) (GitReference, bool) {
	address, fragment, _ := strings.Cut(op.GetIdentifier(), "#")
	if !strings.HasPrefix(address, "git://") {
		return GitReference{}, false
	}
	ref, _, _ := strings.Cut(fragment, ":")
	repository, _, _ := strings.Cut(cmp.Or(op.Attrs[pb.AttrFullRemoteURL], address), "#")
	return GitReference{repository, ref, op.Attrs[pb.AttrKeepGitDir] == "true"}, true
}

// shownAddress is an address without what may be secret in it.
func shownAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		_, rest, found := strings.Cut(address, "@") // git@example.com:team/tool.git
		if !found {
			rest = address
		}
		return "ssh://" + rest
	}
	u.User = nil
	if u.RawQuery != "" {
		u.RawQuery = digest.FromString(u.RawQuery).Encoded()[:12]
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}

// pin fixes the contents of a source by its digest, and returns the capability that BuildKit
// needs for it.
func pin(op *pb.SourceOp, is string) (capability string) {
	if op.Attrs == nil {
		op.Attrs = map[string]string{}
	}
	if !strings.HasPrefix(op.Identifier, "git://") {
		op.Attrs[pb.AttrHTTPChecksum] = is
		return string(pb.CapSourceHTTPChecksum)
	}
	_, commit, _ := strings.Cut(is, ":")
	op.Attrs[pb.AttrGitChecksum] = commit
	return string(pb.CapSourceGitChecksum)
}

// RemoteResolver says what remote sources hold.
type RemoteResolver interface {
	// ResolveRemote returns the digest of a file, sha256:<hex>, or the commit that a
	// reference of a git repository leads to, sha1:<hex> or sha256:<hex>.
	ResolveRemote(context.Context, *pb.SourceOp) (string, error)
}

// Commit is a commit's hash, in hexadecimal digits, as a digest.
func Commit(hash string) string {
	if len(hash) == 64 {
		return "sha256:" + hash
	}
	return "sha1:" + hash
}

// RemotesOf resolves remote sources by a BuildKit, which has its own network, secrets and keys.
type RemotesOf struct{ Gateway }

// ResolveRemote implements [RemoteResolver]. A BuildKit that cannot say it is asked to fetch.
func (g RemotesOf) ResolveRemote(ctx context.Context, op *pb.SourceOp) (string, error) {
	meta, err := g.ResolveSourceMetadata(ctx, op, sourceresolver.Opt{LogName: "[internal] look at " + op.Identifier})
	if err != nil {
		return "", err
	}
	switch {
	case meta.HTTP != nil && meta.HTTP.Digest != "":
		return meta.HTTP.Digest.String(), nil
	case meta.Git != nil && meta.Git.CommitChecksum != "":
		return Commit(meta.Git.CommitChecksum), nil
	case meta.Git != nil && meta.Git.Checksum != "":
		return Commit(meta.Git.Checksum), nil
	}
	return g.fetchRemote(ctx, op)
}

// fetchRemote has BuildKit fetch a source.
func (g RemotesOf) fetchRemote(ctx context.Context, op *pb.SourceOp) (string, error) {
	op = op.CloneVT()
	isGit := strings.HasPrefix(op.Identifier, "git://")
	if isGit { // its folder has the commit, but in no folder below
		repository, fragment, _ := strings.Cut(op.Identifier, "#")
		ref, _, _ := strings.Cut(fragment, ":")
		op.Identifier, op.Attrs[pb.AttrKeepGitDir] = repository+"#"+ref, "true"
	}
	source := bk.NewSource(op.Identifier, op.Attrs, bk.Constraints{})
	def, err := bk.NewState(source.Output()).Marshal(ctx, bk.WithCaps(g.BuildOpts().LLBCaps), dockerui.WithInternalName("fetch what is added"))
	if err != nil {
		return "", err
	}
	res, err := g.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return "", err
	}
	ref, err := res.SingleRef()
	if err != nil {
		return "", err
	}
	if !isGit {
		return sumFile(ctx, ref, op.Attrs[pb.AttrHTTPFilename])
	}
	head, err := ref.ReadFile(ctx, client.ReadRequest{Filename: ".git/HEAD", Range: &client.FileRange{Length: 128}})
	if err != nil {
		return "", err
	}
	commit := strings.TrimSpace(string(head))
	if !gitutil.IsCommitSHA(commit) {
		return "", fmt.Errorf("BuildKit does not say which commit it fetched: pin it by --checksum, or use BuildKit 0.26 or later")
	}
	return Commit(commit), nil
}

// sumFile digests a file in pieces, as one message of the gateway may be too small for it.
func sumFile(ctx context.Context, ref client.Reference, name string) (string, error) {
	const piece = 2 << 20
	sum := sha256.New()
	for offset := 0; ; offset += piece {
		part, err := ref.ReadFile(ctx, client.ReadRequest{Filename: name, Range: &client.FileRange{Offset: offset, Length: piece}})
		if err != nil {
			return "", err
		}
		sum.Write(part) // never returns an error
		if len(part) < piece {
			return digest.NewDigest(digest.SHA256, sum).String(), nil
		}
	}
}
