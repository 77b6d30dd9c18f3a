package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/quick"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/internal/words"
)

const (
	// intakeVersion is the version of what agents send. A new field needs a new one: unknown fields are refused.
	intakeVersion = 1
	// MaxResults is how many results a request may have.
	MaxResults = 1000
	// maxName bounds the identifiers of a result; those of Kubernetes are shorter.
	maxName = 1024
	// maxFault bounds what is said of a fault.
	maxFault = 300
	// maxAhead is how far the clock of an agent may be ahead: a result from next year would be the newest until then.
	maxAhead = 24 * time.Hour
)

// batch is what an agent sends.
type batch struct {
	// cluster is empty when the agent leaves it to its token.
	cluster string
	results []*sink.Result
}

// fault is what is wrong with a batch.
type fault struct {
	kind faultKind
	// result is the index of the one at fault, -1 when it is the whole.
	result int
	cause  error
}

type faultKind int

const (
	// malformed: it is not JSON of the right shape.
	malformed faultKind = iota
	// unknownVersion: it comes from a newer Assay.
	unknownVersion
	// invalid: a result says something that cannot be.
	invalid
	// tooMany results.
	tooMany
)

// Error names the place.
func (f *fault) Error() string {
	if f.result >= 0 {
		return fmt.Sprintf("results[%d]: %s", f.result, f.says())
	}
	return f.says()
}

// says is what is wrong, in few words: what others wrote may be in it, of any length.
func (f *fault) says() string { return words.OneLine(f.cause.Error(), maxFault) }

// Unwrap is the cause.
func (f *fault) Unwrap() error { return f.cause }

// decodeBatch reads a batch. Results may share policies and manifests that are the same. An error is a *fault.
func decodeBatch(text string, known *quick.Policies, now time.Time) (*batch, error) {
	read, usual := known.Read(text, MaxResults, func(text string) (*sink.Result, int, bool) {
		decoder := json.NewDecoder(strings.NewReader(text))
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return nil, 0, false
		}
		result, err := decodeResult(raw)
		return result, int(decoder.InputOffset()), err == nil
	})
	if usual && !slices.ContainsFunc(read.Results, func(r *sink.Result) bool { return check(r, now) != nil }) {
		return &batch{read.Cluster, read.Results}, nil
	}
	return decodeStrictly(text, now)
}

// decodeStrictly takes what is right in any form, and says what is wrong with the rest.
func decodeStrictly(text string, now time.Time) (*batch, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := expect(decoder, '{'); err != nil {
		return nil, err
	}
	b := &batch{}
	var seen []string
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, broken(-1, err)
		}
		key := token.(string)
		if slices.Contains(seen, key) {
			return nil, broken(-1, fmt.Errorf("%q occurs twice", key))
		}
		switch key {
		case "version":
			err = b.version(decoder)
		case "cluster":
			if err = decoder.Decode(&b.cluster); err != nil {
				err = named("cluster", err)
			}
		case "results":
			err = b.readResults(decoder, now)
		default:
			err = broken(-1, fmt.Errorf("unknown field %q: there are version, cluster and results", words.OneLine(key, 100)))
		}
		if err != nil {
			return nil, err
		}
		seen = append(seen, key)
	}
	if err := expect(decoder, '}'); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something comes after its end")
		}
		return nil, broken(-1, err)
	}
	for _, needed := range []string{"version", "results"} {
		if !slices.Contains(seen, needed) {
			return nil, broken(-1, fmt.Errorf("there is no %s", needed))
		}
	}
	return b, nil
}

func (b *batch) version(decoder *json.Decoder) error {
	var version int
	if err := decoder.Decode(&version); err != nil {
		return named("version", err)
	}
	if version != intakeVersion {
		return &fault{unknownVersion, -1, fmt.Errorf("it has version %d, this hub knows 1 to %d", version, intakeVersion)}
	}
	return nil
}

