package frontend

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/show"
)

// explained says a registry's error in one line, without what may be a
// credential in an address, and adds the next step.
func explained(err error) error {
	text := show.MaskRequest(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", ": "))
	if step := nextStep(text); step != "" {
		text += ": " + step
	}
	return &shownError{text: text, err: err}
}

// lookingUp is the error of a look-up of a reference.
func lookingUp(ref string, err error) error {
	return &shownError{text: "looking up " + ref + ": " + explained(err).Error(), err: err}
}

// BuildKit passes on texts, no types.
var (
	unexpectedStatus = regexp.MustCompile(`unexpected status from [A-Z]+ request to \S+: (\d{3})\b`)
)

const (
	logIn = "log in to the registry (docker login) with an account that may read it"
	later = "run the same command again later"
)

var stepByStatus = map[int]string{
	401: logIn,
	403: fmt.Sprintf("this account may not read it, log in (docker login) with one that may; some registries also answer 403 for a repository that does not exist yet: if this project has no release, say so with --first, or with the build argument %s=1", ArgFirst),
	429: "the registry limits requests, " + later,
}

var stepByText = []struct{ text, step string }{
	{"repository does not exist or may require authorization", logIn},
	{"failed to authorize", logIn},
	{"failed to fetch anonymous token", "check that the registry's token service is up, and " + logIn},
	{"failed to fetch oauth token", "check that the registry's token service is up, and " + logIn},
	{"connection refused", "check that the registry runs, and its address"},
	{"no such host", "check the registry's address"},
	{"dial tcp: lookup", "check the registry's address"},
	{"no match for platform", "the image is not made for a platform of the manifest: check platforms:"},
	{"encountered unknown type", "this is not an image, another tool wrote there: let the tag name a release again, or delete it"},
	{"unexpected commit digest", "what came is not what was stored: check a proxy before the registry, " + later},
	{"from remote: not found", "the registry lost a part of the image: push it again"},
	{"not found: not found", "the registry lost a part of the image: push it again"},
	{"no answer within", "the registry is in trouble, " + later},
	{"EOF", "the connection broke, " + later},
	{"connection reset", "the connection broke, " + later},
	{"i/o timeout", "the registry does not answer, " + later},
}

// nextStep says what may help against a registry's error, "" if nothing is known.
func nextStep(text string) string {
	if found := unexpectedStatus.FindStringSubmatch(text); found != nil {
		status, err := strconv.Atoi(found[1])
		if err == nil && status >= 500 {
			return "the registry is in trouble, " + later
		}
		return stepByStatus[status]
	}
	for _, s := range stepByText {
		if strings.Contains(text, s.text) {
			return s.step
		}
	}
	return ""
}

// maxPatience is how long a look-up may take, BuildKit's own attempts included.
const maxPatience = time.Minute

// patientClient is BuildKit with a deadline for each look-up of an image: by
// itself it would wait for a silent registry for ever.
type patientClient struct {
	client.Client
	patience time.Duration
}

// ResolveImageConfig is the embedded client's; the error has a next step.
func (c patientClient) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (resolved string, dgst digest.Digest, config []byte, err error) {
	err = c.limit(ctx, func(ctx context.Context) (err error) {
		resolved, dgst, config, err = c.Client.ResolveImageConfig(ctx, ref, opt)
		return err
	})
	if err != nil {
		return "", "", nil, explained(err)
	}
	return resolved, dgst, config, nil
}

// ResolveSourceMetadata is the embedded client's.
func (c patientClient) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (meta *sourceresolver.MetaResponse, err error) {
	err = c.limit(ctx, func(ctx context.Context) (err error) {
		meta, err = c.Client.ResolveSourceMetadata(ctx, op, opt)
		return err
	})
	return meta, err
}

func (c patientClient) limit(ctx context.Context, ask func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	err := ask(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no answer within %s", c.patience)
	}
	return err
}
