package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// stall ends a request on which no byte has moved for a while: a large blob may
// take any time, as long as it moves.
type stall struct {
	timer  *time.Timer
	after  time.Duration
	cancel context.CancelFunc
	mu     sync.Mutex
	over   bool
}

func watch(ctx context.Context, after time.Duration) (context.Context, *stall) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stall{after: after, cancel: cancel}
	s.timer = time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		cancel()
	})
	return ctx, s
}

func (s *stall) moved() { s.timer.Reset(s.after) }

func (s *stall) stop() {
	s.timer.Stop()
	s.cancel()
}

// explain tells that time was over from other ends.
func (s *stall) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.over {
		return context.DeadlineExceeded
	}
	return err
}

// body is a blob on its way in.
type body struct {
	io.ReadCloser
	*stall
	wrap func(error) error
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.moved()
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.wrap(b.explain(err))
	}
	return n, err
}

func (b *body) Close() error {
	b.stop()
	return b.ReadCloser.Close()
}

func (s *shelf) open(ctx context.Context, image string, blob descriptor) (io.ReadCloser, error) {
	r := s.at(image)
	client, err := s.project.client(ctx, r.scope)
	if err != nil {
		return nil, err
	}
	reference := r.reference(blob.Digest)
	wrap := func(err error) error { return s.project.refused(ctx, reading, reference, err) }
	moving, watched := watch(ctx, s.project.options.Timeout)
	request, err := http.NewRequestWithContext(moving, http.MethodGet, r.url()+"/blobs/"+blob.Digest, nil)
	if err != nil {
		watched.stop()
		return nil, wrap(err)
	}
	response, err := client.Do(request)
	if err != nil {
		watched.stop()
		return nil, wrap(watched.explain(err))
	}
	opened := &body{response.Body, watched, wrap}
	if response.StatusCode == http.StatusOK {
		return opened, nil
	}
	defer opened.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, r.lost(blob.Digest)
	}
	said, _ := io.ReadAll(io.LimitReader(opened, maxProblem)) // only for the message
	return nil, s.project.declined(reading, reference, response.StatusCode, response.Header, diagnostics(said))
}

// verified is a blob on its way out. The end of one that is not what its digest
// says is not given away.
type verified struct {
	io.ReadCloser
	*stall
	blob descriptor
	hash hash.Hash
	read int64
	err  error // of the source
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.moved()
	v.hash.Write(p[:n])
	v.read += int64(n)
	v.mu.Lock() // an answer may come before all was sent
	defer v.mu.Unlock()
	switch end := errors.Is(err, io.EOF); {
	case err != nil && !end:
		v.err = err
	case v.read > v.blob.Size || end && v.read < v.blob.Size:
		v.err = v.altered(fmt.Sprintf("the contents have %d bytes or more, not %d", v.read, v.blob.Size))
	case v.read == v.blob.Size:
		if sum := "sha256:" + hex.EncodeToString(v.hash.Sum(nil)); sum != v.blob.Digest {
			v.err = v.altered("the contents have another digest, " + sum)
		}
	}
	if v.err != nil {
		return 0, v.err
	}
	return n, err
}

func (v *verified) broken() error {
	if v.stall == nil {
		return nil // it was not opened
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

func (v *verified) altered(problem string) error {
	return &RequestError{Doing: reading, Reference: v.blob.Digest, Problem: problem, once: true, Hint: "somebody altered it, or what lies between: copy from another place"}
}

func (s *shelf) write(ctx context.Context, image string, blob descriptor, from string, open opener) (mounted bool, err error) {
	for attempt := 1; ; attempt++ {
		mounted, err = s.writeOnce(ctx, image, blob, from, open)
		if err == nil || attempt == attempts || !repeatable(err) {
			return mounted, err
		}
		if err := s.project.pause(ctx, attempt, err); err != nil {
			return false, err
		}
		from = ""
		if there, err := s.has(ctx, image, blob); err != nil || there {
			return false, err
		}
	}
}

// writeOnce mounts a blob, or else uploads it in one piece.
func (s *shelf) writeOnce(ctx context.Context, image string, blob descriptor, from string, open opener) (mounted bool, err error) {
	r := s.writable(image)
	if from != "" {
		r.scope.from = from
	}
	client, err := s.project.client(ctx, r.scope)
	if err != nil {
		return false, err
	}
	query := ""
	if from != "" {
		query = "?" + url.Values{"mount": {blob.Digest}, "from": {s.at(from).name.RepositoryStr()}}.Encode()
	}
	var a answer
	var location *url.URL
	err = s.project.attempt(ctx, func(ctx context.Context) (err error) {
		a, location, err = r.begin(ctx, client, exchange{
			question: question{method: http.MethodPost, limit: maxProblem},
			url:      r.url() + "/blobs/uploads/" + query, doing: writing, reference: r.reference(blob.Digest),
		})
		return err
	})
	switch {
	case err != nil && from != "" && ctx.Err() == nil: // some registries do not just decline
		return s.writeOnce(ctx, image, blob, "", open)
	case err != nil:
		return false, err
	case a.status == http.StatusCreated && from != "":
		return true, nil
	case a.status != http.StatusAccepted || location == nil:
		return false, r.unexpected(r.reference(blob.Digest), a.status, "202 Accepted")
	}
	return false, r.stream(ctx, client, location, blob, open)
}

// stream uploads a blob to where the registry wants it. The source is opened when
// it is sent, and again if that has to be repeated with a fresh token.
func (r repository) stream(ctx context.Context, client *http.Client, location *url.URL, blob descriptor, open opener) error {
	moving, watched := watch(ctx, r.project.options.Timeout)
	defer watched.stop()
	query := location.Query()
	query.Set("digest", blob.Digest)
	location.RawQuery = query.Encode()
	reference := r.reference(blob.Digest)
	request, err := http.NewRequestWithContext(moving, http.MethodPut, location.String(), nil)
	if err != nil {
		return r.project.refused(ctx, writing, reference, err)
	}
	contents := &verified{}
	request.GetBody = func() (io.ReadCloser, error) {
		source, err := open(ctx)
		if err != nil {
			return nil, err
		}
		contents = &verified{ReadCloser: source, stall: watched, blob: blob, hash: sha256.New()}
		return contents, nil
	}
	// Whatever carries the request asks for the body anew, see [carrier].
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader("")), blob.Size
	if blob.Size == 0 {
		request.Body, request.GetBody = http.NoBody, nil
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := client.Do(request)
	if broken := contents.broken(); broken != nil {
		if err == nil {
			response.Body.Close()
		}
		return broken
	}
	if err != nil {
		return r.project.refused(ctx, writing, reference, watched.explain(err))
	}
	defer response.Body.Close()
	a, err := r.project.read(ctx, writing, reference, response, maxProblem)
	if err == nil && a.status != http.StatusCreated {
		err = r.unexpected(reference, a.status, "201 Created")
	}
	return err
}
