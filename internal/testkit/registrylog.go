package testkit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	markAgent   = "quoit-mark"
	markTimeout = 10 * time.Second
)

// Request is a line of the registry's access log.
type Request struct {
	Time      time.Time // when it began, in whole seconds
	Method    string
	Path      string // without the query
	Query     string // as sent, without the question mark
	Status    int
	Bytes     int64 // of the response's body
	UserAgent string
}

// RegistryMark is a moment in the registry's access log.
type RegistryMark struct {
	offset int64
	err    error
}

// RegistryMark marks now: every request that was answered before is before the
// mark. An error is kept for RequestsSince.
func (s *Stack) RegistryMark() RegistryMark {
	log, sentinel, err := s.readLog()
	if err != nil {
		return RegistryMark{err: fmt.Errorf("marking the registry's log: %w", err)}
	}
	end := sentinel + bytes.IndexByte(log[sentinel:], '\n') + 1
	return RegistryMark{offset: int64(end)}
}

// RequestsSince are the requests that were answered between the mark and now,
// in the order in which they were finished.
func (s *Stack) RequestsSince(mark RegistryMark) ([]Request, error) {
	if mark.err != nil {
		return nil, mark.err
	}
	log, sentinel, err := s.readLog()
	if err != nil {
		return nil, fmt.Errorf("reading the registry's log: %w", err)
	}
	return parseLog(log[mark.offset:sentinel])
}

// readLog returns the access log up to a request that it sends itself, and
// where that one's line begins. What was answered earlier is in front of it:
// the registry writes a line before a short answer leaves. The line of a blob
// may come a moment after its last byte; a first request, that nobody looks
// for, gives it that moment.
func (s *Stack) readLog() (log []byte, sentinel int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), markTimeout)
	defer cancel()
	s.mu.Lock()
	s.marks++
	query := fmt.Sprintf("mark=%d.%d", os.Getpid(), s.marks)
	s.mu.Unlock()
	for _, q := range []string{"first." + query, query} {
		if err := sendMark(ctx, s.Registry, q); err != nil {
			return nil, 0, err
		}
	}
	err = poll(ctx, func() (bool, error) {
		var err error
		if log, err = os.ReadFile(s.RegistryLog); err != nil {
			return false, err
		}
		at := bytes.LastIndex(log, []byte("?"+query+" "))
		if at < 0 || bytes.IndexByte(log[at:], '\n') < 0 {
			return false, nil
		}
		sentinel = bytes.LastIndexByte(log[:at], '\n') + 1
		return true, nil
	})
	return log, sentinel, err
}

func sendMark(ctx context.Context, registry, query string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+registry+"/v2/?"+query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", markAgent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// combined is a line of the combined log format: host, user, time, request,
// status, size, referrer, agent.
var combined = regexp.MustCompile(`^\S+ - \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d+) (\d+) "[^"]*" "([^"]*)"$`)

func parseLog(log []byte) ([]Request, error) {
	var requests []Request
	for line := range strings.Lines(string(log)) {
		r, err := parseRequest(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		if r.UserAgent != markAgent {
			requests = append(requests, r)
		}
	}
	return requests, nil
}

func parseRequest(line string) (Request, error) {
	m := combined.FindStringSubmatch(line)
	if m == nil {
		return Request{}, fmt.Errorf("no line of an access log: %q", line)
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[1])
	if err != nil {
		return Request{}, fmt.Errorf("no line of an access log: %w", err)
	}
	r := Request{Time: at, Method: m[2], UserAgent: m[6]}
	r.Path, r.Query, _ = strings.Cut(m[3], "?")
	if r.Status, err = strconv.Atoi(m[4]); err != nil {
		return Request{}, fmt.Errorf("no line of an access log: %w", err)
	}
	if r.Bytes, err = strconv.ParseInt(m[5], 10, 64); err != nil {
		return Request{}, fmt.Errorf("no line of an access log: %w", err)
	}
	return r, nil
}

// requestKinds are what may follow the repository in a path; of two that
// match at one place the first is meant.
var requestKinds = []string{"blobs/uploads", "manifests", "blobs", "tags", "referrers"}

// Kind is what the request is about: manifests, blobs, uploads, tags or
// referrers; "" for one of no repository.
func (r Request) Kind() string {
	_, kind := r.split()
	return strings.TrimPrefix(kind, "blobs/")
}

// Repository is the repository's name, "" for a request of none.
func (r Request) Repository() string {
	repository, _ := r.split()
	return repository
}

func (r Request) split() (repository, kind string) {
	path, ok := strings.CutPrefix(r.Path, "/v2/")
	if !ok {
		return "", ""
	}
	for _, k := range requestKinds {
		// A repository's name may have these words too: the last one counts.
		if at := strings.LastIndex(path, "/"+k+"/"); at > len(repository) {
			repository, kind = path[:at], k
		}
	}
	return repository, kind
}

// InRepository keeps the requests of a repository and of those below it:
// "shop" has shop and shop/web, not shopping.
func InRepository(requests []Request, prefix string) []Request {
	var kept []Request
	for _, r := range requests {
		name := r.Repository()
		if name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/") {
			kept = append(kept, r)
		}
	}
	return kept
}

// CountRequests counts by method and kind: "HEAD manifests", "GET blobs",
// "POST uploads". Requests of no repository, as for /v2/, are left out.
func CountRequests(requests []Request) map[string]int {
	counts := map[string]int{}
	for _, r := range requests {
		if kind := r.Kind(); kind != "" {
			counts[r.Method+" "+kind]++
		}
	}
	return counts
}
