package policyreport

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/internal/words"
)

// source is what reports name as the policy engine; those of assay check do as well.
const source = "assay"

// The properties that say where a result comes from and not what it is: a result that differs in nothing else is the one
// that is in the report already, which keeps telling when the finding was made and by which change.
const (
	idProperty       = "resultID" // Policy Reporter takes it for its own
	revisionProperty = "revision"
)

// Bounds of texts, in characters: a report is read whole by all who watch reports.
const (
	maxMessage     = 800
	maxProperty    = 200
	maxOccurrences = 5
)

// resultOf is what a report says of a result. The subject is left out when it is the scope of the report.
func resultOf(r *sink.Result, scope Scope) v1alpha1.ReportResult {
	v := &r.Validation
	result := v1alpha1.ReportResult{
		Source: source, Policy: v.Policy.ID, Category: v.Policy.Category, Severity: severity(v.Policy.Severity),
		Timestamp: metav1.Timestamp{Seconds: v.CreatedAt.Unix(), Nanos: int32(v.CreatedAt.Nanosecond())},
		Result:    outcome(v), Scored: v.Enforced, Description: message(v), Properties: properties(r),
	}
	if scope == Namespace {
		result.Subjects = []corev1.ObjectReference{subject(&v.Entity)}
	}
	return result
}

func subject(e *weave.Entity) corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: e.APIVersion, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, UID: uid(e)}
}

// outcome is fail for what is enforced and warn for advice, as the API has it: warn is for policies that are not scored.
func outcome(v *weave.PolicyValidation) v1alpha1.Result {
	switch {
	case v.Status == weave.StatusCompliance:
		return "pass"
	case v.Status == weave.StatusExcepted:
		return "skip"
	case v.Status == weave.StatusError:
		return "error"
	case v.Enforced:
		return "fail"
	}
	return "warn"
}

// severity is one that the API knows, or none.
func severity(s string) v1alpha1.ResultSeverity {
	s = strings.ToLower(s)
	if slices.Contains(severities, s) {
		return v1alpha1.ResultSeverity(s)
	}
	return ""
}

// severities are those of the API, the worst first.
var severities = []string{"critical", "high", "medium", "low", "info"}

// message is what is wrong, and not again which policy and object that is.
func message(v *weave.PolicyValidation) string {
	var said []string
	for _, o := range v.Occurrences {
		if o.Message != "" && !slices.Contains(said, o.Message) {
			said = append(said, o.Message)
		}
	}
	if len(said) == 0 {
		return words.OneLine(v.Message, maxMessage)
	}
	more := ""
	if len(said) > maxOccurrences {
		more = fmt.Sprintf(" … and %d more", len(said)-maxOccurrences)
		said = said[:maxOccurrences]
	}
	return words.OneLine(strings.Join(said, " "), maxMessage-len(more)) + more
}

func properties(r *sink.Result) map[string]string {
	v := &r.Validation
	p := map[string]string{}
	set := func(key, value string) {
		if value = words.OneLine(value, maxProperty); value != "" {
			p[key] = value
		}
	}
	set(idProperty, v.ID)
	set("policyName", v.Policy.Name)
	var controls []string
	for _, standard := range v.Policy.Standards {
		controls = append(controls, standard.Controls...)
	}
	set("controls", strings.Join(controls, ","))
	if len(v.Occurrences) > 1 {
		set("occurrences", strconv.Itoa(len(v.Occurrences)))
	}
	for _, o := range v.Occurrences {
		if o.ViolatingKey == nil {
			continue
		}
		set("violatingKey", *o.ViolatingKey)
		if o.RecommendedValue != nil {
			if value, err := json.Marshal(o.RecommendedValue); err == nil {
				set("recommendedValue", string(value))
			}
		}
		break
	}
	set("workspace", r.Workspace)
	if r.App != nil {
		set("app", r.App.Kind+" "+r.App.Namespace+"/"+r.App.Name)
		set(revisionProperty, r.App.Revision)
	}
	if e := r.Exception; e != nil {
		text := e.Name + ": " + e.Reason
		if e.Expires != nil {
			text = e.Name + " until " + e.Expires.Format("2006-01-02") + ": " + e.Reason
		}
		set("exception", text)
	}
	return p
}

// key says which policy and object a result is about. Objects are told apart by their names, so that one that is made
// again has its predecessor's place.
type key struct{ policy, group, kind, namespace, name string }

func keyOf(policy string, o corev1.ObjectReference) key {
	group := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind).Group
	return key{policy, group, o.Kind, o.Namespace, o.Name}
}

// keyOfResult of a report; the subject is that of the result or else the report's scope.
func keyOfResult(r *v1alpha1.ReportResult, scope *corev1.ObjectReference) key {
	switch {
	case len(r.Subjects) > 0:
		return keyOf(r.Policy, r.Subjects[0])
	case scope != nil:
		return keyOf(r.Policy, *scope)
	}
	return key{policy: r.Policy}
}

// same tells whether a result says the same as another, apart from when and by which change it was found.
func same(a, b *v1alpha1.ReportResult) bool {
	return a.Source == b.Source && a.Policy == b.Policy && a.Category == b.Category && a.Severity == b.Severity && a.Result == b.Result &&
		a.Scored == b.Scored && a.Description == b.Description && slices.Equal(a.Subjects, b.Subjects) && sameProperties(a.Properties, b.Properties)
}

func sameProperties(a, b map[string]string) bool {
	for _, both := range [][2]map[string]string{{a, b}, {b, a}} {
		for k, v := range both[0] {
			if k != idProperty && k != revisionProperty && both[1][k] != v {
				return false
			}
		}
	}
	return true
}

// worse puts what matters most first, so that it is found, and kept when not everything can be.
func worse(a, b *v1alpha1.ReportResult) int {
	return cmp.Or(
		cmp.Compare(slices.Index(outcomes, a.Result), slices.Index(outcomes, b.Result)),
		cmp.Compare(rank(a.Severity), rank(b.Severity)),
		strings.Compare(a.Policy, b.Policy),
		slices.CompareFunc(a.Subjects, b.Subjects, func(a, b corev1.ObjectReference) int {
			return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.APIVersion, b.APIVersion))
		}),
	)
}

// outcomes from the worst.
var outcomes = []v1alpha1.Result{"fail", "error", "warn", "skip", "pass"}

func rank(s v1alpha1.ResultSeverity) int {
	if i := slices.Index(severities, string(s)); i >= 0 {
		return i
	}
	return len(severities)
}
