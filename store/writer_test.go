//go:build stack

package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/repair"
	"github.com/quoitbuild/quoit/store/storetest"
)

const (
	// writerEnv has the orders of a process that is a writer.
	writerEnv = "QUOIT_TEST_WRITER"
	// reportMark is before each report, in between what the testing package prints.
	reportMark = "report "
)

// orders are what a writer is to do, from one number of operations to another.
type orders struct {
	Registry    string
	Seed        uint64
	Writer      int
	Life        int // how often it was killed
	From, Until int
	// Foreign lets somebody push past the log in every tenth operation.
	Foreign bool
}

// What a report is about.
const (
	saidDone     = "success"  // the operation is in the log
	saidDeclined = "declined" // it is not, or was taken back
	saidForeign  = "foreign"  // somebody else pushes a version
)

// writerReport is a line that a writer prints.
type writerReport struct {
	What, ID string
	Ring     string `json:",omitempty"`
	Version  string `json:",omitempty"`
	Digest   string `json:",omitempty"`
	Tag      string `json:",omitempty"`
	Error    string `json:",omitempty"`
}

// writerOperations are what writers do, drawn by their shares.
var writerOperations = []struct {
	share int
	do    func(w *writer, d draw) (writerReport, error)
}{
	{5, (*writer).publish},
	{2, (*writer).shiftOn},
	{2, (*writer).unshift},
	{2, (*writer).place},
	{1, (*writer).hold},
	{1, (*writer).unhold},
}

// draw is what chance says about an operation. It is the same in every try.
type draw struct {
	ring    string
	sources storetest.Shop
}

type writer struct {
	*server
	orders
	id      string // of the try, in the record's message
	disturb bool   // somebody else is still to push in this operation
	pushed  bool   // somebody else has
}

// writerShop is small, for many operations.
var writerShop = storetest.Shop{"base": 1, "mail": 1, "web": 1, "deploy": 1}

// TestWriterProcess is a writer if [writerEnv] says so.
func TestWriterProcess(t *testing.T) {
	text := os.Getenv(writerEnv)
	if text == "" {
		t.Skip("this is a process of TestManyWriters")
	}
	go func() { // the parent holds it open
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	w := &writer{}
	must(t, json.Unmarshal([]byte(text), &w.orders))
	w.server = serve(t, registrytest.Behind(w.Registry))
	for n := w.From; n < w.Until; n++ {
		w.operate(n)
	}
}

// operate does one operation, again and again while others are faster.
func (w *writer) operate(n int) {
	random := rand.New(rand.NewPCG(w.Seed, uint64(w.Writer)<<32|uint64(w.Life)<<16|uint64(n)))
	do, d := w.drawKind(random), w.draw(random, n)
	// Another writer may carry a record through, and then nobody has pushed.
	if w.disturb = w.Foreign && (n%10 == 3 || n > 3 && !w.pushed); w.disturb {
		do = (*writer).publish
	}
	for try := range maxTries {
		w.id = fmt.Sprintf("writer %d, life %d, operation %d, try %d", w.Writer, w.Life, n, try)
		done, err := do(w, d)
		done.ID = w.id
		if err == nil {
			done.What = saidDone
			w.print(done)
			return
		}
		if errors.As(err, new(*store.DifferenceError)) {
			// A writer that stood still, or died, has left a ring's tag behind the log; what
			// the error says mends it. Others may be at it too, so the next try tells.
			_, _ = repair.Repair(context.Background(), w.open(), repair.Options{Rings: storetest.Rings})
		} else if !outrun(err) {
			w.T.Fatalf("%s: %v", w.id, err)
		}
		w.print(writerReport{What: saidDeclined, ID: w.id, Error: err.Error()})
	}
	w.T.Fatalf("%s: others are always faster", w.id)
}

func (w *writer) drawKind(random *rand.Rand) func(*writer, draw) (writerReport, error) {
	total := 0
	for _, operation := range writerOperations {
		total += operation.share
	}
	at := random.IntN(total)
	for _, operation := range writerOperations {
		if at -= operation.share; at < 0 {
			return operation.do
		}
	}
	return nil
}

func (w *writer) draw(random *rand.Rand, n int) draw {
	revision := 1_000_000*(w.Writer+1) + 10_000*w.Life + n + 2 // nobody else's
	d := draw{ring: storetest.Rings[random.IntN(len(storetest.Rings)-1)], sources: storetest.With(writerShop, storetest.Shop{"mail": revision})}
	if random.IntN(3) == 0 {
		d.sources["web"] = revision
	}
	return d
}

func (w *writer) print(r writerReport) { fmt.Printf("%s%s\n", reportMark, jsonOf(w.T, r)) }

// open connects with pauses that fit to eight writers on a small machine.
func (w *writer) open() *store.Project {
	return w.server.Open(func(o *registry.Options) { o.Backoff = 20 * time.Millisecond })
}

func (w *writer) publish(d draw) (writerReport, error) {
	publication := w.Next(d.sources, d.ring)
	publication.Author = store.Author{Actor: "ann", Message: w.id}
	if w.disturb {
		w.pushBefore(publication)
		defer w.SetFault(nil)
	}
	outcome, err := w.open().Publish(context.Background(), publication)
	return writerReport{Ring: outcome.Ring, Version: outcome.Version.String(), Digest: outcome.Digest}, err
}

// pushBefore lets somebody push a version when the record that assigns it is about
// to be written: the last look at the version was before.
func (w *writer) pushBefore(publication store.Publication) {
	mail, _ := publication.Plan.Image("mail")
	digest := w.Push("mail", map[string]string{"whose": w.id})
	at := "/v2/" + storetest.Project + "/mail/manifests/"
	_, index := w.Do("GET", at+digest, "", nil)
	mine := ""
	w.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		name, ok := records.ParseName(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		switch {
		case r.Method != http.MethodPut || !ok:
		case name.Mark == records.Try && name.Round == 1: // in later ones it may be another's
			mine = name.Value
		case name.Mark == records.Decided && mine != "" && registry.DigestOf(w.body(r)) == mine:
			mine, w.disturb = "", false
			if code, _ := w.Do("HEAD", at+mail.Version.String(), "", nil); code == http.StatusNotFound {
				w.pushed = true
				w.print(writerReport{What: saidForeign, ID: w.id, Tag: "mail:" + mail.Version.String(), Digest: digest})
				w.Put("mail", mail.Version.String(), registry.IndexType, index)
			}
		}
		return false
	})
}

// body reads the body of a request, and leaves it there.
func (w *writer) body(r *http.Request) []byte {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		w.T.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	return data
}
