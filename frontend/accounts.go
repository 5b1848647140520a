package frontend

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/frontend/secret"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// maxListed is how many images a builder is asked about, where their files are, for what
// they read.
const maxListed = 16

// specify puts into the reasons of a plan what has changed of the images' sources, as far as
// it was kept what they were made of. Whatever goes wrong, the plan stands.
func (r run) specify(ctx context.Context, k *known, seen state) {
	if r.accounts == nil {
		return
	}
	kept := map[string]string{} // where that is, by image
	for _, name := range k.Changed() {
		image, _ := k.Image(name)
		of := func(reason versioning.Reason) bool { return reason.Kind == versioning.ReasonRevision }
		if !slices.ContainsFunc(image.Reasons, of) {
			continue
		}
		if at := seen.log.Account(ctx, []*versioning.Placed{seen.Current, seen.Next}, name, image.Previous); at != "" {
			kept[name] = k.manifest.Repository(records.Repository) + "@" + at
		}
	}
	if len(kept) == 0 {
		return
	}
	parts := k.parts()
	names := r.list(ctx, k, slices.Sorted(maps.Keys(kept)))
	for name, data := range r.readAccounts(ctx, kept, names) {
		if old, err := account.Parse(data); err == nil {
			k.Specify(name, account.Changes(old, k.account(name, parts)))
		}
	}
}

// readAccounts reads the accounts of images, each place where some of them are once. What
// cannot be read is left out.
func (r run) readAccounts(ctx context.Context, kept map[string]string, names []string) map[string][]byte {
	byPlace := map[string][]string{}
	for _, name := range names {
		byPlace[kept[name]] = append(byPlace[kept[name]], name)
	}
	var mu sync.Mutex
	found := map[string][]byte{}
	var eg errgroup.Group
	eg.SetLimit(maxParallelReads)
	for place, names := range byPlace {
		eg.Go(func() error {
			accounts, err := r.accounts(ctx, place, names)
			if err != nil {
				return nil // the plan stands without
			}
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(found, accounts)
			return nil
		})
	}
	_ = eg.Wait() // nobody fails
	return found
}

// list returns the images of which it is known what they read, after it has asked for that
// if need be.
func (r run) list(ctx context.Context, k *known, names []string) []string {
	if k.read.answer.Listed() {
		return names
	}
	names = names[:min(len(names), maxListed)]
	req := k.hashRequest(k.graphs)
	req.Images = slices.DeleteFunc(req.Images, func(in revision.ImageInputs) bool { return len(in.Reads) == 0 })
	for _, in := range req.Images {
		if image, _ := in.Of(); slices.Contains(names, image) {
			req.List = append(req.List, in.Name)
		}
	}
	if len(req.List) > 0 {
		answer, _, err := r.hasher.hash(ctx, k.project, req)
		if err != nil {
			return nil
		}
		k.read.answer = answer
	}
	return names
}

// accounts say what the images that are built are made of.
func (k known) accounts() map[string]account.Account {
	all, parts := map[string]account.Account{}, k.parts()
	for _, name := range k.PublishOrder() {
		all[name] = k.account(name, parts)
	}
	return all
}

// parts are by image those parts of a request that read something.
func (k known) parts() map[string][]string {
	parts := map[string][]string{}
	for _, in := range k.hashRequest(k.graphs).Images {
		if image, _ := in.Of(); len(in.Reads) > 0 {
			parts[image] = append(parts[image], in.Name)
		}
	}
	return parts
}

// account says what an image is made of now.
func (k known) account(name string, parts map[string][]string) account.Account {
	graphs := k.graphs[name]
	source := graphs[0].Source
	a := account.Account{File: source.File, Target: source.Target, Steps: llb.Steps(graphs), Args: map[string]string{}}
	for _, graph := range graphs {
		for _, arg := range graph.Args {
			if neutralArg(arg) {
				continue
			}
			value := source.Args[arg]
			if a.Args[arg] = digest.FromString(value).String(); secret.Looks(arg, value) {
				a.Args[arg] = ""
			}
		}
	}
	for _, part := range parts[name] {
		a.Entries = append(a.Entries, k.read.answer.List(part)...)
	}
	return account.New(a)
}

// accounts reads accounts through BuildKit, which fetches what is kept as an image. They are
// nobody's business where the plan is known already.
func (g gateway) accounts() func(ctx context.Context, ref string, images []string) (map[string][]byte, error) {
	if g.host.Pins != nil {
		return nil
	}
	return func(ctx context.Context, ref string, images []string) (map[string][]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, ask.MaxPatience)
		defer cancel()
		return ask.Accounts(ctx, g, ref, images)
	}
}
