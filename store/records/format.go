package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// SchemaError says that a record was written by a newer Quoit.
type SchemaError struct {
	Got   int // the schema number found
	Known int // the newest one that this Quoit reads
}

// Error says what to do about it.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("the record was written by a newer quoit (schema %d, this one knows %d): update quoit", e.Got, e.Known)
}

// Format returns the JSON of a record: compact, and the same bytes for the same record.
// Its schema is [Schema] unless the record says another one. What it returns can be read
// again: it is an error if it gets longer than [MaxRecord], or if the record is not what
// [Parse] promises.
func Format(record Record) ([]byte, error) {
	record = whole(record)
	if err := check(record); err != nil {
		return nil, fmt.Errorf("writing record %d: %w", record.Sequence, err)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil {
		return nil, fmt.Errorf("writing record %d: %w", record.Sequence, err)
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(data) > MaxRecord {
		return nil, fmt.Errorf("writing record %d: it needs %d bytes for its %d images, and may have %d",
			record.Sequence, len(data), len(record.Images), MaxRecord)
	}
	return data, nil
}

// Parse reads the JSON of a record. Fields that it does not know are passed
// over. The result keeps what the fields promise: forms of names, digests and
// texts, a parent for every record but the first, tables that follow. The error
// is a [*SchemaError] for a newer one, else it says what is broken.
func Parse(data []byte) (Record, error) {
	if len(data) > MaxRecord {
		return Record{}, fmt.Errorf("the record has %d bytes, more than %d", len(data), MaxRecord)
	}
	// The number is read by itself: the rest of a newer one may have another form.
	var numbered struct{ Schema *int }
	if err := json.Unmarshal(data, &numbered); err != nil {
		return Record{}, fmt.Errorf("the record is broken: %w", err)
	}
	switch {
	case numbered.Schema == nil || *numbered.Schema < 1:
		return Record{}, errors.New("the record has no schema number")
	case *numbered.Schema > Schema:
		return Record{}, &SchemaError{Got: *numbered.Schema, Known: Schema}
	}
	var record Record
	if err := json.Unmarshal(data, &record); err != nil {
		return Record{}, fmt.Errorf("the record is broken: %w", err)
	}
	if err := check(record); err != nil {
		return Record{}, fmt.Errorf("the record is broken: %w", err)
	}
	return record, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// whole is the record as [Parse] returns it.
func whole(record Record) Record {
	if record.Schema == 0 {
		record.Schema = Schema
	}
	if record.Before == nil {
		record.Before = Table{}
	}
	if record.After == nil {
		record.After = Table{}
	}
	return record
}
