package registration

import (
	"cmp"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/kube"
)

// injectFromAnnotation tells cert-manager's injector whose authority to write into caBundle.
const injectFromAnnotation = "cert-manager.io/inject-ca-from"

// Build says what to register for the policies that act at admission in a cluster with the resources. The mutating
// configuration is nil when there is nothing to mutate. The same input gives the same output.
func Build(acting []*v2.Policy, resources []*metav1.APIResourceList, o Options) (*admissionregistrationv1.ValidatingWebhookConfiguration, *admissionregistrationv1.MutatingWebhookConfiguration, []UnknownTarget) {
	fail, ignore, mutate := scope{}, scope{}, scope{}
	var unknown []UnknownTarget
	if o.Admission {
		cluster := newCatalogue(resources)
		for _, p := range acting {
			found, inVain := cluster.targets(p, o.Workloads)
			unknown = append(unknown, inVain...)
			validating := fail
			if !p.Spec.FailsClosed() {
				validating = ignore
			}
			for _, r := range found {
				validating.add(r, operationsOf(p))
				// What is sent for a subresource is no whole object: there is nothing of it to repair.
				if o.Mutate && p.Spec.Mutate && r.subresource == "" {
					mutate.add(r, operationsOf(p)&createAndUpdate)
				}
			}
		}
	}
	slices.SortFunc(unknown, func(a, b UnknownTarget) int {
		return cmp.Or(cmp.Compare(a.PolicyID, b.PolicyID), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subresource, b.Subresource))
	})
	return validating(fail, ignore, &o), mutating(mutate, &o), unknown
}

func validating(fail, ignore scope, o *Options) *admissionregistrationv1.ValidatingWebhookConfiguration {
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: o.metadata()}
	for _, w := range []struct {
		name, path string
		policy     v2.FailurePolicy
		scope      scope
	}{{webhookFail, pathFail, v2.FailurePolicyFail, fail}, {webhookIgnore, pathIgnore, v2.FailurePolicyIgnore, ignore}} {
		rules := w.scope.rules()
		if len(rules) == 0 {
			continue
		}
		webhook := o.webhook(w.name, w.path, o.capped(w.policy))
		webhook.Rules, webhook.NamespaceSelector, webhook.MatchConditions = rules, o.namespaceSelector(), o.conditions(w.scope)
		c.Webhooks = append(c.Webhooks, webhook)
	}
	// An agent that is away must not keep people from repairing a policy, so this is Ignore unless somebody wants it
	// otherwise: what is wrong with a policy is in its status as well.
	webhook := o.webhook(webhookPolicies, pathPolicies, o.capped(cmp.Or(o.PolicyWebhookFailurePolicy, v2.FailurePolicyIgnore)))
	kinds := scope{}
	for _, name := range []string{"policies", "policyconfigs", "policyexceptions", "policysets"} {
		kinds.add(resource{v2.GroupVersion.Group, name, ""}, createAndUpdate)
	}
	webhook.Rules = kinds.rules()
	c.Webhooks = append(c.Webhooks, webhook)
	return c
}

// mutating always ignores failures: the validating webhook follows, and judges what was not repaired.
func mutating(asked scope, o *Options) *admissionregistrationv1.MutatingWebhookConfiguration {
	rules := asked.rules()
	if len(rules) == 0 {
		return nil
	}
	w := o.webhook(webhookMutation, pathMutation, admissionregistrationv1.Ignore)
	again := admissionregistrationv1.IfNeededReinvocationPolicy // what other webhooks add may want repairing too
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: o.metadata(),
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: w.Name, ClientConfig: w.ClientConfig, Rules: rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy,
			NamespaceSelector: o.namespaceSelector(), ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects,
			TimeoutSeconds: w.TimeoutSeconds, AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: o.conditions(asked),
			ReinvocationPolicy: &again,
		}},
	}
}

// webhook without rules. Everything that the API server would set by default is set, so that what it stores can be compared
// with what is wanted.
func (o *Options) webhook(name, path string, failure admissionregistrationv1.FailurePolicyType) admissionregistrationv1.ValidatingWebhook {
	equivalent, none := admissionregistrationv1.Equivalent, admissionregistrationv1.SideEffectClassNone
	seconds := int32(min(max((cmp.Or(o.Timeout, DefaultTimeout)+time.Second-1)/time.Second, 1), 30)) //nolint:gosec // 1 to 30
	w := admissionregistrationv1.ValidatingWebhook{
		Name: name, FailurePolicy: &failure, MatchPolicy: &equivalent, SideEffects: &none, TimeoutSeconds: &seconds,
		NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{}, AdmissionReviewVersions: []string{"v1"},
	}
	if o.CABundle != nil {
		w.ClientConfig.CABundle = o.CABundle()
	}
	if o.URL != "" {
		url := strings.TrimSuffix(o.URL, "/") + path
		w.ClientConfig.URL = &url
	} else if o.Service != nil {
		port := cmp.Or(o.Service.Port, 443)
		w.ClientConfig.Service = &admissionregistrationv1.ServiceReference{Namespace: o.Service.Namespace, Name: o.Service.Name, Path: &path, Port: &port}
	}
	return w
}

func (o *Options) capped(wanted v2.FailurePolicy) admissionregistrationv1.FailurePolicyType {
	if o.FailurePolicy == v2.FailurePolicyIgnore || wanted == v2.FailurePolicyIgnore {
		return admissionregistrationv1.Ignore
	}
	return admissionregistrationv1.Fail
}

func (o *Options) metadata() metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: o.Name, Labels: o.Labels}
	if o.InjectFrom != "" {
		m.Annotations = map[string]string{injectFromAnnotation: o.InjectFrom}
	}
	if o.OwnerRef != nil {
		m.OwnerReferences = []metav1.OwnerReference{*o.OwnerRef}
	}
	return m
}

// namespaceSelector leaves out what is in exempt namespaces, and these Namespace objects themselves: the API server sees to
// it that the label is on every Namespace, and true.
func (o *Options) namespaceSelector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn,
		Values: kube.ExemptNamespaces(o.OwnNamespace, o.ExcludeNamespaces...),
	}}}
}
