package policyreport

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// about makes the results be about one object and different policies.
func about(policy, uid string, change func(*sink.Result)) *sink.Result {
	return found(0, func(r *sink.Result) {
		r.Validation.Policy.ID, r.Validation.Entity.ID = policy, uid
		if change != nil {
			change(r)
		}
	})
}

func resolved(r *sink.Result) { r.Life = sink.Resolved }
func complies(r *sink.Result) {
	r.Validation.Status = weave.StatusCompliance
	r.Validation.Occurrences = nil
}
func laterOne(r *sink.Result) {
	r.Validation.ID, r.Validation.CreatedAt = "again", time.Unix(2_000_000_000, 0)
}
func otherText(r *sink.Result) { laterOne(r); r.Validation.Occurrences[0].Message = "other" }

func TestFindingsComeAndGo(t *testing.T) {
	for name, test := range map[string]struct {
		scope   Scope
		results []*sink.Result
		want    string
	}{
		"opened":                                    {Object, []*sink.Result{about("p", "1", nil), about("q", "1", nil)}, "p fail 1700000000, q fail 1700000000"},
		"the same again keeps its time":             {Object, []*sink.Result{about("p", "1", nil), about("p", "1", laterOne)}, "p fail 1700000000"},
		"what says something else is new":           {Object, []*sink.Result{about("p", "1", nil), about("p", "1", otherText)}, "p fail 2000000000"},
		"resolved":                                  {Object, []*sink.Result{about("p", "1", nil), about("q", "1", nil), about("p", "1", resolved)}, "q fail 1700000000"},
		"resolved without ever being there":         {Object, []*sink.Result{about("p", "1", resolved)}, ""},
		"opened again":                              {Object, []*sink.Result{about("p", "1", nil), about("p", "1", resolved), about("p", "1", laterOne)}, "p fail 2000000000"},
		"compliant":                                 {Object, []*sink.Result{about("p", "1", nil), about("p", "1", complies)}, "p pass 1700000000"},
		"compliant, for a namespace":                {Namespace, []*sink.Result{about("p", "1", nil), about("q", "1", nil), about("p", "1", complies)}, "q fail 1700000000"},
		"the object was made again":                 {Namespace, []*sink.Result{about("p", "1", nil), about("p", "2", nil), about("p", "1", resolved)}, "p fail 1700000000"},
		"resolved of an object that was made again": {Namespace, []*sink.Result{about("p", "1", nil), about("p", "2", nil), about("p", "2", resolved)}, ""},
		"other objects stay": {Namespace, []*sink.Result{about("p", "1", nil), found(4, nil), about("p", "1", resolved)},
			"weave.policies.containers-minimum-replica-count fail 1700000004"},
	} {
		// At once, and with a report read and written in between.
		for _, step := range []int{len(test.results), 1} {
			report := &v1alpha1.Report{}
			for batch := range slices.Chunk(test.results, step) {
				merge(t, report, test.scope, 100, 1<<20, batch...)
			}
			if got := texts(report); got != test.want {
				t.Errorf("%s, in steps of %d: got %s, want %s", name, step, got, test.want)
			}
			if s := report.Summary; s.Fail+s.Pass != len(report.Results) {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

// merge brings a report up to date as Sink.try does, through its JSON.
func merge(t *testing.T, report *v1alpha1.Report, scope Scope, maxResults, maxBytes int, results ...*sink.Result) {
	t.Helper()
	s := store{kinds: kindsOf(OpenReports), scope: scope}
	c := contentsOf(report, scope)
	for _, r := range results {
		c.apply(r)
	}
	if err := c.write(report, maxResults, maxBytes); err != nil {
		t.Fatal(err)
	}
	s.describe(report, &results[0].Validation.Entity)
	encoded, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	*report = v1alpha1.Report{}
	if err := json.Unmarshal(encoded, report); err != nil {
		t.Fatal(err)
	}
}

func texts(r *v1alpha1.Report) string {
	var texts []string
	for _, r := range r.Results {
		texts = append(texts, fmt.Sprint(r.Policy, " ", r.Result, " ", r.Timestamp.Seconds))
	}
	return strings.Join(texts, ", ")
}

func TestReportsAreBoundedAndTellWhatIsLeftOut(t *testing.T) {
	severity := func(s string) func(*sink.Result) { return func(r *sink.Result) { r.Validation.Policy.Severity = s } }
	report := &v1alpha1.Report{}
	all := []*sink.Result{about("a", "1", severity("low")), about("b", "1", severity("low")), about("c", "1", severity("medium")), about("d", "1", severity("high"))}
	for range 2 { // what comes again is not counted again
		for _, r := range all {
			merge(t, report, Object, 2, 1<<20, r)
		}
		if got := texts(report); got != "d fail 1700000000, c fail 1700000000, assay/left-out warn 0" {
			t.Fatal(got)
		}
		if n := report.Annotations[leftOutAnnotation]; n != "2" || report.Summary != (v1alpha1.ReportSummary{Fail: 2, Warn: 1}) {
			t.Fatal(n, report.Summary)
		}
	}
	if text := report.Results[2].Description; text != "Results that are left out here: 2. A report has room for 2; the other sinks have all." {
		t.Error(text)
	}
	before, _ := json.Marshal(report)
	merge(t, report, Object, 2, 1<<20, all[0])
	if after, _ := json.Marshal(report); string(after) != string(before) {
		t.Errorf("what is left out again changes the report: %s", after)
	}
	merge(t, report, Object, 2, 1<<20, about("a", "1", resolved), about("d", "1", resolved))
	if got := texts(report); got != "c fail 1700000000, assay/left-out warn 0" || report.Annotations[leftOutAnnotation] != "1" {
		t.Error(got, report.Annotations)
	}
	merge(t, report, Object, 2, 1<<20, all[1])
	if got := texts(report); got != "c fail 1700000000, b fail 1700000000" || len(report.Annotations) != 0 {
		t.Error(got, report.Annotations)
	}
}

func TestReportsFitIntoTheAPIServer(t *testing.T) {
	report := &v1alpha1.Report{}
	const n = 15_000
	results := make([]*sink.Result, 0, n)
	for i := range n {
		results = append(results, about(fmt.Sprint("policy-", i), "1", func(r *sink.Result) {
			r.Validation.Occurrences[0].Message = strings.Repeat("\u2028", 3000) // 3 bytes each, 6 as JSON
			r.Validation.Policy.Name, r.Workspace = r.Validation.Occurrences[0].Message, r.Validation.Occurrences[0].Message
		}))
	}
	merge(t, report, Object, 1_000_000, 1<<20, results...)
	encoded, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) > 1<<20+200<<10 || len(encoded) < 1<<20 || len(report.Annotations[leftOutIDsAnnotation]) > 200<<10 {
		t.Errorf("%d bytes, %d in the annotation", len(encoded), len(report.Annotations[leftOutIDsAnnotation]))
	}
	if said := report.Annotations[leftOutAnnotation]; said != "more than 10000" {
		t.Error(said)
	}
}

func TestAnAnnotationThatSomebodyBrokeIsWrittenAnew(t *testing.T) {
	report := &v1alpha1.Report{}
	merge(t, report, Object, 1, 1<<20, about("a", "1", nil), about("b", "1", nil))
	report.Annotations[leftOutIDsAnnotation] = "?"
	merge(t, report, Object, 1, 1<<20, about("b", "1", nil))
	if got := texts(report); got != "a fail 1700000000, assay/left-out warn 0" || report.Annotations[leftOutAnnotation] != "1" {
		t.Error(got, report.Annotations)
	}
}
