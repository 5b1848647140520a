package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Fault answers a request in place of the registry, or spoils its answer, which
// forward gives.
type Fault func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc)

// Status answers with an error as registries give it: a code of the
// distribution specification, like DENIED, and a message.
func Status(status int, code, message string) Fault {
	return Answer(status, nil, fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, message))
}

// Unauthorized answers 401. Scheme is Basic or Bearer, "" for an answer without
// the header that says how to log in.
func Unauthorized(scheme string) Fault {
	header := http.Header{}
	if scheme != "" {
		header.Set("Www-Authenticate", scheme+` realm="http://localhost:1/token",service="registry"`)
	}
	return Answer(http.StatusUnauthorized, header, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
}

// TooManyRequests answers 429 and asks to wait.
func TooManyRequests(wait time.Duration) Fault {
	header := http.Header{"Retry-After": {strconv.Itoa(int(wait.Seconds()))}}
	return Answer(http.StatusTooManyRequests, header, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`)
}

// HTML answers with a page, as a gateway before a registry does.
func HTML(status int) Fault {
	return Answer(status, http.Header{"Content-Type": {"text/html"}}, "<html><body><h1>"+http.StatusText(status)+"</h1></body></html>")
}

// Answer answers with a status, headers and a body of your own; the type of the
// body is JSON unless a header says otherwise.
func Answer(status int, header http.Header, body string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		readAll(r)
		w.Header().Set("Content-Type", "application/json")
		for key, values := range header {
			w.Header()[key] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client that is gone needs none
	}
}

// Drop breaks the connection without an answer; the registry sees no request.
func Drop() Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) { hangUp(w) }
}

// LoseAnswer lets the registry do what is asked, and breaks the connection
// instead of answering.
func LoseAnswer() Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		forward(newAnswer(), r)
		hangUp(w)
	}
}

// Cut breaks the connection in the middle of the body, or instead of the answer
// if that has none.
func Cut() Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		a := newAnswer()
		forward(a, r)
		if a.body.Len() < 2 {
			hangUp(w)
			return
		}
		half := a.body.Bytes()[:a.body.Len()/2]
		a.head(w, a.body.Len())
		_, _ = w.Write(half) // less than the head says: the server hangs up
	}
}

// Tamper changes one byte in the middle of the body, whose digest in the
// headers stays.
func Tamper() Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		a := newAnswer()
		forward(a, r)
		if body := a.body.Bytes(); len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		a.send(w)
	}
}

// Hold answers never: it waits until the client gives up or the proxy ends.
func Hold() Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		readAll(r)
		<-r.Context().Done()
	}
}

// Delay lets a request wait.
func Delay(wait time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			forward(w, r)
		case <-r.Context().Done():
		}
	}
}

// Before calls a function before the registry sees the request.
func Before(call func(Request)) Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		call(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, UserAgent: r.UserAgent()})
		forward(w, r)
	}
}

// After calls a function when the registry has done what was asked, and before
// the client learns of it.
func After(call func(Request)) Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		a := newAnswer()
		forward(a, r)
		call(Request{
			Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, UserAgent: r.UserAgent(),
			Status: a.status, Bytes: int64(a.body.Len()),
		})
		a.send(w)
	}
}

// CrashAt lets a client come as far as its k-th request (from one) that match
// chooses, calls kill, and drops that request and every later one that match
// chooses. If done is set, the registry has done the k-th one by then, and only
// its answer is lost. Chosen requests go to the registry one at a time, so that
// it has seen exactly k-1 of them, or k.
//
// Kill should return when the client is dead. It is called once; not at all if
// there are fewer than k requests.
func CrashAt(k int, match func(Request) bool, done bool, kill func(Request)) Rule {
	var mu sync.Mutex
	seen := 0
	return Rule{Match: match, Fault: func(w http.ResponseWriter, r *http.Request, forward http.HandlerFunc) {
		mu.Lock()
		defer mu.Unlock()
		seen++
		switch {
		case seen < k:
			forward(w, r)
			return
		case seen == k && done:
			forward(newAnswer(), r)
		}
		if seen == k {
			kill(Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, UserAgent: r.UserAgent()})
		}
		hangUp(w)
	}}
}

// readAll takes in the request's body, without which a server does not notice
// that a client is gone.
func readAll(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// hangUp breaks the connection. Where that cannot be, a status of its own says so.
func hangUp(w http.ResponseWriter) {
	taker, ok := w.(interface{ Hijack() (net.Conn, error) })
	if !ok {
		return // the answer is only recorded
	}
	connection, err := taker.Hijack()
	if err != nil {
		http.Error(w, "the proxy cannot hang up: "+err.Error(), http.StatusTeapot)
		return
	}
	_ = connection.Close()
}

// answer is the registry's, recorded; 502 if it gives none.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusBadGateway} }

func (a *answer) Header() http.Header                { return a.header }
func (a *answer) WriteHeader(status int)             { a.status = status }
func (a *answer) Write(data []byte) (n int, _ error) { return a.body.Write(data) }

// head sends the status and the headers, with a length if there is a body.
func (a *answer) head(w http.ResponseWriter, length int) {
	for key, values := range a.header {
		w.Header()[key] = values
	}
	if length > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(a.status)
}

func (a *answer) send(w http.ResponseWriter) {
	a.head(w, a.body.Len())
	_, _ = w.Write(a.body.Bytes()) // a client that is gone needs none
}
