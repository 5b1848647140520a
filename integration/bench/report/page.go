package report

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Write writes samples, page and plot.
func Write(dir string, r *Report) error {
	return errors.Join(
		r.Save(filepath.Join(dir, "bench.json")),
		os.WriteFile(filepath.Join(dir, "README.md"), []byte(page(r)), 0o644),
		os.WriteFile(filepath.Join(dir, "noop.svg"), []byte(plot(noopChart(r))), 0o644),
	)
}

// page is docs/bench/README.md.
func page(r *Report) string {
	return `# Benchmark

Written by ` + "`make bench`" + `; do not edit. Quoit and ` + "`docker buildx bake`" + ` did the same work on the same BuildKit and registry, in turns:
A B, A B, … Ratios are those of a round, then the median with the smallest and largest. A ratio of two contestants on one machine
can be compared with another machine's; a time cannot, so the empty solve, which is what BuildKit itself needs, stands beside it.
Each turn begins when BuildKit rests: what it does after a build for its history is in no time, but in its CPU seconds.
What was not measured is not here.

![no-op over the number of images](noop.svg)

` + Text(r) + `## How to reproduce

Linux, root, Go and Debian's apt are needed, and a machine that does nothing else. Nothing is pulled from an image registry.

    make bench                                                  # everything; hours
    make bench-quick                                            # N=100, into bin/bench
    go run ./integration/bench -rows noop -sizes 10,100 -add    # some rows, the others stay
    go run ./integration/bench -report                          # this page anew from bench.json

Projects are generated: a base with a RUN, services ` + "`FROM`" + ` it with a COPY of their files and a RUN, a root image; each with the same as
docker-bake.json. ` + "`bench.json`" + ` has every sample. Only the command is inside of the time; requests are counted in the registry's log, solves
in BuildKit's history, memory by the kernel (peaks of resident size; of frontends and hash steps as far as the last look, every
20 ms). Phases are of BuildKit's history and may overlap.
`
}

// Text is the machine, the table of goals, and a table for each row.
func Text(r *Report) string {
	var out strings.Builder
	m := r.Machine
	if m.CPUs > 0 {
		fmt.Fprintf(&out, "%d × %s, %.0f GB, %s %s; BuildKit %s, buildx %s, %s; quoit %s\n\n",
			m.CPUs, m.CPU, float64(m.Memory)/1e9, m.OS, m.Kernel, m.BuildKit, m.Buildx, m.Go, strings.Join(r.commits(), ", "))
	}
	out.WriteString("## Goals\n\n" + table(goalLines(r)) + "\n" + floors(r))
	for _, row := range r.Rows {
		fmt.Fprintf(&out, "## %s\n\n", heading(row))
		out.WriteString(table(rowLines(row)) + "\n")
		if lines := phaseLines(row); len(lines) > 1 {
			out.WriteString("Phases, medians in seconds:\n\n" + table(lines) + "\n")
		}
	}
	return out.String()
}

func heading(row *Row) string { return fmt.Sprintf("%s, F=%d", row.Title(), row.Files) }

func goalLines(r *Report) [][]string {
	lines := [][]string{{"work", "goal", "reached", ""}}
	for _, g := range goals() {
		v := g.judge(r)
		mark := "no"
		switch {
		case !v.measured:
			v.reached, mark = "not measured", ""
		case v.open:
			mark = ""
		case v.met:
			mark = "yes"
		}
		lines = append(lines, []string{g.work, g.want, v.reached, mark})
	}
	return lines
}

