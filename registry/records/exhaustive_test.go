package records

import (
	"testing"
	"time"
)

func check_(t *testing.T, name string, s scenario) {
	t.Run(name, func(t *testing.T) {
		start := time.Now()
		e, err := explore(s)
		t.Logf("%d states (%d cut), %d requests, %s; left alone at most %d requests, %d since the last round began; %v", len(e.seen), e.cut, e.steps, time.Since(start).Round(time.Millisecond), e.most, e.fresh, e.ends)
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestTwoWriters(t *testing.T) {
	a := sha("0.1.0")
	one := []Operation{set("dev", "0.1.0")}
	published := []Operation{set("dev", "0.1.0"), publish("dev", "0.2.0", a)}
	for _, crashes := range []int{0, 1, 2} {
		check_(t, "publishing the same ring", scenario{
			operations: []Operation{publish("dev", "0.2.0", a), publish("dev", "0.3.0", a)},
			begin:      one, settled: true, crashes: crashes, sample: 16, rounds: 2,
		})
		check_(t, "different rings", scenario{
			operations: []Operation{publish("dev", "0.2.0", a), publish("users", "0.1.1", "")},
			begin:      one, settled: true, crashes: crashes, sample: 16, rounds: 2,
		})
		check_(t, "equal digests at different times in one ring", scenario{
			operations: []Operation{set("dev", "0.2.0"), set("dev", "0.1.0")},
			begin:      []Operation{set("dev", "0.1.0"), set("dev", "0.2.0"), set("dev", "0.1.0")}, crashes: crashes, sample: 16, rounds: 2,
		})
		check_(t, "a publish whose writer crashed, and politeness", scenario{
			operations: []Operation{publish("dev", "0.3.0", sha("0.2.0")), set("dev", "0.1.0")},
			begin:      published, crashes: crashes, sample: 16, rounds: 2,
		})
		check_(t, "a foreign push", scenario{
			operations: []Operation{publish("dev", "0.2.0", a), set("users", "0.1.0")},
			begin:      one, settled: true, crashes: crashes, sample: 16, rounds: 2, foreign: []Content{{"deploy", "0.2.0", sha("foreign")}},
		})
	}
}
