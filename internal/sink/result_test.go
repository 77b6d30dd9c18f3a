package sink_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/journal"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/sink/sinktest"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheDocumentInTheJournalIsTheGoldenOne(t *testing.T) {
	r := sinktest.Result(1)
	r.Life, r.Pass = sink.Opened, "pass-1"
	r.Exception = &sink.Exception{Name: "small-team", Reason: "one replica is enough", Expires: new(time.Unix(1_800_000_000, 0).UTC())}
	record, err := r.Record()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, record.Payload, "", "  "); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/result.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
	}
	r.Validation.Entity.Manifest["exact"] = int64(9007199254740993)
	if record, err = r.Record(); err != nil {
		t.Fatal(err)
	}
	again, err := sink.Decode(record)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.Record()
	if err != nil || !bytes.Equal(second.Payload, record.Payload) || second.ID != record.ID || !second.Time.Equal(record.Time) {
		t.Errorf("decoded and encoded it is %s, %v", second.Payload, err)
	}
}

func TestExceptionsAndAppsAreNoted(t *testing.T) {
	expires := metav1.NewTime(time.Unix(1_800_000_000, 0))
	exception := &v2.PolicyException{ObjectMeta: metav1.ObjectMeta{Name: "e"}, Spec: v2.PolicyExceptionSpec{Reason: "why", Expires: &expires}}
	object := &policy.Object{Content: map[string]any{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"name": "s"}, "data": map[string]any{"key": "aHVudGVyMg=="}}}
	r := sink.New(policy.Result{Policy: &v2.Policy{}, Object: object, Status: policy.Excepted, Exception: exception}, sink.Meta{Gate: sink.Audit})
	if want := (&sink.Exception{Name: "e", Reason: "why", Expires: new(expires.UTC())}); !reflect.DeepEqual(r.Exception, want) || r.App != nil {
		t.Errorf("%+v, %+v", r.Exception, r.App)
	}
	record, err := r.Record()
	if err != nil || bytes.Contains(record.Payload, []byte("aHVudGVyMg")) {
		t.Errorf("a Secret's value is in the journal: %s, %v", record.Payload, err)
	}
}

func TestResultsOfOtherVersionsAreRefused(t *testing.T) {
	for payload, want := range map[string]string{
		`{"version":2}`: "it has version 2, this version of Assay knows 1 to 1",
		`{}`:            "it has version 0",
		`{"version":`:   "unexpected EOF",
	} {
		if _, err := sink.Decode(journal.Record{ID: "x", Payload: []byte(payload)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", payload, err, want)
		}
	}
}

func TestFilters(t *testing.T) {
	r := sinktest.Result(4) // medium, team-0, a violation at admission
	for name, test := range map[string]struct {
		filter sink.Filter
		want   bool
	}{
		"none wants all":                {sink.Filter{}, true},
		"the gate":                      {sink.Filter{Gates: []sink.Gate{sink.Audit, sink.Admission}}, true},
		"another gate":                  {sink.Filter{Gates: []sink.Gate{sink.Audit}}, false},
		"the severity in capitals":      {sink.Filter{Severities: []string{"MEDIUM"}}, true},
		"another severity":              {sink.Filter{Severities: []string{"high", "low"}}, false},
		"a policy by wildcard":          {sink.Filter{Policies: []string{"x", "weave.policies.*"}}, true},
		"another policy":                {sink.Filter{Policies: []string{"weave.policies"}}, false},
		"the namespace":                 {sink.Filter{Namespaces: []string{"team-?"}}, true},
		"cluster-scoped ones only":      {sink.Filter{Namespaces: []string{""}}, false},
		"the status":                    {sink.Filter{Statuses: []string{"violation"}}, true},
		"another status":                {sink.Filter{Statuses: []string{"Error"}}, false},
		"all must hold, and one is not": {sink.Filter{Statuses: []string{"violation"}, Severities: []string{"low"}}, false},
	} {
		if err := test.filter.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := test.filter.Wants(&r); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	// The end of a finding goes where its beginning went, also when its policy is gone.
	end := sink.Result{Life: sink.Resolved, Validation: weave.PolicyValidation{Status: weave.StatusCompliance}}
	for name, test := range map[string]struct {
		filter   sink.Filter
		severity string
		want     bool
	}{
		"violations":                 {sink.Filter{Statuses: []string{"violation"}}, "high", true},
		"errors only":                {sink.Filter{Statuses: []string{"error"}}, "high", false},
		"the severity":               {sink.Filter{Severities: []string{"high"}}, "high", true},
		"another severity":           {sink.Filter{Severities: []string{"low"}}, "high", false},
		"a policy that is gone":      {sink.Filter{Severities: []string{"high"}}, "", true},
		"one in another namespace":   {sink.Filter{Namespaces: []string{"other"}}, "high", false},
		"one of any, without filter": {sink.Filter{}, "high", true},
	} {
		end.Validation.Policy.Severity = test.severity
		if got := test.filter.Wants(&end); got != test.want {
			t.Errorf("the end of a finding, %s: %t", name, got)
		}
	}
	for want, filter := range map[string]sink.Filter{
		`pattern "team-[" is not complete`:        {Namespaces: []string{"team-["}},
		`gate "audits" does not exist: use admis`: {Gates: []sink.Gate{"audits"}},
		`severity "critical" does not exist`:      {Severities: []string{"critical"}},
		`status "bad" does not exist: use viol`:   {Statuses: []string{"bad"}},
	} {
		if err := filter.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}
