package builder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// exportNews are what BuildKit tells of one image's export and push.
func exportNews(i int, at time.Time) (all []*client.SolveStatus) {
	step := digest.FromString(fmt.Sprint("session-export-", i))
	for phase, lines := range [][]string{{"exporting layers", "exporting manifest", "exporting config"}, {"pushing layers", "pushing manifest"}} {
		begun := at.Add(time.Duration(phase) * time.Second)
		ended := begun.Add(500 * time.Millisecond)
		vertex := func(completed *time.Time) *client.SolveStatus {
			return &client.SolveStatus{Vertexes: []*client.Vertex{{Digest: step, Name: "exporting to image", Started: &begun, Completed: completed}}}
		}
		all = append(all, vertex(nil))
		for _, line := range lines {
			all = append(all, &client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: step, ID: line, Started: &begun, Completed: &ended, Timestamp: ended}}})
		}
		all = append(all, vertex(&ended))
	}
	return all
}

// shown is what progress shows of news, with ten images exported.
func shown(t *testing.T, mode string, news ...*client.SolveStatus) string {
	t.Helper()
	exp := &exporters{}
	for i := range 10 {
		exp.images = append(exp.images, fmt.Sprint("image-", i))
	}
	exp.in("session")
	exp.begun()
	var out strings.Builder
	status := make(chan *client.SolveStatus, len(news))
	for _, s := range news {
		status <- s
	}
	close(status)
	if err := (Progress{Out: &out, Mode: mode}).show(t.Context(), status, exp.exports); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestExportsNameTheirImagesInOneLineEach(t *testing.T) {
	at := time.Now()
	all := func() (news []*client.SolveStatus) {
		for n := range exportNews(0, at) {
			for i := range 10 {
				news = append(news, exportNews(i, at)[n])
			}
		}
		return news
	}
	for _, mode := range []string{"auto", "plain"} {
		out := shown(t, mode, all()...)
		if lines := strings.Count(out, "\n"); lines > 5 || strings.Contains(out, "exporting to image") || strings.Count(out, "exporting images\n") != 1 || !strings.Contains(out, " DONE") {
			t.Errorf("%s: it prints\n%s", mode, out)
		}
		for i := range 10 {
			if name := fmt.Sprintf(" image-%d", i); strings.Count(out, name) != 1 || strings.Count(out, "1.5s done\n") != 2 {
				t.Errorf("%s: it does not print %q once:\n%s", mode, name, out)
			}
		}
	}
	if out := shown(t, "rawjson", all()...); strings.Count(out, "exporting to image") == 0 {
		t.Errorf("raw news are BuildKit's:\n%s", out)
	}
}

// TestExportsOfAnOlderBuildKit: it pushes in the first step.
func TestExportsOfAnOlderBuildKit(t *testing.T) {
	news := exportNews(3, time.Now())
	if out := shown(t, "plain", news[:5]...); !strings.Contains(out, " image-3 0.5s done\n") {
		t.Errorf("it prints\n%s", out)
	}
}

func TestAnExportThatFailsNamesItsImage(t *testing.T) {
	news := exportNews(3, time.Now())
	news[len(news)-1].Vertexes[0].Error = "unexpected status: 500"
	out := shown(t, "plain", news...)
	if !strings.Contains(out, " exporting image-3\n") || !strings.Contains(out, "ERROR: unexpected status: 500") {
		t.Errorf("it prints\n%s", out)
	}
}

func TestAnExportThatTakesLongIsShown(t *testing.T) {
	news := exportNews(3, time.Now().Add(-2*often))
	e := newExporting(func(digest.Digest) string { return "api" })
	step := news[0].Vertexes[0].Digest
	e.fold(news[0])
	s := &client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: step, ID: "sha256:1", Current: 3, Total: 10}, {Vertex: step, ID: "sha256:2", Current: 1, Total: 2}}}
	e.fold(s)
	if len(s.Statuses) != 1 || s.Statuses[0].ID != "api" || s.Statuses[0].Current != 4 || s.Statuses[0].Total != 12 || s.Statuses[0].Completed != nil {
		t.Errorf("it shows %v", s.Statuses)
	}
}

// TestTransfersAreOneStep: of a hundred contexts it says how much was sent, and no more.
func TestTransfersAreOneStep(t *testing.T) {
	begun := time.Now()
	ended := begun.Add(time.Second)
	var news []*client.SolveStatus
	for _, completed := range []*time.Time{nil, &ended} {
		for i := range 100 {
			step := digest.FromString(fmt.Sprint("context-", i))
			news = append(news, &client.SolveStatus{
				Vertexes: []*client.Vertex{{Digest: step, Name: loading, Started: &begun, Completed: completed}},
				Statuses: []*client.VertexStatus{{Vertex: step, ID: "transferring context", Current: 48, Started: &begun, Completed: completed, Timestamp: ended}},
			})
		}
	}
	out := shown(t, "plain", news...)
	if lines := strings.Count(out, "\n"); lines > 5 || !strings.Contains(out, loading+"\n") || !strings.Contains(out, " transferring 4.80kB 1.0s done\n") || !strings.Contains(out, " DONE") {
		t.Errorf("it prints\n%s", out)
	}
}

func TestEmptyLinesAreLeftOut(t *testing.T) {
	var out strings.Builder
	c := &compact{out: &out, empty: true}
	for _, part := range []string{"\n#1 a", "\n", "\n\n#2 b\n", "\n", "#3 \n"} {
		if n, err := c.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if got := out.String(); got != "#1 a\n#2 b\n#3 \n" {
		t.Errorf("it prints %q", got)
	}
}
