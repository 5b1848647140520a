package look

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	git "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/llb"
)

// fetching is how long a file may take that has to be read to be known.
const fetching = 10 * time.Minute

// remotes asks the servers that container files add from. Where one does not answer as it
// answers anybody, a builder may have keys and secrets for it.
type remotes struct{ cache Contents }

// ResolveRemote implements [llb.RemoteResolver].
func (r remotes) ResolveRemote(ctx context.Context, op *pb.SourceOp) (string, error) {
	address := op.Identifier
	resolve := r.file
	ref, isGit := llb.GitReferenceOf(op)
	if isGit {
		address = ref.Repository
		resolve = func(ctx context.Context, address *url.URL) (string, error) { return commit(ctx, address, ref) }
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", &llb.BuilderError{Why: "may have a key for it"}
	}
	sum, err := resolve(ctx, u)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", &llb.BuilderError{Why: "may reach " + u.Host}, err)
	}
	return sum, err
}

// validated is what a server said of a file, and the file's digest.
type validated struct {
	Address      string `json:"address"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Digest       string `json:"digest"`
}

// file returns a file's digest. It is read only if the server does not say that it is as it was;
// nothing is remembered of an address that may hold a secret.
func (r remotes) file(ctx context.Context, address *url.URL) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetching)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return "", err
	}
	var known validated
	public := address.User == nil && address.RawQuery == ""
	if public {
		known = r.cache.validated(address.String())
		set(req.Header, "If-None-Match", known.ETag)
		set(req.Header, "If-Modified-Since", known.LastModified)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified && known.Digest != "" {
		return known.Digest, nil
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %s", res.Status)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, res.Body); err != nil {
		return "", err
	}
	known = validated{address.String(), res.Header.Get("ETag"), settled(res.Header), digest.NewDigest(digest.SHA256, sum).String()}
	if public && (known.ETag != "" || known.LastModified != "") {
		r.cache.remember(known)
	}
	return known.Digest, nil
}

// settled is when the file was changed last, "" if that was so short ago that the same second
// may see another change.
func settled(header http.Header) string {
	changed, err := http.ParseTime(header.Get("Last-Modified"))
	now, errNow := http.ParseTime(header.Get("Date"))
	if err != nil || errNow != nil || now.Sub(changed) < 2*time.Second {
		return ""
	}
	return header.Get("Last-Modified")
}

func set(header http.Header, key, value string) {
	if value != "" {
		header.Set(key, value)
	}
}

// commit asks a repository for the commit that a reference leads to.
func commit(ctx context.Context, address *url.URL, ref llb.GitReference) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	endpoint, err := transport.NewEndpoint(address.String())
	if err != nil {
		return "", err
	}
	session, err := git.NewClient(&http.Client{Transport: bounded{http.DefaultTransport}}).NewUploadPackSession(endpoint, nil)
	if err != nil {
		return "", err
	}
	defer session.Close()
	listed, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return "", err
	}
	return chooseCommit(listed, ref)
}

// maxReferences bounds the list of a repository's references, in bytes.
const maxReferences = 64 << 20

// bounded are requests whose answers have a bound.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxReferences)
	}
	return res, err
}

// chooseCommit returns the object that a reference leads to, as BuildKit finds it: by its full
// name, as a branch, as a tag. Of an annotated tag it is the commit, unless the tag counts.
func chooseCommit(listed *packp.AdvRefs, ref llb.GitReference) (string, error) {
	name := ref.Ref
	if name == "" {
		name = defaultBranch(listed)
	}
	tag := "refs/tags/" + strings.TrimPrefix(name, "refs/tags/")
	for _, full := range []string{"refs/" + strings.TrimPrefix(name, "refs/"), "refs/heads/" + strings.TrimPrefix(name, "refs/heads/")} {
		if hash, ok := listed.References[full]; ok && full != tag {
			return llb.Commit(hash.String()), nil
		}
	}
	if hash, ok := listed.Peeled[tag]; ok && !ref.KeepGitDir {
		return llb.Commit(hash.String()), nil
	}
	if hash, ok := listed.References[tag]; ok {
		return llb.Commit(hash.String()), nil
	}
	return "", fmt.Errorf("the repository has no reference %q", cmp.Or(ref.Ref, "HEAD"))
}

// defaultBranch is what HEAD is said to be, "" if that is nothing.
func defaultBranch(listed *packp.AdvRefs) string {
	for _, symbolic := range listed.Capabilities.Get(capability.SymRef) {
		if branch, ok := strings.CutPrefix(symbolic, "HEAD:"); ok {
			return branch
		}
	}
	return ""
}
