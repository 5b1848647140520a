package dial

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// engineOf is an engine that answers a load with a text.
func engineOf(t *testing.T, answer string) (got *string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	got = new(string)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.50")
		if strings.HasSuffix(r.URL.Path, "/images/load") {
			archive, _ := io.ReadAll(r.Body)
			*got = string(archive)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answer)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	return got
}

func TestLoad(t *testing.T) {
	long, err := json.Marshal(map[string]string{"stream": strings.Repeat("x", most)})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ answer, want string }{
		"it is loaded":                 {`{"stream":"Loaded image: a:1\n"}` + "\n" + `{"status":"done"}`, ""},
		"it says nothing":              {"", ""},
		"it fails in the middle":       {`{"stream":"…"}{"errorDetail":{"message":"no space left"},"error":"no space"}`, "no space left"},
		"it fails, as old ones say it": {`{"error":"no space"}`, "no space"},
		"it answers something else":    {"<html>", "reading its answer"},
		"it answers without an end":    {string(long), "reading its answer"},
	} {
		t.Run(name, func(t *testing.T) {
			got := engineOf(t, c.answer)
			e, err := FindEngine(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			err = e.Load(t.Context(), strings.NewReader("archive"))
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "d.sock")) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if *got != "archive" {
				t.Errorf("it got %q", *got)
			}
		})
	}
}

func TestAnEngineThatIsNotThere(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/d.sock")
	if _, err := FindEngine(t.Context()); err == nil || !strings.Contains(err.Error(), "/nonexistent/d.sock does not answer: start it") {
		t.Errorf("error %v", err)
	}
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "nowhere")
	if _, err := FindEngine(context.Background()); err == nil || !strings.Contains(err.Error(), "docker context nowhere") {
		t.Errorf("error %v", err)
	}
}
