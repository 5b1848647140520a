package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/integration/bench/project"

	"github.com/google/go-cmp/cmp"
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

// measured is a report in which bake needs 60 times what quoit needs.
func measured() *Report {
	r := &Report{Machine: Machine{CPUs: 2, CPU: "a processor"}}
	for _, images := range []int{10, 100, 1000} {
		row := &Row{Work: WorkNoop, Shape: string(project.Star), Images: images, Files: project.UsualFiles, DelayMS: -1}
		for name, times := range map[string]float64{NameQuoit: 1, NameBake: 60, NamePlan: 0.9} {
			s := &Series{Contestant: name}
			for round := range 3 {
				s.Samples = append(s.Samples, Sample{
					Round: round + 1, Seconds: times * float64(images) / 100, CLI: 50e6, Requests: map[string]int{"GET manifests": 1, "GET blobs": 1, "HEAD manifests": 1},
				})
			}
			row.Series = append(row.Series, s)
		}
		r.Put(row)
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
		"no-op, N=100: ≥ 150× bake with push":                                           {reached: "60.0× (60.0× to 60.0×, 3 rounds)", measured: true},
		"no-op, N=300: ≥ 150× bake with push":                                           {},
		"no-op, N=100: ≤ 0.10 s over starting the program":                              {},
		"no-op, N=1000, 21k files: ≤ 0.4 s":                                             {reached: "10.0 s (10.0 s to 10.0 s, 3 rounds)", measured: true},
		"no-op, N=100, with nothing but the project: ≤ 8 requests":                      {},
		"no-op, N=1000, 21k files: frontend ≤ 200 MB, in process":                       {reached: "50.0 MB", measured: true, met: true},
		"no-op, N=1000, 21k files: frontend ≤ 200 MB, its image":                        {},
		"plan, N=100: ≤ no-op":                                                          {reached: "0.900× (0.900× to 0.900×, 3 rounds)", measured: true, met: true},
		"registry, no-op, N=100: 2 tags, nothing stored":                                {reached: "1 GET blobs, 1 GET manifests, 1 HEAD manifests", measured: true, met: true},
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
