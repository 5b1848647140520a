package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// accept is the header of that name, one line: some registries read no second.
var accept = strings.Join(Acceptable, ",")

// given is the token in an answer: some registries only send access_token.
func given(token *transport.Token) string {
	if token.Token == "" {
		return token.AccessToken
	}
	return token.Token
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

// digest is what an answer says that it is about; "" if it says nothing, as a
// registry may in answer to a GET or a PUT.
func (a answer) digest() string { return a.header.Get("Docker-Content-Digest") }

// is checks the success of a write: any but the expected one may be a proxy's, after
// which what was written has to be looked at.
func (a answer) is(expected int, reference string) error {
	if a.status == expected {
		return nil
	}
	return &RequestError{
		Doing: writing, Reference: reference, Hint: checkAddress,
		Problem: fmt.Sprintf("the answer is %d %s, not %d %s", a.status, http.StatusText(a.status), expected, http.StatusText(expected)),
	}
}

// mountRefused reports whether a registry does not mount a blob. It should offer an
// upload in the same answer, but some do not just decline.
func mountRefused(ctx context.Context, from string, err error) bool {
	return err != nil && from != "" && ctx.Err() == nil
}

// Immutable reports whether a registry declined to overwrite a tag.
func Immutable(err error) bool {
	var failed *RequestError
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Status {
	case http.StatusConflict, http.StatusPreconditionFailed:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity:
	default:
		return false
	}
	for _, said := range failed.said {
		// Registries have no code in common for it, so some say it in words only.
		text := strings.ToLower(string(said.Code) + " " + said.Message)
		if said.Code == "TAG_INVALID" || strings.Contains(text, "immutable") || strings.Contains(text, "overwrit") {
			return true
		}
	}
	return false
}

// Denied reports whether a registry denies access. Some do so to all that is not
// there.
func Denied(err error) bool {
	var failed *RequestError
	return errors.As(err, &failed) && failed.Status == http.StatusForbidden
}

// deleted says what the answer to the deletion of a tag means. Registries that do
// not delete single tags have many ways to say so.
func deleted(err error) (bool, error) {
	var failed *RequestError
	if !errors.As(err, &failed) {
		return err == nil, err
	}
	switch failed.Status {
	case http.StatusNotFound:
		return true, nil
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict,
		http.StatusPreconditionFailed, http.StatusNotImplemented:
		return false, nil
	}
	return false, err
}

// unlinked is what to ask for after a full page that links to no other: a registry
// may leave that out. One that does not know last answers the same page again,
// which does not go on.
func unlinked(tags []string, after, page string) string {
	if page != "" {
		query, _ := url.ParseQuery(page) // what is broken in it is not last
		after = query.Get("last")
	}
	if len(tags) != pageSize || tags[pageSize-1] <= after {
		return ""
	}
	return url.Values{"n": {fmt.Sprint(pageSize)}, "last": {tags[pageSize-1]}}.Encode()
}

// unlists reports whether a registry keeps no list of referrers. The answer is the
// same for a manifest that it does not know, of which there is nothing to list.
func (a answer) unlists() bool { return a.status == http.StatusNotFound }
