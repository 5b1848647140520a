package store_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
)

// oddity makes a registry differ from others: it is asked before each request,
// and true means that it has answered itself.
type oddity func(s *server, w http.ResponseWriter, r *http.Request) bool

// noDelete is for registries that delete nothing.
func noDelete(_ *server, w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodDelete {
		registrytest.Plain(405, "UNSUPPORTED: The operation is unsupported.")(w, r)
	}
	return r.Method == http.MethodDelete
}

// immutableBut is for registries that refuse to write a tag again, even the same.
func immutableBut(exempt func(tag string) bool, refuse http.HandlerFunc) oddity {
	return func(s *server, w http.ResponseWriter, r *http.Request) bool {
		_, tag, found := strings.Cut(r.URL.Path, "/manifests/")
		if r.Method != http.MethodPut || !found || registry.IsDigest(tag) || exempt(tag) {
			return false
		}
		if code, _ := s.Do("HEAD", r.URL.Path, "", nil); code != http.StatusOK {
			return false
		}
		refuse(w, r)
		return true
	}
}

func exemptRings(tag string) bool        { return slices.Contains(storetest.Rings, tag) }
func exemptRingsAndHint(tag string) bool { return exemptRings(tag) || tag == string(records.Hint) }
func exemptNone(string) bool             { return false }

// denying is for registries that deny the log as long as it is not there. The
// images are there: BuildKit has pushed them.
func denying() oddity {
	var mu sync.Mutex
	there := false
	return func(_ *server, w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/"+records.Repository+"/") {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		there = there || r.Method == http.MethodPut
		if !there && r.Method != http.MethodPost {
			registrytest.Plain(403, "DENIED: requested access to the resource is denied")(w, r)
		}
		return !there && r.Method != http.MethodPost
	}
}

// lists is how a registry lists tags.
type lists struct {
	order func(request int, tags []string) // nil: lexical
	page  int                              // 0: all tags at once
	lag   time.Duration

	mu       sync.Mutex
	requests int
	stored   map[string]time.Time // first, by path of the manifest
}

func reverse(_ int, tags []string) {
	slices.SortFunc(tags, func(a, b string) int { return strings.Compare(b, a) })
}

func shuffled(request int, tags []string) {
	key := func(tag string) string { return registry.DigestOf(fmt.Append(nil, request, tag)) }
	slices.SortFunc(tags, func(a, b string) int { return strings.Compare(key(a), key(b)) })
}

func (l *lists) serve(s *server, w http.ResponseWriter, r *http.Request) bool {
	switch {
	case strings.HasSuffix(r.URL.Path, "/tags/list"):
		l.list(s, w, r)
		return true
	case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/"):
		// Before it is stored, and once: what a list has shown it goes on showing,
		// or a page that was named after it would begin anew.
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.stored == nil {
			l.stored = map[string]time.Time{}
		}
		if l.stored[r.URL.Path].IsZero() {
			l.stored[r.URL.Path] = time.Now()
		}
	}
	return false
}

// list answers with a page of what it shows by now. Lexical pages are as usual;
// those of another order go on behind a mark, in the order of the first page.
func (l *lists) list(s *server, w http.ResponseWriter, r *http.Request) {
	code, body := s.Do("GET", r.URL.Path, "", nil)
	var list struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	if code != http.StatusOK || json.Unmarshal(body, &list) != nil {
		w.WriteHeader(code)
		_, _ = w.Write(body)
		return
	}
	query := r.URL.Query()
	request := l.arrange(&list.Tags, strings.TrimSuffix(r.URL.Path, "tags/list")+"manifests/", query.Get("request"))
	if mark := query.Get("mark"); mark != "" {
		list.Tags = list.Tags[slices.Index(list.Tags, mark)+1:]
	}
	if last := query.Get("last"); last != "" && l.order == nil {
		list.Tags = slices.DeleteFunc(list.Tags, func(tag string) bool { return tag <= last })
	}
	if l.page > 0 && len(list.Tags) > l.page {
		list.Tags = list.Tags[:l.page]
		w.Header().Set("Link", fmt.Sprintf(`<%s?n=%d&request=%d&mark=%s>; rel="next"`, r.URL.Path, l.page, request, list.Tags[l.page-1]))
	}
	_ = json.NewEncoder(w).Encode(list) // a client that is gone needs none
}

// arrange leaves the tags that are shown by now, in the order of a request.
func (l *lists) arrange(tags *[]string, at, first string) (request int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	request, err := strconv.Atoi(first)
	if err != nil {
		request = l.requests
	}
	*tags = slices.DeleteFunc(*tags, func(tag string) bool { return time.Since(l.stored[at+tag]) < l.lag })
	slices.Sort(*tags)
	if l.order != nil {
		l.order(request, *tags)
	}
	return request
}

