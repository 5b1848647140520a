package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Schema is the number of the record's form.
const Schema = 1

// Bounds of a record. A ConfigMap may have a megabyte.
const (
	MaxRecord  = 256 << 10
	maxResults = 10
	maxError   = 2048 // bytes of a result's error
)

// SchemaError says that a record was written by a newer Quoit.
type SchemaError struct {
	Got   int // the schema number found
	Known int // the newest one that this Quoit reads
}

// Error says what to do about it.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("the site's record was written by a newer quoit (schema %d; this one reads up to %d): update quoit", e.Got, e.Known)
}

// document is the JSON of a record.
type document struct {
	Schema    int              `json:"schema"`
	Project   string           `json:"project"`
	Site      string           `json:"site"`
	Installed *Release         `json:"installed,omitempty"`
	Attempted *Release         `json:"attempted,omitempty"`
	Phase     *Step            `json:"phase,omitempty"`
	Reached   []Release        `json:"reached,omitempty"`
	Results   []resultDocument `json:"results,omitempty"`
}

type resultDocument struct {
	Step
	Time  time.Time `json:"time"`
	Error string    `json:"error,omitempty"`
}

// Format returns the JSON of a record, indented for people to read, and the same
// bytes for the same record. [Parse] reads it, so it is an
// error if the record is not what Parse promises; long errors of results are
// cut.
func Format(record Record) ([]byte, error) {
	d := document{Schema: Schema, Project: record.Project, Site: record.Site, Installed: record.Installed,
		Attempted: record.Attempted, Phase: record.Step, Reached: record.Reached}
	for _, r := range record.Results {
		d.Results = append(d.Results, resultDocument{r.Step, r.Time.UTC().Truncate(time.Second), bounded(r.Error)})
	}
	err := check(d)
	var out bytes.Buffer
	if err == nil {
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(d)
	}
	if err == nil && out.Len() > MaxRecord {
		err = fmt.Errorf("it has %d bytes; the limit is %d", out.Len(), MaxRecord)
	}
	if err != nil {
		return nil, fmt.Errorf("writing the record of site %s: %w", record.Site, err)
	}
	return out.Bytes(), nil
}

// Parse reads the JSON of a record. A field that it does not know is an error,
// because the deployer would lose it when it writes the record. The error is a [*SchemaError]
// for a newer one, else it says what is broken.
func Parse(data []byte) (Record, error) {
	if len(data) > MaxRecord {
		return Record{}, fmt.Errorf("the site's record has %d bytes; the limit is %d", len(data), MaxRecord)
	}
	// The number is read by itself: the rest of a newer one may have another form.
	var numbered struct{ Schema *int }
	if err := json.Unmarshal(data, &numbered); err != nil {
		return Record{}, fmt.Errorf("the site's record is broken: %w", err)
	}
	switch {
	case numbered.Schema == nil || *numbered.Schema < 1:
		return Record{}, errors.New("the site's record has no schema number")
	case *numbered.Schema > Schema:
		return Record{}, &SchemaError{Got: *numbered.Schema, Known: Schema}
	}
	var d document
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&d)
	if err == nil {
		err = check(d)
	}
	if err != nil {
		return Record{}, fmt.Errorf("the site's record is broken: %w", err)
	}
	return d.record(), nil
}

func (d document) record() Record {
	record := Record{Project: d.Project, Site: d.Site, Installed: d.Installed, Attempted: d.Attempted, Step: d.Phase, Reached: d.Reached}
	for _, r := range d.Results {
		record.Results = append(record.Results, Result(r))
	}
	return record
}

// bounded cuts a result's error at its bound in bytes, between characters.
func bounded(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= maxError {
		return text
	}
	const mark = " ..."
	end := maxError - len(mark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
