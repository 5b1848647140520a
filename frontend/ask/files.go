package ask

import (
	"context"
	"fmt"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"

	"github.com/quoitbuild/quoit/account"
)

// Accounts reads what some images were made of from what a reference names: BuildKit fetches
// what is kept as an image. An account that is not there is left out.
func Accounts(ctx context.Context, c client.Client, ref string, images []string) (map[string][]byte, error) {
	def, err := bk.Image(ref, bk.LinuxAmd64, dockerui.WithInternalName("load what images were made of")).Marshal(ctx, bk.WithCaps(c.BuildOpts().LLBCaps))
	if err != nil {
		return nil, err
	}
	res, err := c.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return nil, err
	}
	kept, err := res.SingleRef()
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for _, image := range images {
		data, err := kept.ReadFile(ctx, client.ReadRequest{Filename: account.FileOf(image), Range: &client.FileRange{Length: account.MaxAccount + 1}})
		if err == nil {
			found[image] = data
		}
	}
	return found, nil
}

// ReadFile reads a file of at most as many bytes in pieces: one message of the gateway may be
// too small for it.
func ReadFile(ctx context.Context, ref client.Reference, name string, limit int) ([]byte, error) {
	const piece = 2 << 20
	var data []byte
	for {
		part, err := ref.ReadFile(ctx, client.ReadRequest{Filename: name, Range: &client.FileRange{Offset: len(data), Length: piece}})
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
		if len(data) > limit {
			return nil, fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
		}
		if len(part) < piece {
			return data, nil
		}
	}
}
