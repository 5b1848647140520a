package measure

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestPeakOfAProcess(t *testing.T) {
	status := "Name:\tquoit\nPPid:\t17\nVmPeak:\t  9000 kB\nVmHWM:\t    20 kB\n"
	if got := peakIn([]byte(status)); got != 20<<10 {
		t.Errorf("%d bytes", got)
	}
	if got := peakIn([]byte("Name:\tquoit\nState:\tZ\n")); got != 0 {
		t.Errorf("%d bytes of a zombie", got)
	}
	for want, args := range map[string][]string{
		kindFrontend: {"/quoit-frontend"},
		kindStep:     {"/quoit-frontend", "hash", "/project", "/request/request.json", "/answer/response.json"},
		"":           {"runc", "run", "quoit-frontend"},
	} {
		if got := kindOfCommand(args); got != want {
			t.Errorf("%v is %q, want %q", args, got, want)
		}
	}
}

func TestProcessorTime(t *testing.T) {
	stat := "17 (build kit) d) S 1 17 17 0 -1 4194560 5 0 0 0 150 25 0 0 20 0 9 0 100 0 0"
	if got := cpuTimeIn([]byte(stat)); got != 1750*time.Millisecond {
		t.Errorf("%s", got)
	}
}

func TestPhases(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	got := divide(map[string]*span{
		"control": {at(20), at(30)}, "context": {at(50), at(60)}, "hash": {at(75), at(100)},
	}, span{at(10), at(150)}, span{at(0), at(200)})
	want := map[string]float64{"start": 0.01, "control": 0.01, "compile": 0.02, "context": 0.01, "hash": 0.04, "tags": 0.05}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"[quoit] newest record of the log":     "state",
		"[quoit] release 0.1.0 of ring users":  "state",
		"[internal] hash what the images read": "hash",
		"[api 2/3] RUN make":                   "solve",
		"[api internal] context services/api":  "",
		"exporting to image":                   "export",
	} {
		if got := phaseOf(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestBuildsThatEndedBeforeAreNotCounted(t *testing.T) {
	since := time.Now()
	h := &history{since: since, events: make(chan *controlapi.BuildHistoryEvent, 5), failed: make(chan error)}
	record := func(ref string, created time.Duration, completed bool) {
		r := &controlapi.BuildHistoryRecord{Ref: ref, CreatedAt: timestamppb.New(since.Add(created))}
		if completed {
			r.CompletedAt = timestamppb.New(since.Add(created + time.Second))
		}
		h.events <- &controlapi.BuildHistoryEvent{Record: r}
	}
	record("earlier", -time.Second, true)
	record("in order", time.Second, false)
	record("in order", time.Second, true)
	record("in disorder", time.Second, true)
	record("in disorder", time.Second, false)
	done := make(chan struct{})
	close(done)
	builds, err := h.collect(done)
	if err != nil || len(builds) != 2 || builds["in order"] == nil || builds["in disorder"].CompletedAt == nil {
		t.Errorf("%v, %v", builds, err)
	}
}
