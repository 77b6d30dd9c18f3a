package policyreport

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
)

var update = flag.Bool("update", false, "write the golden files")

// found is a finding of audit.
func found(i int, change func(*sink.Result)) *sink.Result {
	r := sinktest.Result(i)
	r.Gate, r.Life, r.Operation = sink.Audit, sink.Opened, ""
	if change != nil {
		change(&r)
	}
	return &r
}

func TestResultsSayWhatIsWrong(t *testing.T) {
	results := []v1alpha1.ReportResult{
		resultOf(found(0, nil), Object),
		resultOf(found(1, nil), Namespace),
		resultOf(found(2, func(r *sink.Result) { r.Validation.Status = weave.StatusCompliance; r.Validation.Occurrences = nil }), Object),
		resultOf(found(4, func(r *sink.Result) { r.Validation.Status = weave.StatusError; r.App = nil }), Object),
		resultOf(found(6, func(r *sink.Result) {
			r.Validation.Status = weave.StatusExcepted
			r.Validation.Policy.Severity = "apocalyptic"
			r.Exception = &sink.Exception{Name: "small-team", Reason: "one is\nenough", Expires: new(time.Unix(1_800_000_000, 0).UTC())}
			r.Validation.Policy.Standards = []weave.Standard{{ID: "soc2", Controls: []string{"soc2.1", "soc2.2"}}, {ID: "gdpr", Controls: []string{"gdpr.5"}}}
		}), Object),
		resultOf(found(8, func(r *sink.Result) {
			long := strings.Repeat("ü", 2000)
			r.Validation.Occurrences = nil
			for _, message := range []string{"a", "b", "a", "c", "d", "e", "f", "g"} {
				r.Validation.Occurrences = append(r.Validation.Occurrences, weave.Occurrence{Message: message + long[:400], ViolatingKey: &long, RecommendedValue: map[string]any{"a": long}})
			}
		}), Object),
	}
	got, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/results.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s", got)
	}
	for _, r := range results {
		if n := len([]rune(r.Description)); n > maxMessage {
			t.Errorf("a message of %d characters", n)
		}
		for k, v := range r.Properties {
			if n := len([]rune(v)); n > maxProperty {
				t.Errorf("%s has %d characters", k, n)
			}
		}
	}
}
