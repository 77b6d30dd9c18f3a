package policyreport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/assay-gitops/assay/internal/weave"
)

// Labels of the reports.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	scopeLabel     = "pac.weave.works/report-scope"
)

// fieldManager of the reports.
const fieldManager = "assay-policy-reports"

// kinds are an API's report and its cluster report.
type kinds struct {
	version            schema.GroupVersion
	report, cluster    string
	reports, clusters  string
	install, otherwise string
}

func kindsOf(api API) kinds {
	if api == WGPolicy {
		return kinds{
			schema.GroupVersion{Group: "wgpolicyk8s.io", Version: "v1alpha2"},
			"PolicyReport", "ClusterPolicyReport", "policyreports", "clusterpolicyreports",
			"https://github.com/kubernetes-sigs/wg-policy-prototypes", "api: openreports",
		}
	}
	return kinds{
		schema.GroupVersion{Group: "openreports.io", Version: "v1alpha1"},
		"Report", "ClusterReport", "reports", "clusterreports",
		"https://github.com/openreports/reports-api", "api: wgpolicy",
	}
}

// store reads and writes reports. Those of both APIs are handled as v1alpha1.Report: what fields they share have the same
// names, and what only OpenReports has is taken out.
type store struct {
	client     dynamic.Interface
	kinds      kinds
	scope      Scope
	maxResults int
}

func newStore(o Options) store { return store{o.Client, kindsOf(o.API), o.Scope, o.MaxResults} }

func (s store) of(namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return s.client.Resource(s.kinds.version.WithResource(s.kinds.clusters))
	}
	return s.client.Resource(s.kinds.version.WithResource(s.kinds.reports)).Namespace(namespace)
}

// get reads a report; one that is not there is empty and has no UID.
func (s store) get(ctx context.Context, t target) (*v1alpha1.Report, error) {
	read, err := s.of(t.namespace).Get(ctx, t.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && !s.missing(err):
		report := &v1alpha1.Report{}
		report.Namespace, report.Name = t.namespace, t.name
		return report, nil
	case err != nil:
		return nil, s.failed("reading", t, err)
	}
	report := &v1alpha1.Report{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(read.Object, report); err != nil {
		return nil, s.failed("reading", t, unreadable{err})
	}
	if report.Labels[managedByLabel] != source {
		return nil, s.failed("reading", t, unreadable{fmt.Errorf("it has no label %s=%s, so it is somebody else's", managedByLabel, source)})
	}
	return report, nil
}

// unreadable is a report that has to be deleted by a person.
type unreadable struct{ error }

// describe sets what a report says of itself, for an object that it is about.
func (s store) describe(r *v1alpha1.Report, e *weave.Entity) {
	kind := s.kinds.report
	if r.Namespace == "" {
		kind = s.kinds.cluster
	}
	r.APIVersion, r.Kind = s.kinds.version.String(), kind
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	r.Labels[managedByLabel], r.Labels[scopeLabel] = source, string(s.scope)
	if s.kinds.version.Group == v1alpha1.SchemeGroupVersion.Group {
		r.Source = source
		r.Configuration = &v1alpha1.ReportConfiguration{Limits: v1alpha1.Limits{MaxResults: s.maxResults}}
	}
	if s.scope == Object && r.Scope == nil {
		about := subject(e)
		r.Scope = &about
		r.OwnerReferences = []metav1.OwnerReference{{APIVersion: e.APIVersion, Kind: e.Kind, Name: e.Name, UID: uid(e)}}
	}
	if s.scope == Namespace && r.Namespace != "" && r.Scope == nil {
		r.Scope = &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: r.Namespace}
	}
}

func equal(a, b *v1alpha1.Report) bool { return apiequality.Semantic.DeepEqual(a, b) }

