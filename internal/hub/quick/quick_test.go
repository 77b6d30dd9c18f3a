package quick

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// never is for batches of which nothing may be unusual.
func never(t *testing.T) Unusual {
	return func(text string) (*sink.Result, int, bool) {
		t.Errorf("it is unusual: %s", text[:min(len(text), 300)])
		return nil, 0, false
	}
}

func batchOf(t testing.TB, results ...*sink.Result) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"version": 1, "results": results})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// decoded is what encoding/json makes of it.
func decoded(t testing.TB, r *sink.Result) *sink.Result {
	t.Helper()
	record, err := r.Record()
	if err != nil {
		t.Fatal(err)
	}
	want, err := sink.Decode(record)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// TestEveryFieldOfAResultIsKnown, so that a new one does not make all results unusual.
func TestEveryFieldOfAResultIsKnown(t *testing.T) {
	full := &sink.Result{Version: 1}
	fill(reflect.ValueOf(full).Elem())
	full.Version, full.Validation.CreatedAt = 1, time.Date(2026, 11, 27, 1, 2, 3, 4, time.UTC)
	var known Policies
	for range 2 { // the second time policy and manifest are known
		b, ok := known.Read(batchOf(t, full, full), 10, never(t))
		if !ok || len(b.Results) != 2 {
			t.Fatalf("%+v", b)
		}
		for _, got := range b.Results {
			if diff := cmp.Diff(decoded(t, full), got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// fill gives every field a value that is not its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("täxt \"<&>\\\n\u2028")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"a", "b"} {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value)
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"n": []any{1.5, -2, "x", nil, true, map[string]any{}, []any{}}}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic(v.Kind())
	}
}

func TestResultsAsAgentsWriteThemAreUsual(t *testing.T) {
	f := storetest.Fleet{Clusters: 2, Violations: 400}
	results := append(f.Batch(1, 0, 10, 100), f.Batch(1, 3, 10, 100)...)
	results = append(results, storetest.Result("x", storetest.Accepted("known")), storetest.Result("y", func(r *sink.Result) {
		r.App, r.Validation.Entity.Manifest, r.Validation.Occurrences, r.Operation = nil, nil, nil, policy.Delete
	}))
	var known Policies
	b, ok := known.Read(batchOf(t, results...), 1000, never(t))
	if !ok || len(b.Results) != len(results) {
		t.Fatalf("%d of %d", len(b.Results), len(results))
	}
	for i, got := range b.Results {
		if diff := cmp.Diff(decoded(t, results[i]), got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestWhatIsNotUsualIsLeft(t *testing.T) {
	usual := batchOf(t, storetest.Result("a"))
	for name, replace := range map[string][]string{
		"a field that is not known":  {`"gate":`, `"later":{},"gate":`},
		"a field twice":              {`"gate":"audit"`, `"gate":"audit","gate":"audit"`},
		"a field in other letters":   {`"gate":`, `"Gate":`},
		"white space":                {`"gate":`, `"gate": `},
		"a text that is null":        {`"gate":"audit"`, `"gate":null`},
		"a text that is not UTF-8":   {`"audit"`, "\"\xff\""},
		"a half of a character":      {`"audit"`, `"\ud800"`},
		"a character that is none":   {`"audit"`, "\"\x01\""},
		"an escape that is none":     {`"audit"`, `"\x"`},
		"a result of version 2":      {`[{"version":1`, `[{"version":2`},
		"a result of version 1e0":    {`[{"version":1`, `[{"version":1e0`},
		"a time that is none":        {`"created_at":"2026`, `"created_at":"x2026`},
		"a number that is none":      {`"manifest":{`, `"manifest":{"a":01,`},
		"a manifest that is a list":  {`"manifest":{`, `"manifest":[],"x":{`},
		"a manifest without its end": {`}},"resource_version"`, `},"resource_version"`},
		"brackets that do not match": {`"manifest":{`, `"manifest":{"a":[},`},
		"a value nested very deep":   {`"manifest":{`, `"manifest":{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `,`},
		"a policy that is a text":    {`"policy":{`, `"policy":"","x":{`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(usual, replace[0], replace[1], 1)
			if text == usual {
				t.Fatal("nothing was replaced")
			}
			var known Policies
			var asked string
			_, ok := known.Read(text, 10, func(text string) (*sink.Result, int, bool) { asked = text; return nil, 0, false })
			if ok || !strings.HasPrefix(asked, "{") {
				t.Errorf("it was read: %v, and was asked for: %q", ok, asked)
			}
			// What another reads for it is taken.
			raw := strings.TrimSuffix(asked, "],\"version\":1}")
			b, ok := known.Read(text, 10, func(string) (*sink.Result, int, bool) { return &sink.Result{Pass: "asked"}, len(raw), true })
			if !ok || len(b.Results) != 1 || b.Results[0].Pass != "asked" {
				t.Errorf("got %+v, %v", b, ok)
			}
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "a list": "[]", "no version": `{"results":[]}`, "no results": `{"version":1}`, "version 2": `{"version":2,"results":[]}`,
		"another field": `{"version":1,"results":[],"x":1}`, "a field twice": `{"version":1,"version":1,"results":[]}`, "more after it": usual + "{}",
		"a comma at the end": `{"version":1,"results":[` + raw(t) + `,]}`, "an end that is missing": usual[:len(usual)-1], "too many": batchOf(t, slices.Repeat([]*sink.Result{storetest.Result("a")}, 11)...),
	} {
		var known Policies
		if b, ok := known.Read(text, 10, func(string) (*sink.Result, int, bool) { return nil, 0, false }); ok {
			t.Errorf("%s was read: %+v", name, b)
		}
	}
}

func raw(t *testing.T) string {
	record, err := storetest.Result("a").Record()
	if err != nil {
		t.Fatal(err)
	}
	return string(record.Payload)
}

// TestPoliciesThatDifferLateAreNotMixed: they are looked up by how they begin.
func TestPoliciesThatDifferLateAreNotMixed(t *testing.T) {
	var known Policies
	var results []*sink.Result
	for i := range 3 * maxAlike {
		results = append(results, storetest.Result(fmt.Sprint(i), func(r *sink.Result) {
			r.Validation.Policy.Code = strings.Repeat("x", 2*prefix) + fmt.Sprint(i%(maxAlike+5))
		}))
	}
	for range 3 {
		b, ok := known.Read(batchOf(t, results...), 1000, never(t))
		if !ok {
			t.Fatal("not read")
		}
		for i, got := range b.Results {
			if diff := cmp.Diff(decoded(t, results[i]), got); diff != "" {
				t.Fatal(diff)
			}
		}
	}
}

func TestPoliciesThatAreKnownAreBounded(t *testing.T) {
	var known Policies
	for i := range 300 {
		r := storetest.Result("a", func(r *sink.Result) {
			r.Validation.Policy = weave.Policy{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Code: strings.Repeat(fmt.Sprintf("%4d", i), 100_000/4)}
		})
		if _, ok := known.Read(batchOf(t, r), 1, never(t)); !ok {
			t.Fatal("not read")
		}
		bytes := 0
		for _, alike := range known.known {
			for _, k := range alike {
				bytes += len(k.text)
			}
		}
		if bytes > maxKnown+200_000 {
			t.Fatalf("%d bytes are known", bytes)
		}
	}
}

// TestWhatIsReadIsWhatEncodingJSONReads, of results in which bytes were changed.
func TestWhatIsReadIsWhatEncodingJSONReads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	seed := []byte(raw(t))
	taken := 0
	for range 20_000 {
		text := slices.Clone(seed)
		for range 1 + random.IntN(2) {
			at := random.IntN(len(text))
			switch c := `{}[],:"\u0019-.eE+ntf A\x00\xff`[random.IntN(24)]; random.IntN(3) {
			case 0:
				text[at] = c
			case 1:
				text = slices.Insert(text, at, c)
			case 2:
				text = slices.Delete(text, at, at+1)
			}
		}
		if compare(t, string(text)) {
			taken++
		}
	}
	if taken < 1000 {
		t.Errorf("%d were taken", taken)
	}
}

// compare tells whether a result is read, and fails when it is not what encoding/json reads.
func compare(t *testing.T, text string) bool {
	t.Helper()
	r := &reader{known: &Policies{}}
	for range 2 {
		got, end, ok := r.result(text)
		if !ok {
			return false
		}
		want, err := sink.Decode(journal.Record{Payload: []byte(text[:end])})
		if err != nil {
			t.Fatalf("%s is taken, and encoding/json says: %v", text[:end], err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%s: %s", text[:end], cmp.Diff(want, got))
		}
	}
	return true
}

// FuzzResult compares what is read with what encoding/json reads.
func FuzzResult(f *testing.F) {
	full := &sink.Result{Version: 1}
	fill(reflect.ValueOf(full).Elem())
	full.Version = 1
	for _, r := range []*sink.Result{storetest.Result("a"), full, storetest.Fleet{Clusters: 1, Violations: 10}.Result(3, 1, 10)} {
		record, err := r.Record()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(record.Payload))
	}
	f.Add(`{"version":1,"validation":{"metadata":-0.5e+7,"occurrences":[{"violating_key":"\u00e9\/","recommended_value":"\n"}],"created_at":"2026-01-02T03:04:05+01:00"}}`)
	f.Fuzz(func(t *testing.T, text string) { compare(t, text) })
}
