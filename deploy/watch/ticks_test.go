package watch

import (
	"fmt"
	"testing"
	"time"
)

func TestTicksThatFail(t *testing.T) {
	times := &ticks{interval: time.Minute}
	begin := time.Unix(1_700_000_000, 0)
	now := times.next(begin, true, 0)
	var minutes []int
	for range 8 {
		now = times.next(now, false, 0.5)
		minutes = append(minutes, int(now.Sub(begin)/time.Minute))
	}
	if got := fmt.Sprint(minutes); got != "[2 6 14 30 62 94 126 158]" {
		t.Errorf("asked at minutes %s", got)
	}
	if next := times.next(now, true, 0.5); next.Sub(now) != time.Minute {
		t.Errorf("after a success it takes %s", next.Sub(now))
	}
}

func TestTicksAreLeftOutAndNotMadeUpFor(t *testing.T) {
	times := &ticks{interval: time.Minute}
	begin := time.Unix(1_700_000_000, 0)
	times.next(begin, true, 0)
	if next := times.next(begin.Add(10*time.Minute+30*time.Second), true, 0.5); next != begin.Add(11*time.Minute) {
		t.Errorf("after ten minutes of work the next one is at %s", next.Sub(begin))
	}
	if n := testing.AllocsPerRun(1000, func() { times.next(begin, true, 0.5) }); n > 0 {
		t.Errorf("%v allocations a tick", n)
	}
}