// rowLines is what each contestant of a row needed.
func rowLines(row *Row) [][]string {
	lines := [][]string{{
		"contestant", "seconds", "× the first", "over empty solve", "solves", "requests", "others", "received", "stored",
		"CLI CPU s", "buildkitd CPU s", "CLI MB", "frontend MB", "hash step MB", "buildkitd MB",
	}}
	if len(row.Series) == 0 {
		return lines
	}
	first, empty := row.Series[0].seconds(), row.series(NameEmpty).seconds()
	for _, s := range row.Series {
		if s.Error != "" {
			lines = append(lines, []string{s.Contestant, "failed: " + oneLine(s.Error)})
		}
		if len(s.Samples) == 0 {
			continue
		}
		last := s.Samples[len(s.Samples)-1]
		lines = append(lines, []string{
			s.Contestant, shown(s.seconds(), ""), shownSpread(paired(s.seconds(), first, ratio)),
			shownSpread(paired(s.seconds(), empty, difference)),
			fmt.Sprint(last.Solves), counts(last.Requests), fmt.Sprint(last.Others), size(last.Received), size(last.Stored),
			median(s, func(x Sample) float64 { return x.CPU }), median(s, func(x Sample) float64 { return x.DaemonCPU }),
			peakOf(s, func(x Sample) int64 { return x.CLI }), peakOf(s, func(x Sample) int64 { return x.Frontend }),
			peakOf(s, func(x Sample) int64 { return x.Step }), peakOf(s, func(x Sample) int64 { return x.Daemon }),
		})
	}
	return lines
}

// phaseNames are the columns of phases, in the order of a build.
var phaseNames = []string{"start", "manifest", "control", "compile", "context", "hash", "state", "decide", "solve", "export", "tags"}

func phaseLines(row *Row) [][]string {
	lines := [][]string{append([]string{"contestant"}, phaseNames...)}
	for _, s := range row.Series {
		line := []string{s.Contestant}
		seen := false
		for _, phase := range phaseNames {
			var values []float64
			for _, sample := range s.Samples {
				if value, ok := sample.Phases[phase]; ok {
					values = append(values, value)
				}
			}
			cell := ""
			if len(values) > 0 {
				cell, seen = fmt.Sprintf("%.3f", spreadOf(values).Median), true
			}
			line = append(line, cell)
		}
		if seen {
			lines = append(lines, line)
		}
	}
	return lines
}

func shown(values map[int]float64, unit string) string {
	s := spreadOf(slices.Collect(maps.Values(values)))
	return fmt.Sprintf("%s (%s to %s)", number(s.Median, unit), number(s.Min, unit), number(s.Max, unit))
}

func shownSpread(values []float64) string {
	s := spreadOf(values)
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.Median, ""), number(s.Min, ""), number(s.Max, ""))
}

func median(s *Series, of func(Sample) float64) string {
	return number(spreadOf(slices.Collect(maps.Values(s.values(of)))).Median, "")
}

func peakOf(s *Series, of func(Sample) int64) string {
	var most int64
	for _, sample := range s.Samples {
		most = max(most, of(sample))
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(most)/1e6)
}

// number has three digits that count, or all before the point.
func number(v float64, unit string) string {
	switch abs := max(v, -v); {
	case abs >= 100:
		return fmt.Sprintf("%.0f%s", v, unit)
	case abs >= 10:
		return fmt.Sprintf("%.1f%s", v, unit)
	case abs >= 1:
		return fmt.Sprintf("%.2f%s", v, unit)
	default:
		return fmt.Sprintf("%.3f%s", v, unit)
	}
}

func size(n int64) string {
	if n < 10_000 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}

// counts lists requests: "2 HEAD manifests, 1 PUT manifests".
func counts(requests map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(requests)) {
		parts = append(parts, fmt.Sprintf("%d %s", requests[kind], kind))
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, ", ")
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "/")
}

// table is a table in Markdown with aligned columns; the first line is the head.
func table(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for i, line := range lines {
		for j, width := range widths {
			cell := ""
			if j < len(line) {
				cell = line[j]
			}
			out.WriteString("| " + cell + strings.Repeat(" ", width-utf8.RuneCountInString(cell)+1))
		}
		out.WriteString("|\n")
		if i == 0 {
			for _, width := range widths {
				out.WriteString("| " + strings.Repeat("-", max(width, 3)) + " ")
			}
			out.WriteString("|\n")
		}
	}
	return out.String()
}
