package main

import (
	"context"
	"fmt"
)

// stage is a piece of work that contestants do one after the other.
type stage struct {
	row         *Row
	contestants []contestant
	// prepare makes something to do, outside of the measured time.
	prepare func(ctx context.Context, round int, c contestant) error
}

// newStage begins a row of a project's kind.
func newStage(work string, p *project, contestants ...contestant) stage {
	s := stage{
		row:         &Row{Work: work, Shape: string(p.shape), Images: p.images, Files: p.files, DelayMS: -1},
		contestants: contestants,
	}
	for _, c := range contestants {
		s.row.Series = append(s.row.Series, &Series{Contestant: c.name})
	}
	return s
}

// warm runs each contestant once, so that nothing is the first time in what is
// measured. One that fails is out of the row.
func (b *bench) warm(ctx context.Context, s stage) error {
	for i, c := range s.contestants {
		b.say("  %s: once for the caches", c.name)
		if err := b.run(ctx, c.command); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			s.row.Series[i].Error = err.Error()
			b.say("  %s: %v", c.name, err)
		}
	}
	return nil
}

// rounds lets the contestants take turns: A B C, A B C, … through all stages in
// each round. After each round keep gets the rows.
func (b *bench) rounds(ctx context.Context, count int, keep func(*Row) error, stages ...stage) error {
	for round := range count {
		for _, s := range stages {
			if err := b.round(ctx, round, s); err != nil {
				return err
			}
			if err := keep(s.row); err != nil {
				return err
			}
		}
	}
	return nil
}

// round is one turn of each contestant. A failure ends that contestant's
// series and is kept in it; only the end of ctx is an error.
func (b *bench) round(ctx context.Context, round int, s stage) error {
	for i, c := range s.contestants {
		series := s.row.Series[i]
		if series.Error != "" {
			continue
		}
		sample, err := b.turn(ctx, round, s, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			series.Error = fmt.Sprintf("round %d: %v", round+1, err)
			b.say("  %s: %s", c.name, series.Error)
			continue
		}
		sample.Round = round + 1
		series.Samples = append(series.Samples, sample)
		b.say("  %s, %s, round %d: %.3f s, %d solves, %d requests",
			s.row.title(), c.name, sample.Round, sample.Seconds, sample.Solves, total(sample.Requests)+sample.Others)
	}
	return nil
}

// turn is one contestant's. BuildKit rests before it and after it, and what it
// does in between is this contestant's.
func (b *bench) turn(ctx context.Context, round int, s stage, c contestant) (Sample, error) {
	if s.prepare != nil {
		if err := s.prepare(ctx, round, c); err != nil {
			return Sample{}, err
		}
	}
	if err := b.settle(ctx); err != nil {
		return Sample{}, err
	}
	before := cpuTime(b.buildkit.PID)
	sample, err := b.measure(ctx, c)
	if err != nil {
		return sample, err
	}
	err = b.settle(ctx)
	sample.DaemonCPU = (cpuTime(b.buildkit.PID) - before).Seconds()
	return sample, err
}
