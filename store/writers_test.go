//go:build stack

package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
)

// writers is how many write at the same time. Of them the first one is disturbed
// by others who push, and the last ones are killed.
const (
	writers = 8
	mortals = 4
)

// crowd is what is known of the writers of a test.
type crowd struct {
	t        *testing.T
	registry string
	seed     uint64

	mu      sync.Mutex
	reports []writerReport
	kills   int
}

// TestManyWriters lets processes write to one project on a real registry, some of
// which are killed, and holds the log against what they have reported.
// QUOIT_TEST_SEED draws the same operations and moments of death.
func TestManyWriters(t *testing.T) {
	count := 60
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		count = 500
	}
	c := &crowd{t: t, registry: realRegistry(t), seed: testSeed(t)}
	s := serve(t, registrytest.Behind(c.registry))
	s.Release(writerShop, "developers")
	start := time.Now()
	var group sync.WaitGroup
	for n := range writers {
		group.Go(func() { c.live(n, (count+n)/writers) })
	}
	group.Wait()
	took := time.Since(start)
	s.Release(storetest.With(writerShop, storetest.Shop{"mail": 2}), "developers") // who was killed may have left something to do
	l := readLedger(s)
	l.whole()
	l.reported(c.reports)
	l.tags()
	l.verify(c.reports)
	c.summarize(l, took, count)
}

func testSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("QUOIT_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("QUOIT_TEST_SEED=%d", seed)
	return seed
}

// live runs a writer until its share is done, life after life.
func (c *crowd) live(n, share int) {
	random := rand.New(rand.NewPCG(c.seed, uint64(n)))
	done := 0
	for life := 0; done < share && !c.t.Failed(); life++ {
		p := &lifetime{crowd: c, orders: orders{Registry: c.registry, Seed: c.seed, Writer: n, Life: life, From: done, Until: share, Foreign: n == 0}}
		if n >= writers-mortals && life < 1+share/8 {
			p.dies, p.after = 1+random.IntN(4), time.Duration(random.IntN(100))*time.Millisecond
		}
		successes, err := p.run()
		if err != nil {
			c.t.Errorf("writer %d, life %d: %v", n, life, err)
		}
		done += successes
	}
}

// lifetime is one life of a writer.
type lifetime struct {
	*crowd
	orders
	dies  int           // after so many reports; 0: not at all
	after time.Duration // and then a while
	fate  *time.Timer
}

// run returns how many operations have succeeded. Dying is no error.
func (p *lifetime) run() (successes int, err error) {
	cmd := exec.CommandContext(p.t.Context(), os.Args[0], "-test.run=^TestWriterProcess$")
	cmd.Env = append(os.Environ(), writerEnv+"="+string(jsonOf(p.t, p.orders)))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	successes, said := p.listen(stdout, cmd.Process)
	err = cmd.Wait()
	if p.fate != nil && !p.fate.Stop() && err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.kills++
		return successes, nil
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, said)
	}
	return successes, err
}

// listen collects reports, and kills the writer in time. What else it says is returned.
func (p *lifetime) listen(stdout io.Reader, victim *os.Process) (successes int, said string) {
	lines := bufio.NewScanner(stdout)
	for n := 1; lines.Scan(); n++ {
		text, found := strings.CutPrefix(lines.Text(), reportMark)
		var r writerReport
		if !found || json.Unmarshal([]byte(text), &r) != nil { // half a line is no report
			said += lines.Text() + "\n"
			continue
		}
		if r.What == saidDone {
			successes++
		}
		p.mu.Lock()
		p.reports = append(p.reports, r)
		p.mu.Unlock()
		if n == p.dies {
			p.fate = time.AfterFunc(p.after, func() { _ = victim.Kill() }) // it may have ended
		}
	}
	return successes, said
}

// summarize says what happened, and that enough of it did.
func (c *crowd) summarize(l *ledger, took time.Duration, count int) {
	what := map[string]int{}
	for _, r := range c.reports {
		what[r.What]++
	}
	c.t.Logf("%d operations in %s: %d conflicts, %d foreign pushes, %d writers killed, %d records, %d void, up to round %d",
		what[saidDone], took.Round(time.Second/10), what[saidDeclined], what[saidForeign], c.kills, len(l.records), len(l.void), l.rounds())
	if what[saidDone] != count || what[saidDeclined] == 0 || what[saidForeign] == 0 || c.kills < mortals || len(l.void) == 0 || l.rounds() < 2 {
		c.t.Error("this is not what was to be tested")
	}
}

// reported checks that each success is in the log exactly once, and nothing that
// was declined is, unless it was taken back.
func (l *ledger) reported(reports []writerReport) {
	l.T.Helper()
	for _, r := range reports {
		var found []records.Record
		for _, record := range l.records {
			if record.Message == r.ID && record.Operation != records.OpVoid && record.Operation != records.OpKeep && !l.void[record.Sequence] {
				found = append(found, record)
			}
		}
		switch {
		case r.What == saidDeclined && len(found) > 0:
			l.T.Errorf("%s was declined (%s), and is record %d", r.ID, r.Error, found[0].Sequence)
		case r.What != saidDone:
		case len(found) != 1:
			l.T.Errorf("%s succeeded, and is in the log %d times", r.ID, len(found))
		case r.Ring != "":
			place := found[0].After[r.Ring]
			if place.Digest != r.Digest || place.Version.String() != r.Version {
				l.T.Errorf("%s: %s has %s %s, record %d says %+v", r.ID, r.Ring, r.Version, r.Digest, found[0].Sequence, place)
			}
		}
	}
}

// verify lets Quoit check it too. A push that comes after another writer has
// completed the record is tampering, and has to be found.
func (l *ledger) verify(reports []writerReport) {
	l.T.Helper()
	found, err := verify.Verify(context.Background(), l.Open(nil), nil)
	must(l.T, err)
	if found.Records != len(l.records) {
		l.T.Errorf("verify saw %d records of %d", found.Records, len(l.records))
	}
	for _, finding := range found.Findings {
		explained := false
		for _, r := range reports {
			explained = explained || r.What == saidForeign && strings.HasSuffix(finding.Reference, "/"+r.Tag)
		}
		if !explained {
			l.T.Errorf("verify: %s", finding)
		}
	}
}
