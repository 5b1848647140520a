package proxy

import (
	"fmt"
	"net/http"
	"strings"
)

// tokenPath is where the proxy gives tokens.
const tokenPath = "/quoit-test/token"

// login is what a client needs to be let through.
type login struct {
	host, user, password, token string
}

// RequireLogin makes the proxy a registry that wants a login: it sends clients
// for a token, which it gives for the user and password. The registry behind
// sees none of it.
func (p *Proxy) RequireLogin(user, password, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.login = &login{host: p.Host, user: user, password: password, token: token}
}

// admits lets a request with the token pass, and answers any other one.
func (l *login) admits(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.URL.Path == tokenPath:
		l.give(w, r)
		return false
	case strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") == l.token:
		return true
	}
	challenge := fmt.Sprintf(`Bearer realm="http://%s%s",service="registry"`, l.host, tokenPath)
	if repository := (Request{Path: r.URL.Path}).Repository(); repository != "" {
		challenge += fmt.Sprintf(`,scope="repository:%s:pull,push"`, repository)
	}
	header := http.Header{"Www-Authenticate": {challenge}, "Docker-Distribution-Api-Version": {"registry/2.0"}}
	Answer(http.StatusUnauthorized, header, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)(w, r, nil)
	return false
}

// give answers a request for a token, asked for in either of the two ways.
func (l *login) give(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if r.Method == http.MethodPost {
		user, password = r.PostFormValue("username"), r.PostFormValue("password")
	}
	if user != l.user || password != l.password {
		Status(http.StatusUnauthorized, "UNAUTHORIZED", "wrong user or password")(w, r, nil)
		return
	}
	Answer(http.StatusOK, nil, fmt.Sprintf(`{"token":%q,"access_token":%q,"expires_in":3600}`, l.token, l.token))(w, r, nil)
}
