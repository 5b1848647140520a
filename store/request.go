package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	maxProblem  = 64 << 10 // of an error's body
)

// The media types of what a version's tag may name.
var (
	indexes    = []types.MediaType{types.OCIImageIndex, types.DockerManifestList}
	images     = []types.MediaType{types.OCIManifestSchema1, types.DockerManifestSchema2}
	acceptable = slices.Concat(indexes, images)
)

// accept is the header of that name, one line: some registries read no second.
var accept = func() string {
	var all []string
	for _, mediaType := range acceptable {
		all = append(all, string(mediaType))
	}
	return strings.Join(all, ",")
}()

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*$`)
	tagForm  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// repository is one image of the project, with the right to it that is needed.
type repository struct {
	project *Project
	scope   scope
	name    name.Repository
}

func (p *Project) repository(image, right string) repository {
	return repository{project: p, scope: scope{image: image, right: right}, name: p.server.Repo(p.path, image)}
}

// reference is a tag or digest of the repository, for people.
func (r repository) reference(identifier string) string {
	if digestForm.MatchString(identifier) {
		return r.name.Name() + "@" + identifier
	}
	return r.name.Name() + ":" + identifier
}

// question is one request.
type question struct {
	method     string
	kind       string // manifests, blobs, uploads or tags
	identifier string // a tag or digest
	mediaType  string // of body
	body       []byte
	limit      int64 // of the answer's body
}

// answer is what a registry said: 404, or a success.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request that changes nothing, if need be repeatedly.
func (r repository) ask(ctx context.Context, q question) (answer answer, err error) {
	client, err := r.project.client(ctx, r.scope)
	if err != nil {
		return answer, err
	}
	err = r.project.attempts(ctx, func(ctx context.Context) (err error) {
		answer, err = r.send(ctx, client, q)
		return err
	})
	return answer, err
}

// send makes one attempt. An error is a [*RequestError].
func (r repository) send(ctx context.Context, client *http.Client, q question) (answer, error) {
	doing, reference := reading, r.reference(q.identifier)
	if q.method == http.MethodPut {
		doing = writing
	}
	if !tagForm.MatchString(q.identifier) && !digestForm.MatchString(q.identifier) {
		return answer{}, &RequestError{Doing: doing, Reference: r.name.Name(), Problem: fmt.Sprintf("%.130q is neither a tag nor a digest", q.identifier), once: true}
	}
	return r.exchange(ctx, client, exchange{
		question: q, doing: doing, reference: reference,
		url: fmt.Sprintf("%s/%s/%s", r.url(), q.kind, q.identifier),
	})
}

// url is where the repository is.
func (r repository) url() string {
	scheme := "https"
	if r.project.greeting.challenge.Insecure {
		scheme = "http"
	}
	return fmt.Sprintf("%s://%s/v2/%s", scheme, r.project.host(), r.name.RepositoryStr())
}

// exchange is a request to a URL, and what it is called in errors.
type exchange struct {
	question
	url              string
	doing, reference string
}

// exchange sends a request and reads the answer, in one attempt.
func (r repository) exchange(ctx context.Context, client *http.Client, e exchange) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, e.method, e.url, bytes.NewReader(e.body))
	if err != nil {
		return answer{}, &RequestError{Doing: e.doing, Reference: e.reference, Problem: "it is not a valid reference", Err: err, once: true}
	}
	if e.kind == "manifests" && e.method != http.MethodPut {
		request.Header.Set("Accept", accept)
	}
	if e.mediaType != "" {
		request.Header.Set("Content-Type", e.mediaType)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, r.project.refused(ctx, e.doing, e.reference, err)
	}
	defer response.Body.Close()
	return r.project.read(ctx, e.doing, e.reference, response, e.limit)
}

// read takes the answer in, up to its limit.
func (p *Project) read(ctx context.Context, doing, reference string, response *http.Response, limit int64) (answer, error) {
	success := response.StatusCode >= 200 && response.StatusCode < 300
	if !success {
		limit = maxProblem
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil && (success || response.StatusCode == http.StatusNotFound):
		return answer{}, p.refused(ctx, doing, reference, err)
	case success && int64(len(body)) > limit:
		return answer{}, &RequestError{
			Doing: doing, Reference: reference, once: true,
			Problem: fmt.Sprintf("the registry sent more than %d MiB", limit>>20), Hint: "this is no image that quoit built",
		}
	case success || response.StatusCode == http.StatusNotFound && doing == reading:
		return answer{response.StatusCode, response.Header, body}, nil
	}
	return answer{}, p.declined(doing, reference, response.StatusCode, response.Header, diagnostics(body))
}

// absent reports whether an answer clearly says that there is nothing. A HEAD
// has no body that could say so, so there the registry has to identify itself.
func (a answer) absent(head bool) bool {
	if a.status != http.StatusNotFound {
		return false
	}
	if head {
		return strings.HasPrefix(a.header.Get("Docker-Distribution-Api-Version"), "registry/2")
	}
	for _, d := range diagnostics(a.body) {
		switch d.Code {
		case "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND": // the last is Harbor's
			return true
		}
	}
	return false
}

// unclear is the error for a 404 that does not say what is missing.
func (r repository) unclear(identifier string) error {
	return &RequestError{
		Doing: reading, Reference: r.reference(identifier), Status: http.StatusNotFound, once: true,
		Problem: "the answer is 404, but not as a registry says that something is absent",
		Hint:    "check the registry's address, and a proxy before it",
	}
}
