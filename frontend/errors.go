package frontend

import (
	"errors"
	"strings"
	"unicode/utf8"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/internal/diag"
)

// inManifest gives each diagnostic of an error the excerpt that BuildKit's
// clients print, all of them joined: of the manifest, or of the file that the
// diagnostic names. The diagnostics stay in the error, for the
// quoit command to render.
func inManifest(err error, source *bk.SourceMap) error {
	list := diag.All(err)
	if len(list) == 0 {
		return err
	}
	var all []error
	for _, d := range list.Sorted() {
		info := &pb.SourceInfo{Filename: source.Filename, Language: source.Language, Data: source.Data}
		if d.Source != nil && d.Source.Name != source.Filename {
			info = &pb.SourceInfo{Filename: d.Source.Name, Data: d.Source.Data}
		} else if source.Definition != nil {
			info.Definition = source.Definition.ToPB()
		}
		all = append(all, errdefs.WithSource(d, &errdefs.Source{
			Info: info, Ranges: []*pb.Range{pbRange(d.Range)},
		}))
	}
	return errors.Join(all...)
}

// validText makes an error that quotes arbitrary bytes fit for a message of gRPC,
// which has to be UTF-8, and keeps its excerpts.
func validText(err error) error {
	if err == nil || utf8.ValidString(err.Error()) {
		return err
	}
	valid := errors.New(strings.ToValidUTF8(err.Error(), "\uFFFD"))
	for _, source := range errdefs.Sources(err) {
		valid = errdefs.WithSource(valid, source)
	}
	return valid
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
