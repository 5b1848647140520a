package frontend

import (
	"errors"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/internal/diag"
)

// What is sent of excerpts at most: every one has the whole file in it, and a
// message to a client may have 16 MiB.
const (
	maxExcerpts     = 20
	maxExcerptBytes = 2 << 20
)

// inManifest gives the first diagnostics of an error the excerpts that BuildKit's
// clients print, all of them joined: of the manifest, or of the file that the
// diagnostic names. The others are text. The diagnostics stay in the error, for the
// quoit command to render.
func inManifest(err error, source *bk.SourceMap) error {
	list := diag.All(err).Sorted()
	if len(list) == 0 {
		return err
	}
	var all []error
	size := 0
	for i, d := range list {
		info := sourceOf(d, source)
		if size += len(info.Data); i == maxExcerpts || size > maxExcerptBytes {
			all = append(all, list[i:])
			break
		}
		all = append(all, errdefs.WithSource(d, &errdefs.Source{
			Info: info, Ranges: []*pb.Range{pbRange(d.Range)},
		}))
	}
	return errors.Join(all...)
}

// sourceOf is the file that a diagnostic is in.
func sourceOf(d diag.Diagnostic, manifest *bk.SourceMap) *pb.SourceInfo {
	if d.Source != nil && d.Source.Name != manifest.Filename {
		return &pb.SourceInfo{Filename: d.Source.Name, Data: d.Source.Data}
	}
	info := &pb.SourceInfo{Filename: manifest.Filename, Language: manifest.Language, Data: manifest.Data}
	if manifest.Definition != nil {
		info.Definition = manifest.Definition.ToPB()
	}
	return info
}

// pbRange is a range as BuildKit counts: lines from one, characters from zero.
func pbRange(r diag.Range) *pb.Range {
	end := r.End
	if end.Line == 0 {
		end = r.Start
	}
	return &pb.Range{
		Start: &pb.Position{Line: int32(r.Start.Line), Character: int32(max(r.Start.Column-1, 0))},
		End:   &pb.Position{Line: int32(end.Line), Character: int32(max(end.Column-1, 0))},
	}
}
