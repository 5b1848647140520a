package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	pageSize = 100
	maxPage  = 4 << 20
	maxPages = 10_000
	maxIdle  = 100
)

// Tags implements [Repository].
func (r repository) Tags(ctx context.Context, after, page string) (tags []string, next string, err error) {
	client, err := r.reader(ctx)
	if err != nil {
		return nil, "", err
	}
	at := r.url() + "/tags/list?" + page
	if page == "" {
		query := url.Values{"n": {fmt.Sprint(pageSize)}}
		if after != "" {
			query.Set("last", after)
		}
		at += query.Encode()
	}
	var a answer
	err = r.client.pace.Retry(ctx, func(ctx context.Context) (err error) {
		a, err = r.exchange(ctx, client, exchange{
			question: question{method: http.MethodGet, kind: "tags", limit: maxPage}, url: at, doing: reading, reference: r.name.Name(),
		})
		return err
	})
	switch {
	case err != nil:
		return nil, "", err
	case a.absent(false):
		return nil, "", nil
	case a.status == http.StatusNotFound:
		return nil, "", oddList(r.name.Name(), "the answer is 404, but not as a registry says that something is absent")
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal(a.body, &list); err != nil {
		return nil, "", oddList(r.name.Name(), "the list of tags is broken: "+clean(err.Error()))
	}
	next, err = r.nextPage(a.header.Values("Link"))
	if err == nil && next == "" {
		next = unlinked(list.Tags, after, page)
	}
	return list.Tags, next, err
}

// nextPage reads RFC 5988's Link: the query of the next page. Where it is said
// to be does not matter, it is this repository's.
func (r repository) nextPage(links []string) (string, error) {
	for _, link := range strings.Split(strings.Join(links, ","), ",") {
		target, parameters, found := strings.Cut(link, ">")
		_, target, opened := strings.Cut(target, "<")
		if !found || !opened || !strings.Contains(strings.ReplaceAll(parameters, `"`, ""), "rel=next") {
			continue
		}
		parsed, err := url.Parse(target)
		if err != nil || parsed.RawQuery == "" {
			return "", oddList(r.name.Name(), fmt.Sprintf("the next page of tags is said to be %.80q", clean(target)))
		}
		return parsed.RawQuery, nil
	}
	return "", nil
}

// AllTags are the tags of a repository, sorted.
func AllTags(ctx context.Context, r Repository) ([]string, error) {
	var all []string
	var pages Pages
	for page := ""; ; {
		tags, next, err := r.Tags(ctx, "", page)
		if err == nil {
			err = pages.Turn(r, tags, next)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, tags...)
		if next == "" {
			slices.Sort(all)
			return slices.Compact(all), nil
		}
		page = next
	}
}

// Pages is what was read of one list of tags; the zero value is for a new one.
type Pages struct {
	seen map[string]bool // pages that were named as the next one
	idle int             // pages without a tag, one after the other
}

// Turn notes what a page has and which one is next, as [Repository.Tags] says. The
// error says that the list goes round, or has no end.
func (p *Pages) Turn(r Repository, tags []string, next string) error {
	if next == "" {
		return nil
	}
	if p.idle++; len(tags) > 0 {
		p.idle = 0
	}
	repository, _, _ := strings.Cut(r.Reference("_"), ":_")
	switch {
	case p.seen[next]:
		return oddList(repository, "the list of tags goes round: a page is followed by one that was read before")
	case len(p.seen) >= maxPages, p.idle >= maxIdle:
		return oddList(repository, "the list of tags has no end")
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[next] = true
	return nil
}

func oddList(repository, problem string) error {
	return &RequestError{Doing: reading, Reference: repository, Problem: problem, once: true, Hint: checkAddress}
}
