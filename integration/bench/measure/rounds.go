package measure

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/integration/bench/project"
	"github.com/quoitbuild/quoit/integration/bench/report"
)

// Stage is a piece of work that contestants do one after the other.
type Stage struct {
	Row         *report.Row
	Contestants []Contestant
	// Prepare makes something to do, outside of the measured time.
	Prepare func(ctx context.Context, round int, c Contestant) error
}

// NewStage begins a row of a project's kind.
func NewStage(work string, p *project.Project, contestants ...Contestant) Stage {
	s := Stage{Row: &report.Row{Work: work, Shape: string(p.Shape), Images: p.Images, Files: p.Files, DelayMS: -1}}
	for _, c := range contestants {
		s.Add(c)
	}
	return s
}

// Add lets one more take part, after the others.
func (s *Stage) Add(c Contestant) {
	s.Contestants = append(s.Contestants, c)
	s.Row.Series = append(s.Row.Series, &report.Series{Contestant: c.name})
}

// Warm runs each contestant once, so that nothing is the first time in what is
// measured. One that fails is out of the row.
func (b *Bench) Warm(ctx context.Context, s Stage) error {
	for i, c := range s.Contestants {
		b.Say("  %s: once for the caches", c.name)
		if err := b.Run(ctx, c.Command); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			s.Row.Series[i].Error = err.Error()
			b.Say("  %s: %v", c.name, err)
		}
	}
	return nil
}

// Rounds lets the contestants take turns: A B C, A B C, … through all stages in
// each round. After each round keep gets the rows.
func (b *Bench) Rounds(ctx context.Context, count int, keep func(*report.Row) error, stages ...Stage) error {
	for round := range count {
		for _, s := range stages {
			if err := b.round(ctx, round, s); err != nil {
				return err
			}
			if err := keep(s.Row); err != nil {
				return err
			}
		}
	}
	return nil
}

// round is one turn of each contestant. A failure ends that contestant's
// series and is kept in it; only the end of ctx is an error.
func (b *Bench) round(ctx context.Context, round int, s Stage) error {
	for i, c := range s.Contestants {
		series := s.Row.Series[i]
		if series.Error != "" {
			continue
		}
		sample, err := b.turn(ctx, round, s, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			series.Error = fmt.Sprintf("round %d: %v", round+1, err)
			b.Say("  %s: %s", c.name, series.Error)
			continue
		}
		sample.Round = round + 1
		series.Samples = append(series.Samples, sample)
		b.Say("  %s, %s, round %d: %.3f s, %d solves, %d requests",
			s.Row.Title(), c.name, sample.Round, sample.Seconds, sample.Solves, total(sample.Requests)+sample.Others)
	}
	return nil
}

// turn is one contestant's. BuildKit rests before it and after it, and what it
// does in between is this contestant's.
func (b *Bench) turn(ctx context.Context, round int, s Stage, c Contestant) (report.Sample, error) {
	if s.Prepare != nil {
		if err := s.Prepare(ctx, round, c); err != nil {
			return report.Sample{}, err
		}
	}
	if err := b.settle(ctx); err != nil {
		return report.Sample{}, err
	}
	if c.before != nil {
		after, err := c.before(ctx)
		if err != nil {
			return report.Sample{}, err
		}
		defer after()
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