// odd is a registry, and what has to come of two publishes to it.
type odd struct {
	name   string
	oddity func() oddity
	first  bool
	// loses lets the answer to the first write of each tag be lost, so that it is
	// written again.
	loses bool
	unit  time.Duration // of waiting, 0: what other tests use
	lag   time.Duration // of lists
	// errors are expressions for what the publishes say, "" for success; HOST stands
	// for the registry.
	errors [2]string
	// holds is the release that the ring has after each of them, "" for none.
	holds [2]string
	// verify is what is wrong in the end.
	verify []string
	// mended is what a publish after the error's next step needs.
	mended func(*store.Publication, *oddity)
	long   bool // only with QUOIT_TEST_LONG
}

var succeeds = [2]string{"0.1.0", "0.1.1"}

const (
	noSuchLog = `: reading HOST/acme/shop/records:records: .*\(403\).*: .*docker login HOST with one that may; or say --first .* \(nothing was written\)$`
	unmovable = `: writing .*deploy:developers: the registry does not let ring tags move: exempt them from its immutable tags: .*; it is in the log as record 2, the next command completes it \(2 tags were written`
)

const (
	shortUnit = 10 * time.Millisecond // for a second
	shortLag  = 50 * time.Millisecond // for five
)

func oddRegistries() []odd {
	all := []odd{
		{name: "refuses to delete", oddity: one(noDelete), holds: succeeds},
		{name: "lists in reverse", oddity: func() oddity { return (&lists{order: reverse}).serve }, holds: succeeds},
		{name: "lists in any order", oddity: func() oddity { return (&lists{order: shuffled}).serve }, holds: succeeds},
		{name: "lists ten tags a page", oddity: func() oddity { return (&lists{page: 10}).serve }, holds: succeeds},
		{name: "denies what is not there", oddity: denying, errors: [2]string{noSuchLog, noSuchLog},
			mended: func(p *store.Publication, _ *oddity) { p.First = true }},
		{name: "denies what is not there, with First", oddity: denying, first: true, holds: succeeds},
		{name: "lists with a delay", oddity: func() oddity { return (&lists{lag: shortLag}).serve }, unit: shortUnit, lag: shortLag, holds: succeeds},
		{name: "lists with a delay of seconds", oddity: func() oddity { return (&lists{lag: 5 * time.Second}).serve }, unit: time.Second, lag: 5 * time.Second, holds: succeeds, long: true},
		{name: "lists in any order, in pages, with a delay", oddity: mixed, unit: shortUnit, lag: shortLag, holds: succeeds},
	}
	for dialect, refuse := range map[string]http.HandlerFunc{
		"409":           registrytest.Plain(409, "TAG_EXISTS: the tag exists already"),
		"TAG_INVALID":   registrytest.Plain(400, "TAG_INVALID: The image tag already exists and cannot be changed"),
		"403 immutable": registrytest.Plain(403, "DENIED: tag is immutable"),
	} {
		all = append(all,
			odd{name: "refuses to overwrite, but rings and the hint, " + dialect, loses: true, oddity: one(immutableBut(exemptRingsAndHint, refuse)), holds: succeeds},
			odd{name: "refuses to overwrite, but rings, " + dialect, loses: true, oddity: one(immutableBut(exemptRings, refuse)), holds: succeeds},
			odd{name: "refuses to overwrite, " + dialect, oddity: one(immutableBut(exemptNone, refuse)),
				errors: [2]string{"", unmovable}, holds: [2]string{"0.1.0", "0.1.0"},
				verify: []string{"HOST/acme/shop/deploy:developers: it is "},
				mended: func(_ *store.Publication, o *oddity) { *o = immutableBut(exemptRings, refuse) }})
	}
	slices.SortFunc(all, func(a, b odd) int { return cmp.Compare(a.name, b.name) })
	return all
}

func one(o oddity) func() oddity { return func() oddity { return o } }

func mixed() oddity { return (&lists{order: shuffled, page: 10, lag: shortLag}).serve }

// oddShop has three images.
var oddShop = storetest.Shop{"base": 1, "mail": 1, "deploy": 1}

func TestOddRegistries(t *testing.T) { testOddRegistries(t, newServer) }

func testOddRegistries(t *testing.T, start func(*testing.T) *server) {
	for _, o := range oddRegistries() {
		t.Run(o.name, func(t *testing.T) {
			if o.long && os.Getenv("QUOIT_TEST_LONG") != "1" {
				t.Skip("takes a minute")
			}
			o.test(start(t))
		})
	}
}

func (o odd) test(s *server) {
	turn := o.oddity()
	var last store.Publication
	for i, want := range o.errors {
		s.SetFault(nil)
		last = s.Next(storetest.With(oddShop, storetest.Shop{"mail": i + 1}), "developers")
		last.First = o.first && i == 0
		s.SetFault(o.fault(s, &turn))
		_, err := o.open(s).Publish(context.Background(), last)
		o.said(s, err, want)
		o.held(s, o.holds[i])
	}
	for n := range o.more() { // one page shows no more than two publishes
		o.insist(s, storetest.Shop{"mail": n + 10})
	}
	if o.holds[1] != "" {
		o.verified(s, o.verify)
	}
	if o.mended != nil {
		o.mended(&last, &turn)
		_, err := o.open(s).Publish(context.Background(), last)
		must(s.T, err)
		o.held(s, last.Plan.Version().String())
		o.verified(s, nil)
	}
	s.Whole()
	l := readLedger(s)
	l.whole()
	l.tags()
	if o.mended == nil && len(l.records) != 2+o.more() {
		s.T.Errorf("%d records", len(l.records))
	}
}