// put creates or updates a report. It fails with errChanged when it is not as it was read. A namespace that goes or is gone
// needs no reports.
func (s store) put(ctx context.Context, r *v1alpha1.Report) error {
	t := target{r.Namespace, r.Name}
	object, err := s.encode(r)
	if err != nil {
		return s.failed("encoding", t, err)
	}
	if r.UID == "" {
		_, err = s.of(t.namespace).Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err) && !s.missing(err) {
			return nil
		}
		if apierrors.IsAlreadyExists(err) {
			return errChanged
		}
		return s.failed("creating", t, err)
	}
	_, err = s.of(t.namespace).Update(ctx, object, metav1.UpdateOptions{FieldManager: fieldManager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) && !s.missing(err) {
		return errChanged
	}
	return s.failed("updating", t, err)
}

func (s store) encode(r *v1alpha1.Report) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r)
	if err != nil {
		return nil, err
	}
	if s.kinds.version.Group != v1alpha1.SchemeGroupVersion.Group {
		delete(content, "source")
		delete(content, "configuration")
	}
	return &unstructured.Unstructured{Object: content}, nil
}

// delete deletes a report that has no results left, as it was read.
func (s store) delete(ctx context.Context, r *v1alpha1.Report) error {
	if r.UID == "" {
		return nil
	}
	err := s.of(r.Namespace).Delete(ctx, r.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &r.UID, ResourceVersion: &r.ResourceVersion}})
	switch {
	case apierrors.IsNotFound(err) && !s.missing(err):
		return nil
	case apierrors.IsConflict(err):
		return errChanged
	}
	return s.failed("deleting", target{r.Namespace, r.Name}, err)
}

// sweep deletes the reports of the other scope, which the sink wrote when it was configured so: nobody would bring them up
// to date.
func (s store) sweep(ctx context.Context) error {
	for _, resource := range []string{s.kinds.reports, s.kinds.clusters} {
		all := s.client.Resource(s.kinds.version.WithResource(resource))
		options := metav1.ListOptions{Limit: 500, LabelSelector: fmt.Sprintf("%s=%s,%s,%s!=%s", managedByLabel, source, scopeLabel, scopeLabel, s.scope)}
		for {
			list, err := all.List(ctx, options)
			if err != nil {
				return fmt.Errorf("looking for %s of another scope: %w", resource, s.explain(err))
			}
			for i := range list.Items {
				old := &list.Items[i]
				if err := s.of(old.GetNamespace()).Delete(ctx, old.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
					return s.failed("deleting the report of another scope,", target{old.GetNamespace(), old.GetName()}, err)
				}
			}
			if options.Continue = list.GetContinue(); options.Continue == "" {
				break
			}
		}
	}
	return nil
}

// missing tells whether the API server does not know the kind, rather than the report: its answer is no Status then.
func (s store) missing(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// failed says what failed; nil for nil.
func (s store) failed(doing string, t target, err error) error {
	if err == nil {
		return nil
	}
	kind := s.kinds.report
	if t.namespace == "" {
		return fmt.Errorf("%s the %s %s: %w", doing, s.kinds.cluster, t.name, s.explain(err))
	}
	return fmt.Errorf("%s the %s %s/%s: %w", doing, kind, t.namespace, t.name, s.explain(err))
}

// explain adds the way out.
func (s store) explain(err error) error {
	switch {
	case apierrors.IsNotFound(err) && s.missing(err):
		return fmt.Errorf("the cluster has no policy reports of %s: install its CRDs (%s), or set %s; until then results are kept and tried again (%w)",
			s.kinds.version, s.kinds.install, s.kinds.otherwise, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the agent's ServiceAccount needs get, list, create, update and delete on %s and %s of %s: %w", s.kinds.reports, s.kinds.clusters, s.kinds.version.Group, err)
	}
	if _, ok := errors.AsType[unreadable](err); ok {
		return fmt.Errorf("%w; delete it, and the sink makes its own", err)
	}
	return err
}

// refused tells whether the API server will never take it. What a person has to repair is not among these.
func refused(err error) bool {
	if _, ok := errors.AsType[unreadable](err); ok {
		return true
	}
	return apierrors.IsBadRequest(err) || apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err)
}

func retryAfter(err error) time.Duration {
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		return time.Duration(seconds) * time.Second
	}
	return 0
}
