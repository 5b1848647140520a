package registry

import (
	"errors"
	"fmt"
	"net/http"
)

// carrier sends every request as Quoit, and none in the clear to another machine. One
// that stands still is spoken of, and then ended.
type carrier struct {
	inner http.RoundTripper
	agent string
	pace  Pace
	plain string // a host that is asked without encryption
}

// Carrier carries the requests of clients of other packages as those of this one are
// carried.
func (o Options) Carrier() http.RoundTripper {
	o = o.filled()
	return &carrier{inner: o.Transport, agent: o.UserAgent, pace: o.pace(), plain: o.plain}
}

// RoundTrip implements [http.RoundTripper]. A body is sent from its beginning,
// also when a layer above repeats the request with a fresh token.
func (c *carrier) RoundTrip(in *http.Request) (*http.Response, error) {
	if in.URL.Scheme != "https" && !loopback(in.URL.Host) && in.URL.Host != c.plain {
		if in.Body != nil {
			in.Body.Close()
		}
		return nil, &plainError{host: in.URL.Host}
	}
	ctx, watched := watch(in.Context(), c.pace, in.URL.Host)
	out := in.Clone(ctx)
	out.Header.Set("User-Agent", c.agent)
	if in.GetBody != nil {
		body, err := in.GetBody()
		if err != nil {
			watched.stop()
			return nil, err
		}
		in.Body.Close()
		out.Body = body
	}
	if out.Body != nil && out.Body != http.NoBody {
		out.Body = &sent{out.Body, watched}
	}
	response, err := c.inner.RoundTrip(out)
	if err != nil {
		watched.stop()
		return nil, watched.explain(err)
	}
	response.Body = &answered{response.Body, watched}
	return response, nil
}

// errRound says that redirects lead on and on.
var errRound = errors.New("it leads from one place to another, more than ten times")

// redirected bounds redirects.
func redirected(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errRound
	}
	return nil
}

// plainError says that a host would have been asked without encryption.
type plainError struct{ host string }

func (e *plainError) Error() string {
	return fmt.Sprintf("plain HTTP is only for this machine, not for %s", e.host)
}