func (o odd) more() int {
	if o.mended != nil || o.long {
		return 0
	}
	return 3
}

// fault is the registry's oddity, which may change, and what is lost.
func (o odd) fault(s *server, turn *oddity) func(int, http.ResponseWriter, *http.Request) bool {
	var mu sync.Mutex
	lost := map[string]bool{}
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		lose := o.loses && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") && !lost[r.URL.Path]
		lost[r.URL.Path] = true
		mu.Unlock()
		if !lose {
			return (*turn)(s, w, r)
		}
		if !(*turn)(s, registrytest.Discard{Headers: http.Header{}}, r) {
			s.Inner.ServeHTTP(registrytest.Discard{Headers: http.Header{}}, r)
		}
		registrytest.Reset(w, r)
		return true
	}
}

func (o odd) open(s *server) *store.Project {
	return s.Open(func(options *registry.Options) { options.Backoff = cmp.Or(o.unit, options.Backoff) })
}

func (o odd) said(s *server, err error, want string) {
	s.T.Helper()
	var failed *store.PublishError
	switch {
	case want == "":
		must(s.T, err)
	case !errors.As(err, &failed):
		s.T.Fatalf("error %v", err)
	case !regexp.MustCompile(want).MatchString(s.Text(err)):
		s.T.Errorf("got  %s\nwant %s", s.Text(err), want)
	}
}

// held checks what the ring has. Without a release no tag is there at all.
func (o odd) held(s *server, want string) {
	s.T.Helper()
	tags := s.Tags()
	if want == "" && len(tags) > 0 {
		s.T.Errorf("tags %v", tags)
	}
	if want != "" && (tags["deploy"]["developers"] == "" || tags["deploy"]["developers"] != tags["deploy"][want]) {
		s.T.Errorf("the ring does not have %s: %v", want, tags["deploy"])
	}
}

// verified lets Quoit look for what is wrong, also while lists do not show everything.
func (o odd) verified(s *server, want []string) {
	s.T.Helper()
	report, err := verify.Verify(context.Background(), o.open(s), nil)
	must(s.T, err)
	ok := len(report.Findings) == len(want)
	for i, finding := range report.Findings {
		ok = ok && strings.HasPrefix(strings.ReplaceAll(finding.String(), s.Host(), "HOST"), want[i])
	}
	if !ok {
		s.T.Errorf("verify: got %v, want %v", report.Findings, want)
	}
}

// TestTwoPublishersOnAnOddRegistry has two writers where listings are as bad as
// they may be, and pages take so long that there are new tags between two of them.
func TestTwoPublishersOnAnOddRegistry(t *testing.T) { testTwoPublishersOnAnOddRegistry(t, newServer) }

func testTwoPublishersOnAnOddRegistry(t *testing.T, start func(*testing.T) *server) {
	if dose.Of(true, false, false) {
		t.Skip("takes seconds: set QUOIT_TEST_FULL=1")
	}
	s := start(t)
	o := odd{unit: shortUnit, lag: shortLag}
	turn := mixed()
	s.Release(oddShop, "developers")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			time.Sleep(shortUnit / 10)
		}
		return turn(s, w, r)
	})
	const rounds = 4
	for round := range rounds {
		o.both(s, round)
	}
	s.Whole()
	l := readLedger(s)
	l.whole()
	l.tags()
	t.Logf("%d records, up to round %d", len(l.records), l.rounds())
	if len(l.records) != 1+2*rounds || l.rounds() < 2 {
		t.Errorf("%d records, up to round %d", len(l.records), l.rounds())
	}
	o.verified(s, nil)
}

// both lets two publish from the same state at the same time.
func (o odd) both(s *server, round int) {
	var group sync.WaitGroup
	for writer := range 2 {
		group.Go(func() { o.insist(s, storetest.Shop{"mail": 100*writer + round + 2}) })
	}
	group.Wait()
}

// maxTries is when a writer that is always too late gives up.
const maxTries = 200

// insist publishes a change, as often as it takes.
func (o odd) insist(s *server, change storetest.Shop) {
	for range maxTries {
		_, err := o.open(s).Publish(context.Background(), s.Planned(storetest.With(oddShop, change)))
		if err == nil {
			return
		}
		if !outrun(err) {
			s.T.Errorf("error %v", err)
			return
		}
	}
	s.T.Error("the other one is always faster")
}

// outrun reports whether an error is one after which to plan anew.
func outrun(err error) bool {
	var moved *store.MovedError
	var taken *store.TakenError
	var overtaken *store.OvertakenError
	var parent *store.ParentError
	var unheld *store.UnheldError
	return errors.As(err, &parent) || errors.As(err, &unheld) || errors.As(err, &moved) || errors.As(err, &taken) || errors.As(err, &overtaken)
}
