package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/quick"
)

var today = time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)

// resultJSON is a result with a few of its fields replaced: pairs of a text that is in it and another.
func resultJSON(replace ...string) string {
	return strings.NewReplacer(replace...).Replace(`{"version":1,"gate":"audit","life":"opened","workspace":"tenant","pass":"p1",` +
		`"app":{"kind":"Kustomization","name":"shop","namespace":"flux-system","revision":"main@sha1:abc"},` +
		`"validation":{"id":"r1","status":"Violation","message":"Minimum Replicas in deployment web (1 occurrence)","created_at":"2026-11-26T12:00:00Z","enforced":true,` +
		`"occurrences":[{"message":"too few","violating_key":"spec.replicas","recommended_value":3}],` +
		`"policy":{"id":"weave.policies.minimum-replicas","name":"Minimum Replicas","severity":"medium","category":"weave.categories.reliability",` +
		`"standards":[{"id":"weave.standards.soc2","controls":["weave.controls.soc2.1"]}],` +
		`"parameters":[{"name":"replicas","type":"integer","value":9007199254740993,"required":true,"config_ref":"shop-config"}]},` +
		`"entity":{"apiVersion":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","manifest":{"spec":{"replicas":9007199254740993}}}}}`)
}

func batchJSON(results ...string) string {
	return `{"version":1,"results":[` + strings.Join(results, ",") + `]}`
}

func TestBatchesAreReadExactly(t *testing.T) {
	b, err := decodeBatch(`{"cluster":"far","results":[`+resultJSON()+`],"version":1}`, &quick.Policies{}, today)
	if err != nil {
		t.Fatal(err)
	}
	if b.cluster != "far" || len(b.results) != 1 {
		t.Fatalf("got %+v", b)
	}
	written, err := json.Marshal(b.results[0])
	if err != nil || strings.Count(string(written), "9007199254740993") != 2 {
		t.Errorf("numbers are not exact: %v %s", err, written)
	}
}

func TestFaultsOfBatchesSayWhereTheyAre(t *testing.T) {
	tests := map[string]struct {
		body   string
		kind   faultKind
		result int
		says   string
	}{
		"nothing":                      {"", malformed, -1, "too early"},
		"no object":                    {"[]", malformed, -1, "'{'"},
		"no version":                   {`{"results":[]}`, malformed, -1, "no version"},
		"no results":                   {`{"version":1}`, malformed, -1, "no results"},
		"results that are null":        {`{"version":1,"results":null}`, malformed, -1, "'['"},
		"a newer version":              {`{"version":2,"results":[]}`, unknownVersion, -1, "knows 1 to 1"},
		"a version that is a text":     {`{"version":"1","results":[]}`, malformed, -1, "version"},
		"a version that is huge":       {`{"version":1e99,"results":[]}`, malformed, -1, "version"},
		"another field":                {`{"version":1,"result":[]}`, malformed, -1, `unknown field "result"`},
		"a field that occurs twice":    {`{"version":1,"version":1,"results":[]}`, malformed, -1, "twice"},
		"a field in other letters":     {`{"Version":1,"results":[]}`, malformed, -1, "unknown field"},
		"something after its end":      {batchJSON() + "{}", malformed, -1, "after its end"},
		"an end that is missing":       {`{"version":1,"results":[`, malformed, -1, "too early"},
		"a result that ends early":     {`{"version":1,"results":[` + resultJSON() + `,{"version":`, malformed, 1, "too early"},
		"a result that is no JSON":     {batchJSON(resultJSON(), "{]"), malformed, 1, "not JSON"},
		"a result that is a number":    {batchJSON("7"), invalid, 0, "number"},
		"a result that is null":        {batchJSON("null"), invalid, 0, "version 0"},
		"a result of a newer version":  {batchJSON(resultJSON(), resultJSON(`{"version":1`, `{"version":2`)), unknownVersion, 1, "knows 1 to 1"},
		"a result without an id":       {batchJSON(resultJSON(), resultJSON(), resultJSON(`"r1"`, `""`)), invalid, 2, "validation.id is empty"},
		"a result without a policy":    {batchJSON(resultJSON(`"weave.policies.minimum-replicas"`, `""`)), invalid, 0, "validation.policy.id is empty"},
		"a result of no gate":          {batchJSON(resultJSON(`"audit"`, `"x"`)), invalid, 0, "gate"},
		"a result of no status":        {batchJSON(resultJSON(`"Violation"`, `"x"`)), invalid, 0, "status"},
		"a result of no life":          {batchJSON(resultJSON(`"opened"`, `"x"`)), invalid, 0, "life"},
		"a result without a time":      {batchJSON(resultJSON(`"created_at":"2026-11-26T12:00:00Z",`, ``)), invalid, 0, "missing"},
		"a time that is none":          {batchJSON(resultJSON(`2026-11-26T12`, `yesterday`)), invalid, 0, "yesterday"},
		"a time that is far ahead":     {batchJSON(resultJSON(`2026-11-26T12`, `2027-11-26T12`)), invalid, 0, "clock"},
		"a time before all clusters":   {batchJSON(resultJSON(`2026-11-26T12`, `0026-11-26T12`)), invalid, 0, "before"},
		"a name without end":           {batchJSON(resultJSON(`"web"`, `"`+strings.Repeat("x", 2000)+`"`)), invalid, 0, "longer than 1024"},
		"more results than may be":     {batchJSON(strings.Split(strings.Repeat(resultJSON()+"\n", 1001), "\n")[:1001]...), tooMany, -1, "more than 1000"},
		"a result nested without end":  {batchJSON(strings.Repeat("[", 20_000)), malformed, 0, "depth"},
		"a manifest that is no object": {batchJSON(resultJSON(`{"spec":{"replicas":9007199254740993}}`, `[]`)), invalid, 0, "manifest"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeBatch(test.body, &quick.Policies{}, today)
			var f *fault
			if !errors.As(err, &f) {
				t.Fatalf("got %v", err)
			}
			if f.kind != test.kind || f.result != test.result || !strings.Contains(f.Error(), test.says) {
				t.Errorf("got kind %d, result %d, %q", f.kind, f.result, f)
			}
			if len(f.Error()) > 400 {
				t.Errorf("it says %d bytes: %s", len(f.Error()), f)
			}
		})
	}
}

