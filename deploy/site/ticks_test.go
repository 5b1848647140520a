package site

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestTicksOverThousandIntervals follows 50 sites of 7 rings with a clock of its
// own. Work takes from nothing to most of an interval.
func TestTicksOverThousandIntervals(t *testing.T) {
	const sites, rings, intervals = 50, 7, 1000
	const interval = time.Minute
	random := rand.New(rand.NewPCG(1, 2))
	begin := time.Unix(1_700_000_000, 0)
	followed := map[string]*Ticks{}
	for site := range sites { // sites of one ring share its ticks
		followed[fmt.Sprint("ring ", site%rings)] = &Ticks{Interval: interval}
	}
	polls := 0
	for ring, ticks := range followed {
		now, last := ticks.Next(begin, true, 0), int64(-1)
		for now.Before(begin.Add(intervals * interval)) {
			polls++
			offset := now.Sub(begin)
			slot := int64((offset + interval/2) / interval)
			if slot <= last {
				t.Fatalf("%s is asked for twice in interval %d", ring, slot)
			}
			if slot != last+1 {
				t.Fatalf("%s is not asked for in interval %d", ring, last+1)
			}
			if off := offset - time.Duration(slot)*interval; off.Abs() > interval/10 {
				t.Fatalf("%s is asked for %s away from its time in interval %d", ring, off, slot)
			}
			last = slot
			now = ticks.Next(now.Add(time.Duration(random.Float64()*0.8*float64(interval))), true, random.Float64())
		}
	}
	if polls < rings*(intervals-1) || polls > rings*(intervals+1) {
		t.Errorf("%d polls of %d rings in %d intervals", polls, rings, intervals)
	}
}

func TestTicksThatFail(t *testing.T) {
	ticks := &Ticks{Interval: time.Minute}
	begin := time.Unix(1_700_000_000, 0)
	now := ticks.Next(begin, true, 0)
	var minutes []int
	for range 8 {
		now = ticks.Next(now, false, 0.5)
		minutes = append(minutes, int(now.Sub(begin)/time.Minute))
	}
	if got := fmt.Sprint(minutes); got != "[2 6 14 30 62 94 126 158]" {
		t.Errorf("asked at minutes %s", got)
	}
	if next := ticks.Next(now, true, 0.5); next.Sub(now) != time.Minute {
		t.Errorf("after a success it takes %s", next.Sub(now))
	}
}

func TestTicksAreLeftOutAndNotMadeUpFor(t *testing.T) {
	ticks := &Ticks{Interval: time.Minute}
	begin := time.Unix(1_700_000_000, 0)
	ticks.Next(begin, true, 0)
	if next := ticks.Next(begin.Add(10*time.Minute+30*time.Second), true, 0.5); next != begin.Add(11*time.Minute) {
		t.Errorf("after ten minutes of work the next one is at %s", next.Sub(begin))
	}
	if n := testing.AllocsPerRun(1000, func() { ticks.Next(begin, true, 0.5) }); n > 0 {
		t.Errorf("%v allocations a tick", n)
	}
}
