package watch

import (
	"io"
	"net/http"
	"time"
)

// Handler answers /metrics, for Prometheus, and /healthz, which is 503 once a ring was
// not asked for in a long time.
func (w *Watcher) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(out, w.metrics.String())
	})
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) {
		for _, ring := range w.rings {
			if late := w.metrics.late(ring.name, 40*w.options.Interval+5*time.Minute); late {
				http.Error(out, ring.name+" has not been polled for too long", http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = io.WriteString(out, "ok\n")
	})
	return mux
}
