package watch

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// metrics are what a watcher tells Prometheus. There are few, so they are
// written by hand: the format is lines of text.
type metrics struct {
	mu       sync.Mutex
	polls    map[string]int // by ring
	errors   map[string]int
	tags     map[string]bool // by ring, whether its tag differs from the log
	last     map[string]time.Time
	deploys  map[[2]string]int // by site and result
	drift    map[string]int    // objects of a site
	versions map[string]string // of a site
	started  time.Time
}

func newMetrics() *metrics {
	return &metrics{polls: map[string]int{}, errors: map[string]int{}, tags: map[string]bool{}, last: map[string]time.Time{},
		deploys: map[[2]string]int{}, drift: map[string]int{}, versions: map[string]string{}, started: time.Now()}
}

func (m *metrics) asked(ring string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.polls[ring]++
	m.last[ring] = time.Now()
	if err != nil {
		m.errors[ring]++
	}
}

// late reports whether a ring was not asked for as long.
func (m *metrics) late(ring string, most time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, asked := m.last[ring]
	if !asked {
		last = m.started
	}
	return time.Since(last) > most
}

func (m *metrics) differs(ring string, differs bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tags[ring] = differs
}

func (m *metrics) deployed(site, result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deploys[[2]string{site, result}]++
}

func (m *metrics) drifted(site string, objects int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drift[site] = objects
}

func (m *metrics) runs(site, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.versions[site] = version
}

// String is Prometheus' text format.
func (m *metrics) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	head := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s %s\n", name, help, kind) }
	head("quoit_ring_polls_total", "counter", "How often the registry was asked whether a ring has something else.")
	for _, ring := range slices.Sorted(maps.Keys(m.polls)) {
		fmt.Fprintf(&b, "quoit_ring_polls_total{ring=%s} %d\n", strconv.Quote(ring), m.polls[ring])
	}
	head("quoit_ring_errors_total", "counter", "How often that failed.")
	for _, ring := range slices.Sorted(maps.Keys(m.polls)) {
		fmt.Fprintf(&b, "quoit_ring_errors_total{ring=%s} %d\n", strconv.Quote(ring), m.errors[ring])
	}
	head("quoit_ring_tag_differs", "gauge", "1 if the ring's tag named something else than the log said when it was last looked at.")
	for _, ring := range slices.Sorted(maps.Keys(m.tags)) {
		value := 0
		if m.tags[ring] {
			value = 1
		}
		fmt.Fprintf(&b, "quoit_ring_tag_differs{ring=%s} %d\n", strconv.Quote(ring), value)
	}
	head("quoit_site_deploys_total", "counter", "Deploys by their result: done, failed or refused.")
	for _, key := range slices.SortedFunc(maps.Keys(m.deploys), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(&b, "quoit_site_deploys_total{site=%q,result=%q} %d\n", key[0], key[1], m.deploys[key])
	}
	head("quoit_site_drifted_objects", "gauge", "Objects that differed from the release when they were compared last.")
	for _, site := range slices.Sorted(maps.Keys(m.drift)) {
		fmt.Fprintf(&b, "quoit_site_drifted_objects{site=%q} %d\n", site, m.drift[site])
	}
	head("quoit_site_release_info", "gauge", "The release that a site runs.")
	for _, site := range slices.Sorted(maps.Keys(m.versions)) {
		fmt.Fprintf(&b, "quoit_site_release_info{site=%q,version=%q} 1\n", site, m.versions[site])
	}
	return b.String()
}
