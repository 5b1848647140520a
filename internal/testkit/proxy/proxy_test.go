package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// proxied starts a proxy before a server that answers with what it was asked.
func proxied(t *testing.T) (p *Proxy, served *[]string) {
	t.Helper()
	served = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*served = append(*served, r.Method+" "+r.URL.Path)
		w.Header().Set("Location", "http://"+strings.TrimPrefix(r.Header.Get("X-Behind"), "http://")+"/next")
		_, _ = io.WriteString(w, "answer to "+r.Method+" for "+r.Host)
	}))
	t.Cleanup(server.Close)
	p, err := Start(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, served
}

// ask sends one request and returns the answer's status and body.
func ask(p *Proxy, method, path string) (status int, header http.Header, body string, err error) {
	request, err := http.NewRequest(method, "http://"+p.Host+path, nil)
	if err != nil {
		return 0, nil, "", err
	}
	request.Header.Set("X-Behind", p.registry)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, string(data), err
}

const tagPath = "/v2/acme/shop/deploy/manifests/users"

func TestProxyPassesAndRecords(t *testing.T) {
	p, _ := proxied(t)
	status, header, body, err := ask(p, http.MethodGet, tagPath+"?n=1")
	if err != nil || status != 200 || body != "answer to GET for "+p.Host {
		t.Errorf("answer %d %q, %v", status, body, err)
	}
	if got := header.Get("Location"); got != "http://"+p.Host+"/next" {
		t.Errorf("the client is sent to %s", got)
	}
	all := p.Requests()
	if len(all) != 1 {
		t.Fatalf("requests %v", all)
	}
	got := all[0]
	want := Request{Time: got.Time, Method: "GET", Path: tagPath, Query: "n=1", Status: 200, Bytes: int64(len(body)), UserAgent: got.UserAgent}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if got.Repository() != "acme/shop/deploy" || got.Kind() != "manifests" || got.Identifier() != "users" {
		t.Errorf("%s %s %s", got.Repository(), got.Kind(), got.Identifier())
	}
}

func TestProxyRulesChooseRequests(t *testing.T) {
	p, _ := proxied(t)
	p.Use(Rule{Match: All(Method(http.MethodGet), Manifest("deploy", "users")), Skip: 1, Times: 2, Fault: Status(403, "DENIED", "no")})
	var got []int
	for _, request := range []struct{ method, path string }{
		{"GET", tagPath}, {"HEAD", tagPath}, {"GET", "/v2/acme/shop/api/manifests/users"}, {"GET", tagPath}, {"GET", tagPath}, {"GET", tagPath},
	} {
		status, _, _, err := ask(p, request.method, request.path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, status)
	}
	if diff := cmp.Diff([]int{200, 200, 200, 403, 403, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestProxyFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault  Fault
		status int // 0: no answer
		body   string
		broken bool
		served int
	}{
		"an error of a registry":        {fault: Status(403, "DENIED", "no"), status: 403, body: `{"errors":[{"code":"DENIED","message":"no"}]}`},
		"401 without the way to log in": {fault: Unauthorized(""), status: 401, body: `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`},
		"a page":                        {fault: HTML(502), status: 502, body: "<html><body><h1>Bad Gateway</h1></body></html>"},
		"a drop":                        {fault: Drop(), broken: true},
		"a lost answer":                 {fault: LoseAnswer(), broken: true, served: 1},
		"a tampered body":               {fault: Tamper(), status: 200, body: "answer to GET for localhost", served: 1},
		"a cut body":                    {fault: Cut(), status: 200, broken: true, served: 1},
		"a delay":                       {fault: Delay(time.Millisecond), status: 200, served: 1},
		"a hook before":                 {fault: Before(func(Request) {}), status: 200, served: 1},
		"a hook after":                  {fault: After(func(Request) {}), status: 200, served: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, served := proxied(t)
			p.Use(Rule{Fault: test.fault})
			status, _, body, err := ask(p, http.MethodGet, tagPath)
			if status != test.status || (err != nil) != test.broken || len(*served) != test.served {
				t.Errorf("status %d, error %v, served %v", status, err, *served)
			}
			if test.served == 0 && !test.broken && body != test.body {
				t.Errorf("body %s", body)
			}
			if whole := "answer to GET for " + p.Host; name == "a tampered body" && (body == whole || len(body) != len(whole)) || name == "a cut body" && body != whole[:len(whole)/2] {
				t.Errorf("body %s", body)
			}
			if got := p.Requests()[0].Status; got != test.status {
				t.Errorf("recorded status %d", got)
			}
		})
	}
}

func TestProxyHoldsUntilTheClientGivesUp(t *testing.T) {
	p, _ := proxied(t)
	p.Use(Rule{Fault: Hold()})
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Host+tagPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(request)
		ended <- err
	}()
	if err := p.Await(t.Context(), Manifest("deploy", "users")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestProxyCrash(t *testing.T) {
	for _, done := range []bool{false, true} {
		p, served := proxied(t)
		kills := 0
		p.Use(CrashAt(2, IsWrite, done, func(r Request) {
			kills++
			if r.Path != "/2" {
				t.Errorf("killed at %s", r.Path)
			}
		}))
		want := []string{"PUT /1", "GET /2"}
		if done {
			want = []string{"PUT /1", "PUT /2", "GET /2"}
		}
		for _, path := range []string{"/1", "/2", "/3"} {
			if _, _, _, err := ask(p, http.MethodPut, path); (err != nil) != (path != "/1") {
				t.Errorf("PUT %s: %v", path, err)
			}
		}
		if _, _, _, err := ask(p, http.MethodGet, "/2"); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, *served); diff != "" || kills != 1 {
			t.Errorf("done %t: %d kills; served (-want +got):\n%s", done, kills, diff)
		}
	}
}

func TestProxyDownAndUp(t *testing.T) {
	p, _ := proxied(t)
	host := p.Host
	p.Down()
	if _, _, _, err := ask(p, http.MethodGet, tagPath); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v", err)
	}
	if err := p.Up(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := ask(p, http.MethodGet, tagPath); err != nil || p.Host != host {
		t.Errorf("error %v, host %s", err, p.Host)
	}
}

func TestProxyWantsALogin(t *testing.T) {
	p, served := proxied(t)
	p.RequireLogin("anna", "secret", "t0ken")
	status, header, _, err := ask(p, http.MethodGet, tagPath)
	want := `Bearer realm="http://` + p.Host + `/quoit-test/token",service="registry",scope="repository:acme/shop/deploy:pull,push"`
	if err != nil || status != 401 || header.Get("Www-Authenticate") != want {
		t.Errorf("answer %d %s, %v", status, header.Get("Www-Authenticate"), err)
	}
	for password, want := range map[string]int{"wrong": 401, "secret": 200} {
		request, err := http.NewRequest(http.MethodGet, "http://"+p.Host+tokenPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("anna", password)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("password %s: status %d", password, response.StatusCode)
		}
	}
	if len(*served) != 0 {
		t.Errorf("the registry saw %v", *served)
	}
}
