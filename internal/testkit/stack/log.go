package stack

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

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

const (
	markAgent   = "quoit-mark"
	markTimeout = 10 * time.Second
)

// RegistryMark is a moment in the registry's access log.
type RegistryMark struct {
	offset int64
	err    error
}

// mark marks now: every request that was answered before is before the
// mark. An error is kept for requestsSince.
func (r *registry) mark() RegistryMark {
	log, sentinel, err := r.readLog()
	if err != nil {
		return RegistryMark{err: fmt.Errorf("marking the registry's log: %w", err)}
	}
	end := sentinel + bytes.IndexByte(log[sentinel:], '\n') + 1
	return RegistryMark{offset: int64(end)}
}

// requestsSince are the requests that were answered between the mark and now,
// in the order in which they were finished.
func (r *registry) requestsSince(mark RegistryMark) ([]proxy.Request, error) {
	if mark.err != nil {
		return nil, mark.err
	}
	log, sentinel, err := r.readLog()
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
func (r *registry) readLog() (log []byte, sentinel int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), markTimeout)
	defer cancel()
	query := fmt.Sprintf("mark=%d.%d", os.Getpid(), r.marks.Add(1))
	for _, q := range []string{"first." + query, query} {
		if err := sendMark(ctx, r.Host, q); err != nil {
			return nil, 0, err
		}
	}
	err = daemon.Poll(ctx, func() (bool, error) {
		var err error
		if log, err = os.ReadFile(r.AccessLog); err != nil {
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

func parseLog(log []byte) ([]proxy.Request, error) {
	var requests []proxy.Request
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

func parseRequest(line string) (proxy.Request, error) {
	m := combined.FindStringSubmatch(line)
	if m == nil {
		return proxy.Request{}, fmt.Errorf("no line of an access log: %q", line)
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[1])
	if err != nil {
		return proxy.Request{}, fmt.Errorf("no line of an access log: %w", err)
	}
	r := proxy.Request{Time: at, Method: m[2], UserAgent: m[6]}
	r.Path, r.Query, _ = strings.Cut(m[3], "?")
	if r.Status, err = strconv.Atoi(m[4]); err != nil {
		return proxy.Request{}, fmt.Errorf("no line of an access log: %w", err)
	}
	if r.Bytes, err = strconv.ParseInt(m[5], 10, 64); err != nil {
		return proxy.Request{}, fmt.Errorf("no line of an access log: %w", err)
	}
	return r, nil
}
