package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   spread
	}{
		"nothing":     {nil, spread{}},
		"one value":   {[]float64{3}, spread{3, 3, 3, 3, 3, 1}},
		"an even one": {[]float64{4, 1, 3, 2}, spread{1, 1.75, 2.5, 3.25, 4, 4}},
		"an odd one":  {[]float64{5, 1, 3}, spread{1, 2, 3, 4, 5, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, spreadOf(c.values)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPairsAreOfTheSameRound(t *testing.T) {
	got := paired(map[int]float64{1: 10, 2: 30, 4: 50}, map[int]float64{1: 2, 2: 3, 3: 9}, ratio)
	if diff := cmp.Diff([]float64{5, 10}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExponent(t *testing.T) {
	for name, c := range map[string]struct {
		of func(x float64) float64
		b  float64
	}{
		"constant":  {func(float64) float64 { return 7 }, 0},
		"linear":    {func(x float64) float64 { return 3 * x }, 1},
		"quadratic": {func(x float64) float64 { return x * x / 9 }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var points []point
			for _, x := range []float64{10, 100, 300, 1000} {
				points = append(points, point{x, c.of(x)})
			}
			if b, ok := exponent(points); !ok || math.Abs(b-c.b) > 1e-9 {
				t.Errorf("%v %v, want %v", b, ok, c.b)
			}
		})
	}
	for name, points := range map[string][]point{
		"nothing": nil, "one size": {{10, 1}, {10, 2}}, "no logarithm": {{10, 1}, {100, 0}},
	} {
		t.Run(name+" is no growth", func(t *testing.T) {
			if b, ok := exponent(points); ok {
				t.Errorf("%v", b)
			}
		})
	}
}

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
		"[quoit] release in ring users (an empty ring is no error)": "state",
		"[quoit] api 0.1.0 (a free version is no error)":            "decide",
		"[internal] hash what the images read":                      "hash",
		"[api 2/3] RUN make":                                        "solve",
		"[api internal] context services/api":                       "",
		"exporting to image":                                        "export",
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

// measured is a report in which bake needs 60 times what quoit needs.
func measured() *Report {
	r := &Report{Machine: Machine{CPUs: 2, CPU: "a processor"}}
	for _, images := range []int{10, 100, 1000} {
		row := &Row{Work: workNoop, Shape: string(star), Images: images, Files: usualFiles, DelayMS: -1}
		for name, times := range map[string]float64{nameQuoit: 1, nameBake: 60, namePlan: 0.9} {
			s := &Series{Contestant: name}
			for round := range 3 {
				s.Samples = append(s.Samples, Sample{
					Round: round + 1, Seconds: times * float64(images) / 100, CLI: 50e6, Requests: map[string]int{"HEAD manifests": 2},
				})
			}
			row.Series = append(row.Series, s)
		}
		r.put(row)
	}
	return r
}

func TestGoals(t *testing.T) {
	r := measured()
	verdicts := map[string]verdict{}
	for _, g := range goals() {
		verdicts[g.work+": "+g.want] = g.judge(r)
	}
	for goal, want := range map[string]verdict{
		"no-op, N=100: ≥ 50× bake with push":                                            {reached: "60.0× (60.0× to 60.0×, 3 pairs)", measured: true, met: true},
		"no-op, N=300: ≥ 150× bake with push":                                           {},
		"no-op, N=100: ≤ 0.3 s over an empty solve":                                     {},
		"no-op, N=1000, 21k files: frontend ≤ 200 MB, in process":                       {reached: "50.0 MB", measured: true, met: true},
		"no-op, N=1000, 21k files: frontend ≤ 200 MB, its image":                        {},
		"plan, N=100: ≤ no-op":                                                          {reached: "0.900× (0.900× to 0.900×, 3 pairs)", measured: true, met: true},
		"registry, no-op, N=100: 2 HEADs, nothing else":                                 {reached: "2 HEAD manifests", measured: true, met: true},
		"growth over images: time: exponent ≤ 1.1":                                      {reached: "1.00 (3 sizes)", measured: true, met: true},
		"growth over images: time of bake: shown":                                       {reached: "1.00 (3 sizes)", measured: true, met: true, open: true},
		"growth over images: memory, in process: exponent ≤ 1.1":                        {reached: "0.00 (3 sizes)", measured: true, met: true},
		"growth over files: time: exponent ≤ 1.1":                                       {},
		"one image, nothing changed: ≤ 0.05 s over docker/dockerfile as a syntax image": {},
	} {
		if diff := cmp.Diff(want, verdicts[goal], cmp.AllowUnexported(verdict{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", goal, diff)
		}
	}
}

func TestPageSaysWhatWasNotMeasuredAndWhatFailed(t *testing.T) {
	r := measured()
	r.Rows[0].Series[0].Error = "round 1: exit status 1:\nno | space"
	text := page(r)
	for _, want := range []string{"not measured", "failed: round 1: exit status 1: no / space", "make bench", "## no-op, N=10, F=20"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

func TestTable(t *testing.T) {
	got := table([][]string{{"work", "s"}, {"≥ 1", "12.5"}, {"short"}})
	want := "| work  | s    |\n| ----- | ---- |\n| ≥ 1   | 12.5 |\n| short |      |\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFrontendImageIsAFrontend(t *testing.T) {
	labels, err := frontendLabels()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"moby.buildkit.frontend.network.none", "moby.buildkit.frontend.caps"} {
		if labels[key] == "" {
			t.Errorf("label %s is missing: %v", key, labels)
		}
	}
	image, err := frontendImage([]byte("binary"), labels)
	if err != nil {
		t.Fatal(err)
	}
	if config, err := image.ConfigFile(); err != nil || !cmp.Equal(config.Config.Labels, labels) || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("%+v, %v", config, err)
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	for name, c := range map[string]chart{
		"of a report":          noopChart(measured()),
		"of nothing":           noopChart(&Report{}),
		"odd names and values": {title: `<&">`, lines: []line{{name: "a<b", points: []point{{0, 1}, {10, 0}, {5, 5}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			drawn := plot(c)
			for d := xml.NewDecoder(strings.NewReader(drawn)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v in\n%s", err, drawn)
				}
			}
			if strings.Contains(drawn, "NaN") || strings.Contains(drawn, "Inf") {
				t.Errorf("a coordinate is no number:\n%s", drawn)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	o, err := parse([]string{"-quick", "-pairs", "9"}, io.Discard)
	if err != nil || o.short != 9 || o.long != 1 || o.out != "bin/bench" || !cmp.Equal(o.sizes, []int{100}) || o.wants("huge") {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"-rows", "nonsense"}, {"-sizes", "ten"}, {"-delays", "-1"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v is no mistake", args)
		}
	}
}
