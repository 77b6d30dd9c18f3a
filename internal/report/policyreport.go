package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/policy"
)

// policyReport is openreports.io/v1alpha1, the successor of the policy report of the Kubernetes Policy Working Group: a stream of
// YAML with one Report for each namespace and a ClusterReport for what is in none, ready to be applied. Problems are
// results with the outcome error (or warn) in the ClusterReport.
type policyReport struct{}

const reportSource = "assay"

// namespaceReport is what goes into the report of one namespace.
type namespaceReport struct {
	namespace string
	summary   v1alpha1.ReportSummary
	// subjects are the findings with the objects they are about; problems those of the run.
	subjects []subject
	problems []policy.Problem
}

type subject struct {
	finding *Finding
	object  *policy.Object
}

// Write writes the report.
func (policyReport) Write(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	for i, n := range byNamespace(r) {
		if i > 0 {
			out.WriteString("---\n")
		}
		if err := n.write(out, r); err != nil {
			return fmt.Errorf("writing the report of namespace %q: %w", n.namespace, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing policy reports: %w", err)
	}
	return nil
}

// byNamespace sorts what a report holds into namespaces, by name; the first is that of the cluster, if there is one.
func byNamespace(r *Report) []*namespaceReport {
	index := map[string]*namespaceReport{}
	of := func(namespace string) *namespaceReport {
		if index[namespace] == nil {
			index[namespace] = &namespaceReport{namespace: namespace}
		}
		return index[namespace]
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		for _, o := range append([]*policy.Object{f.Result.Object}, f.Also...) {
			n := of(o.Namespace())
			n.subjects = append(n.subjects, subject{f, o})
			switch reportOutcome(f) {
			case "fail":
				n.summary.Fail++
			case "warn":
				n.summary.Warn++
			case "skip":
				n.summary.Skip++
			}
		}
	}
	if len(r.Problems) > 0 {
		n := of("")
		n.problems = r.Problems
		n.summary.Error = errorCount(r)
		n.summary.Warn += len(r.Problems) - n.summary.Error
	}
	all := make([]*namespaceReport, 0, len(index))
	for _, n := range index {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *namespaceReport) int { return strings.Compare(a.namespace, b.namespace) })
	return all
}

// write writes the report with result after result, so that a large one is never held as YAML.
func (n *namespaceReport) write(w io.Writer, r *Report) error {
	head, err := yaml.Marshal(n.head())
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%sresults:\n", head); err != nil {
		return err
	}
	for _, s := range n.subjects {
		if err := writeYAMLElement(w, reportResult(r, s.finding, s.object)); err != nil {
			return err
		}
	}
	for i := range n.problems {
		if err := writeYAMLElement(w, reportProblem(r, &n.problems[i])); err != nil {
			return err
		}
	}
	return nil
}

// head is a Report for a namespace, a ClusterReport for none, without the results.
func (n *namespaceReport) head() any {
	meta := metav1.ObjectMeta{Name: "assay-check", Namespace: n.namespace, Labels: map[string]string{"app.kubernetes.io/managed-by": reportSource}}
	kind := metav1.TypeMeta{APIVersion: "openreports.io/v1alpha1", Kind: "Report"}
	if n.namespace == "" {
		kind.Kind = "ClusterReport"
		return v1alpha1.ClusterReport{TypeMeta: kind, ObjectMeta: meta, Source: reportSource, Summary: n.summary}
	}
	return v1alpha1.Report{TypeMeta: kind, ObjectMeta: meta, Source: reportSource, Summary: n.summary}
}

func reportOutcome(f *Finding) v1alpha1.Result {
	switch standing(f) {
	case "excepted":
		return "skip"
	case "warning":
		return "warn"
	}
	return "fail"
}

func reportResult(r *Report, f *Finding, o *policy.Object) v1alpha1.ReportResult {
	spec := &f.Result.Policy.Spec
	var controls []string
	for _, standard := range spec.Standards {
		controls = append(controls, standard.Controls...)
	}
	return v1alpha1.ReportResult{
		Source: reportSource, Policy: spec.ID, Category: spec.Category, Severity: v1alpha1.ResultSeverity(spec.Severity),
		Timestamp: metav1.Timestamp{Seconds: r.Started.Unix()}, Result: reportOutcome(f), Scored: f.Result.Enforced,
		Description: f.Occurrence.Message,
		Subjects:    []corev1.ObjectReference{{APIVersion: o.APIVersion(), Kind: o.Kind(), Namespace: o.Namespace(), Name: o.Name()}},
		Properties: reportProperties(
			"fingerprint", f.Fingerprint, "violatingKey", f.Occurrence.Path, "recommendedValue", recommended(f),
			"location", place(f.Location), "exception", exceptionText(f), "controls", strings.Join(controls, ","),
		),
	}
}

func reportProblem(r *Report, p *policy.Problem) v1alpha1.ReportResult {
	result := v1alpha1.ReportResult{
		Source: reportSource, Policy: "assay/" + string(p.Kind), Result: "error", Description: p.Message,
		Timestamp:  metav1.Timestamp{Seconds: r.Started.Unix()},
		Properties: reportProperties("fingerprint", problemFingerprint(p), "location", place(p.Location), "hint", p.Hint),
	}
	if p.Warning {
		result.Result = "warn"
	}
	return result
}

// reportProperties makes properties of keys and values in turn, without those that are empty.
func reportProperties(keysAndValues ...string) map[string]string {
	properties := map[string]string{}
	for pair := range slices.Chunk(keysAndValues, 2) {
		if pair[1] != "" {
			properties[pair[0]] = pair[1]
		}
	}
	return properties
}
