package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// chart is lines over logarithmic axes.
type chart struct {
	title, x, y string
	lines       []line
}

// line has its points from small to large.
type line struct {
	name   string
	points []point
}

// noopChart is the time of a no-op over the number of images.
func noopChart(r *Report) chart {
	c := chart{title: "Nothing to do: seconds over images (medians)", x: "images", y: "seconds"}
	rows := overImages(r)
	for _, name := range []string{NameBake, NameBakePlain, NameBakeDry, NameImage, NameQuoit, NamePlan, NameEmpty} {
		points := curve{contestant: name, of: seconds}.points(rows)
		if len(points) > 0 {
			c.lines = append(c.lines, line{name, points})
		}
	}
	return c
}

// The plot's size and its frame, in pixels.
const (
	plotWidth, plotHeight = 760, 440
	plotLeft, plotRight   = 70, 540
	plotTop, plotBottom   = 50, 390
)

var colours = []string{"#b3001e", "#e0653a", "#e0a03a", "#1f6fb2", "#0b3d73", "#3a9d6a", "#777777"}

// scale maps values to pixels on a logarithmic axis.
type scale struct {
	low, high float64 // powers of ten
	from, to  float64 // pixels
}

func (s scale) at(v float64) float64 {
	return s.from + (math.Log10(v)-s.low)/(s.high-s.low)*(s.to-s.from)
}

// scaleOver reaches over values in whole powers of ten.
func scaleOver(values []float64, from, to float64) scale {
	s := scale{low: 0, high: 1, from: from, to: to}
	for i, v := range values {
		if i == 0 {
			s.low, s.high = math.Floor(math.Log10(v)), math.Ceil(math.Log10(v))
		}
		s.low, s.high = min(s.low, math.Floor(math.Log10(v))), max(s.high, math.Ceil(math.Log10(v)))
	}
	s.high = max(s.high, s.low+1)
	return s
}

// plot draws a chart as SVG.
func plot(c chart) string {
	var xs, ys []float64
	for i, l := range c.lines {
		var kept []point
		for _, p := range l.points {
			if p.x > 0 && p.y > 0 {
				kept = append(kept, p)
				xs, ys = append(xs, p.x), append(ys, p.y)
			}
		}
		c.lines[i].points = kept
	}
	x, y := scaleOver(xs, plotLeft, plotRight), scaleOver(ys, plotBottom, plotTop)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, plotHeight)
	label(&out, plotLeft, 25, "start", c.title)
	drawGrid(&out, x, y)
	label(&out, (plotLeft+plotRight)/2, plotBottom+38, "middle", c.x)
	label(&out, plotLeft, plotTop-8, "end", c.y)
	if len(xs) == 0 {
		label(&out, (plotLeft+plotRight)/2, (plotTop+plotBottom)/2, "middle", "not measured")
	}
	for i, l := range c.lines {
		drawLine(&out, x, y, l, colours[i%len(colours)], plotTop+20*i)
	}
	out.WriteString("</svg>\n")
	return out.String()
}

func drawGrid(out *strings.Builder, x, y scale) {
	stroke := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#dddddd"/>`+"\n", x1, y1, x2, y2)
	}
	for power := x.low; power <= x.high; power++ {
		at := x.at(math.Pow(10, power))
		stroke(at, plotTop, at, plotBottom)
		label(out, at, plotBottom+18, "middle", fmt.Sprintf("%g", math.Pow(10, power)))
	}
	for power := y.low; power <= y.high; power++ {
		at := y.at(math.Pow(10, power))
		stroke(plotLeft, at, plotRight, at)
		label(out, plotLeft-8, at+4, "end", fmt.Sprintf("%g", math.Pow(10, power)))
	}
}

// drawLine draws one line with its points, and its name beside the plot.
func drawLine(out *strings.Builder, x, y scale, l line, colour string, legend int) {
	var points []string
	for _, p := range l.points {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(p.x), y.at(p.y)))
		fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.at(p.x), y.at(p.y), colour)
	}
	fmt.Fprintf(out, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colour)
	fmt.Fprintf(out, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`+"\n", plotRight+20, legend, colour)
	label(out, plotRight+38, float64(legend)+11, "start", l.name)
}

func label(out *strings.Builder, x, y float64, anchor, text string) {
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="%s">`, x, y, anchor)
	_ = xml.EscapeText(out, []byte(text)) // a builder takes everything
	out.WriteString("</text>\n")
}
