package store

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
)

// list returns one page of a repository's tags: the one that next of the page
// before names, else the first one after a tag. A repository that is not there
// has no tags.
func (r repository) list(ctx context.Context, after, page string) (tags []string, next string, err error) {
	client, err := r.project.client(ctx, r.scope)
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
	err = r.project.attempts(ctx, func(ctx context.Context) (err error) {
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
		return nil, "", r.oddList("the answer is 404, but not as a registry says that something is absent")
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal(a.body, &list); err != nil {
		return nil, "", r.oddList("the list of tags is broken: " + clean(err.Error()))
	}
	next, err = r.nextPage(a.header.Values("Link"))
	if err == nil && next == "" {
		next = unlinked(list.Tags, after, page)
	}
	return list.Tags, next, err
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
			return "", r.oddList(fmt.Sprintf("the next page of tags is said to be %.80q", clean(target)))
		}
		return parsed.RawQuery, nil
	}
	return "", nil
}

// allTags are the tags of a repository, sorted.
func (r repository) allTags(ctx context.Context) ([]string, error) {
	var all []string
	page := ""
	for range maxPages {
		tags, next, err := r.list(ctx, "", page)
		if err != nil {
			return nil, err
		}
		all = append(all, tags...)
		if next == "" {
			slices.Sort(all)
			return slices.Compact(all), nil
		}
		if next == page {
			break
		}
		page = next
	}
	return nil, r.oddList("the list of tags has no end")
}

func (r repository) oddList(problem string) error {
	return &RequestError{
		Doing: reading, Reference: r.name.Name(), Problem: problem, once: true,
		Hint: "check the registry's address, and a proxy before it",
	}
}
