package gatewaytest

import (
	"errors"
	"strings"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// isRemote tells whether a source is a file at an address, or of a git repository.
func isRemote(op *pb.SourceOp) bool {
	scheme, _, _ := strings.Cut(op.GetIdentifier(), "://")
	return scheme == "http" || scheme == "https" || scheme == "git"
}

// lookUpRemote says what a remote source has. An old BuildKit answers with nothing.
func (g *Gateway) lookUpRemote(op *pb.SourceOp) (*sourceresolver.MetaResponse, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[op.Identifier]++
	has, ok := g.Remotes[op.Identifier]
	meta := &sourceresolver.MetaResponse{Op: op}
	switch {
	case !ok:
		return nil, errors.New("invalid response status 404")
	case g.Old:
	case strings.HasPrefix(op.Identifier, "git://"):
		meta.Git = &sourceresolver.ResolveGitResponse{Checksum: has}
	default:
		meta.HTTP = &sourceresolver.ResolveHTTPResponse{Digest: digest.FromString(has)}
	}
	return meta, nil
}

// fetched is a folder with what a remote source has.
func (g *Gateway) fetched(op *pb.SourceOp) files {
	has := g.Remotes[op.Identifier]
	if strings.HasPrefix(op.Identifier, "git://") {
		return files{byName: map[string][]byte{".git/HEAD": []byte(has + "\n")}}
	}
	return files{byName: map[string][]byte{op.Attrs[pb.AttrHTTPFilename]: []byte(has)}}
}