func (b *batch) readResults(decoder *json.Decoder, now time.Time) error {
	if err := expect(decoder, '['); err != nil {
		return err
	}
	for decoder.More() {
		index := len(b.results)
		if index == MaxResults {
			return &fault{tooMany, -1, fmt.Errorf("there are more than %d results: send them in several requests", MaxResults)}
		}
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return broken(index, err)
		}
		result, err := decodeResult(raw)
		if err == nil {
			err = check(result, now)
		}
		if err != nil {
			var f *fault
			if errors.As(err, &f) {
				f.result = index
				return f
			}
			return &fault{invalid, index, err}
		}
		b.results = append(b.results, result)
	}
	return expect(decoder, ']')
}

// decodeResult reads one result as the journal does, so that numbers are exact.
func decodeResult(raw json.RawMessage) (*sink.Result, error) {
	// A sink's version is strict as well; what it says tells an old hub from a broken result.
	var head struct {
		Version    int `json:"version"`
		Validation struct {
			ID string `json:"id"`
		} `json:"validation"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	result, err := sink.Decode(journal.Record{ID: words.OneLine(head.Validation.ID, 100), Payload: raw})
	if err != nil {
		if head.Version > 1 {
			return nil, &fault{unknownVersion, -1, err}
		}
		return nil, err
	}
	return result, nil
}

// check looks at what a store relies on.
func check(result *sink.Result, now time.Time) error {
	v := &result.Validation
	if !slices.Contains([]sink.Gate{sink.Admission, sink.Audit, sink.Terraform}, result.Gate) {
		return fmt.Errorf("the gate %q is not one of admission, audit and terraform", words.OneLine(string(result.Gate), 100))
	}
	if !slices.Contains([]sink.Life{"", sink.Opened, sink.Unchanged, sink.Changed, sink.Resolved}, result.Life) {
		return fmt.Errorf("the life %q is not one of opened, unchanged, changed and resolved", words.OneLine(string(result.Life), 100))
	}
	if !slices.Contains([]string{weave.StatusViolation, weave.StatusCompliance, weave.StatusExcepted, weave.StatusError}, v.Status) {
		return fmt.Errorf("the status %q is not one of Violation, Compliance, Excepted and Error", words.OneLine(v.Status, 100))
	}
	for _, name := range []struct {
		what, value string
		needed      bool
	}{
		{"validation.id", v.ID, true},
		{"validation.policy.id", v.Policy.ID, true},
		{"validation.policy.name", v.Policy.Name, false},
		{"validation.policy.category", v.Policy.Category, false},
		{"validation.policy.severity", v.Policy.Severity, false},
		{"validation.entity.apiVersion", v.Entity.APIVersion, false},
		{"validation.entity.kind", v.Entity.Kind, false},
		{"validation.entity.namespace", v.Entity.Namespace, false},
		{"validation.entity.name", v.Entity.Name, false},
		{"workspace", result.Workspace, false},
	} {
		switch {
		case name.needed && name.value == "":
			return fmt.Errorf("%s is empty", name.what)
		case len(name.value) > maxName:
			return fmt.Errorf("%s is longer than %d bytes", name.what, maxName)
		}
	}
	switch {
	case v.CreatedAt.IsZero():
		return errors.New("validation.created_at is missing")
	case v.CreatedAt.After(now.Add(maxAhead)):
		return fmt.Errorf("validation.created_at is %s, more than a day ahead: set the clock of the agent's node", v.CreatedAt.UTC().Format(time.RFC3339))
	case v.CreatedAt.Year() < 1970:
		return fmt.Errorf("validation.created_at is %s, before there were clusters", v.CreatedAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// named is broken, of a field of the batch.
func named(field string, err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return &fault{malformed, -1, fmt.Errorf("%s cannot be a %s", field, kind.Value)}
	}
	return broken(-1, err)
}

// expect reads a bracket.
func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err != nil {
		return broken(-1, err)
	}
	if token != want {
		return broken(-1, fmt.Errorf("there is no %q where one must be", rune(want)))
	}
	return nil
}

// broken is what cannot be read; an error of the reader stays what it is.
func broken(result int, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends too early")
	case errors.As(err, &syntax):
		err = fmt.Errorf("it is not JSON at byte %d: %w", syntax.Offset, err)
	}
	return &fault{malformed, result, err}
}
