package watch

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMetricsAreWhatPrometheusReads(t *testing.T) {
	w := New(Options{Interval: time.Minute}, &Ring{name: "r.example.com/acme/shop/deploy:users"})
	w.metrics.asked(w.rings[0].name, nil)
	w.metrics.asked(w.rings[0].name, errors.New("503"))
	w.metrics.differs(w.rings[0].name, true)
	w.metrics.deployed("eu", "done")
	w.metrics.deployed("eu", "failed")
	w.metrics.drifted("eu", 2)
	w.metrics.runs("eu", "0.1.0")
	w.metrics.runs("eu", "0.2.0")
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	var got []string
	for line := range strings.Lines(answer.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`quoit_ring_polls_total{ring="r.example.com/acme/shop/deploy:users"} 2`,
		`quoit_ring_errors_total{ring="r.example.com/acme/shop/deploy:users"} 1`,
		`quoit_ring_tag_differs{ring="r.example.com/acme/shop/deploy:users"} 1`,
		`quoit_site_deploys_total{site="eu",result="done"} 1`,
		`quoit_site_deploys_total{site="eu",result="failed"} 1`,
		`quoit_site_drifted_objects{site="eu"} 2`,
		`quoit_site_release_info{site="eu",version="0.2.0"} 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if kind := answer.Header().Get("Content-Type"); kind != "text/plain; version=0.0.4" {
		t.Errorf("they are sent as %s", kind)
	}
}

// TestHealth: a watcher is ill once it has not asked for a ring in a long time.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{Interval: time.Minute}, &Ring{name: "one"}, &Ring{name: "other"})
		health := func() string {
			answer := httptest.NewRecorder()
			w.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
			return strings.TrimSpace(answer.Body.String())
		}
		time.Sleep(44 * time.Minute)
		if got := health(); got != "ok" {
			t.Error(got)
		}
		w.metrics.asked("one", errors.New("503"))
		time.Sleep(2 * time.Minute)
		if got := health(); got != "other has not been polled for too long" {
			t.Error(got)
		}
	})
}