func TestUnknownFieldsOfResultsAreTaken(t *testing.T) {
	// An agent that is a little newer than the hub has them.
	b, err := decodeBatch(batchJSON(resultJSON(`{"version":1`, `{"later":{},"version":1`)), &quick.Policies{}, today)
	if err != nil || len(b.results) != 1 {
		t.Errorf("got %+v, %v", b, err)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	for _, seed := range []string{
		batchJSON(), batchJSON(resultJSON()), batchJSON(resultJSON(), resultJSON(`"audit"`, `"admission"`)), `{"version":2,"results":[]}`,
		`{"results":[{}],"cluster":"\ud800","version":1}`, `{"version":1,"results":[{"version":1,"validation":{"id":1}}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b, err := decodeBatch(body, &quick.Policies{}, today)
		var broken *fault
		switch {
		case err != nil && !errors.As(err, &broken):
			t.Fatalf("an error that is no fault: %v", err)
		case err != nil && (broken.result < -1 || broken.result >= len(body)):
			t.Fatalf("a place that is none: %d", broken.result)
		case err != nil:
			return
		}
		// What is taken can be written and is taken again.
		written, err := json.Marshal(map[string]any{"version": 1, "cluster": b.cluster, "results": b.results})
		if err != nil {
			t.Fatalf("what was taken cannot be written: %v", err)
		}
		if b.results == nil {
			return
		}
		again, err := decodeBatch(string(written), &quick.Policies{}, today)
		if err != nil || len(again.results) != len(b.results) {
			t.Fatalf("what was taken is not taken again: %v\n%s", err, written)
		}
	})
}

func TestALimitedReaderRemembersWhatFailed(t *testing.T) {
	for length, want := range map[int]error{9: nil, 10: nil, 11: errTooLong} {
		r := &limitedReader{reader: strings.NewReader(strings.Repeat("x", length)), left: 10}
		read, err := io.ReadAll(r)
		if !errors.Is(err, want) || !errors.Is(r.failed, want) || len(read) > 10 {
			t.Errorf("%d: got %d bytes, %v, %v", length, len(read), err, r.failed)
		}
	}
}

func BenchmarkDecodeBatch(b *testing.B) {
	results := make([]string, 1000)
	for i := range results {
		results[i] = resultJSON(`"r1"`, fmt.Sprintf(`"r%d"`, i))
	}
	body := batchJSON(results...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeBatch(body, &quick.Policies{}, today); err != nil {
			b.Fatal(err)
		}
	}
}
