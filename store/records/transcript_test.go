package records

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// transcript is what writers do one after the other on a simulated registry, a line
// for each request: who, the step of docs/log.md, the request, the answer.
type transcript struct {
	*numbers
	t       *testing.T
	world   world
	text    strings.Builder
	writers []*actor
	images  map[string]string // what digests are called
}

// actor is a writer with a name.
type actor struct {
	name     string
	machine  *Machine
	waited   map[Reason]int
	patience map[Reason]int // the wait at which it is over
}

func newTranscript(t *testing.T, sentence string) *transcript {
	s := &transcript{numbers: newNumbers(), t: t, images: map[string]string{Nothing().Digest: "nothing"}}
	fmt.Fprintf(&s.text, "%s\n\n", sentence)
	for _, v := range []string{"0.1.0", "0.2.0", "0.3.0"} {
		s.images[sha(v)], s.images[sha("api"+v)] = "image "+v, "api "+v
	}
	return s
}

// quietly lets operations be in the log already.
func (s *transcript) quietly(operations ...Operation) {
	s.t.Helper()
	text := s.text
	s.text = strings.Builder{}
	for _, operation := range operations {
		s.end(s.writer("dan", operation))
	}
	s.text = text
}

func (s *transcript) writer(name string, operation Operation) *actor {
	m, err := New(Options{Operation: operation, Signature: signature(len(s.writers) + 1), Rings: []string{"dev", "testers", "users"}})
	if err != nil {
		s.t.Fatal(err)
	}
	m.seal = s.seal
	w := &actor{name: name, machine: m, waited: map[Reason]int{}, patience: map[Reason]int{Polite: 2, Backoff: 9*len(s.writers) - 8}}
	s.writers = append(s.writers, w)
	return w
}

// say tells what happens besides.
func (s *transcript) say(format string, values ...any) {
	fmt.Fprintf(&s.text, "--- "+format+"\n", values...)
}

// batch carries out what a writer asks for; false when it has ended.
func (s *transcript) batch(w *actor) bool {
	requests, more := w.machine.Next()
	if !more {
		return false
	}
	step := w.machine.step()
	var got []Response
	for _, r := range requests {
		response := Response{}
		if r.Action == Wait {
			w.waited[r.Reason]++
			response.Over = w.waited[r.Reason] >= w.patience[r.Reason]
		} else {
			response = s.answer(&s.world, r)
		}
		s.line(w, step, r, s.answered(r, response))
		got = append(got, response)
	}
	w.machine.Took(got)
	if _, more = w.machine.Next(); !more {
		s.ended(w)
	}
	return more
}

// until lets a writer go on until its next request is of an action, for a tag that
// contains a text.
func (s *transcript) until(w *actor, action Action, text string) {
	s.t.Helper()
	for {
		requests, more := w.machine.Next()
		if !more {
			s.t.Fatalf("%s ends before it comes to %s %s", w.name, action, text)
		}
		if slices.ContainsFunc(requests, func(r Request) bool { return r.Action == action && strings.Contains(s.what(r), text) }) {
			return
		}
		s.batch(w)
	}
}

// end lets writers come to their ends, in turns.
func (s *transcript) end(writers ...*actor) {
	s.t.Helper()
	for range 200 {
		writers = slices.DeleteFunc(writers, func(w *actor) bool { return !s.batch(w) })
		if len(writers) == 0 {
			return
		}
	}
	s.t.Fatalf("%s does not come to an end:\n%s", writers[0].name, s.text.String())
}

func (s *transcript) ended(w *actor) {
	result := w.machine.Result()
	fmt.Fprintf(&s.text, "%s: %s", w.name, result.Outcome)
	if result.Record != nil {
		fmt.Fprintf(&s.text, ", record %d", result.Record.Record.Sequence)
	}
	if result.Err != nil {
		fmt.Fprintf(&s.text, ": %s", s.named(result.Err.Error()))
	}
	fmt.Fprintln(&s.text)
}

// stop lets a writer's driver give up.
func (s *transcript) stop(w *actor) {
	w.machine.Stop(errors.New("interrupted"))
	s.ended(w)
}

// write lets somebody write a tag past the log.
func (s *transcript) write(who string, tag Content) {
	s.numbers.write(&s.world, tag)
	s.say("%s pushes %s:%s = %s", who, tag.Repository, tag.Tag, s.digest(tag.Digest))
}

func (s *transcript) line(w *actor, step step, r Request, answer string) {
	verb, _, _ := strings.Cut(string(r.Action), " ")
	fmt.Fprintf(&s.text, "%s  %-8s  %-4s %-37s → %s\n", w.name, step, verb, s.what(r), answer)
}

func (s *transcript) what(r Request) string {
	where := r.Repository + ":" + r.Tag
	if r.Repository == Repository {
		where = s.tag(r.Tag)
	}
	switch r.Action {
	case Wait:
		return string(r.Reason)
	case List:
		return "tags after " + r.From
	case HeadDigest:
		return r.Repository + "@" + s.digest(r.Digest)
	case Put:
		if name, _ := ParseName(r.Tag); r.Repository != Repository || name.Value == "" {
			return where + " = " + s.digest(r.Digest)
		}
	}
	return where
}

func (s *transcript) answered(r Request, response Response) string {
	switch {
	case r.Action == Put:
		return "stored"
	case r.Action == Wait && response.Over:
		return "long enough"
	case r.Action == Wait:
		return "not over"
	case r.Action == List:
		var tags []string
		for _, tag := range response.Tags {
			if name, ok := ParseName(tag); ok && name.Round > 0 {
				tags = append(tags, fmt.Sprintf("r%02d-%s-%s", name.Round, name.Mark, s.digest(name.Value)))
			}
		}
		return strings.Join(tags, " ")
	case !response.Found:
		return "nothing"
	case r.Action == Get:
		return s.digest(response.Digest) + ", a " + response.Record.Operation
	case r.Action == HeadDigest:
		return "there"
	}
	return s.digest(response.Digest)
}

// digest is what people call it: a record by its writer and its number.
func (s *transcript) digest(digest string) string {
	sealed := s.store[digest]
	if sealed == nil {
		if name, found := s.images[digest]; found {
			return "{" + name + "}"
		}
		return digest
	}
	side := ""
	if record := sealed.Record; record.Operation == OpVoid || record.Operation == OpKeep {
		side = "-" + record.Operation
	}
	for _, w := range s.writers {
		if w.machine.options.Signature.ID == sealed.Record.ID {
			return fmt.Sprintf("{%s-%d%s}", w.name, sealed.Record.Sequence, side)
		}
	}
	return digest
}

// tag is one of the log with its digest called by a name.
func (s *transcript) tag(tag string) string {
	name, _ := ParseName(tag)
	if name.Value == "" {
		return tag
	}
	return strings.ReplaceAll(tag, strings.TrimPrefix(name.Value, "sha256:"), s.digest(name.Value))
}

// named calls all digests of a text by their names.
func (s *transcript) named(text string) string {
	for digest := range s.store {
		text = strings.ReplaceAll(text, digest, s.digest(digest))
	}
	for digest, name := range s.images {
		text = strings.ReplaceAll(text, digest, "{"+name+"}")
	}
	return text
}

// Each transcript shows one thing that docs/log.md says.
func TestTranscripts(t *testing.T) {
	page, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, tell := range transcripts {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".txt")
			got := tell(t).text.String()
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it is\n%s\nand was\n%s\n(-update accepts it)", got, want)
			}
			if !strings.Contains(string(page), "store/records/"+file) {
				t.Errorf("docs/log.md has no link to %s", file)
			}
		})
	}
}
