package workspaces

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/policy"
	"github.com/assay-gitops/assay/tenancy"
	"github.com/assay-gitops/assay/tenancy/attacks"
)

// Outcome of an attempt to break out.
type Outcome string

// The outcomes.
const (
	// Held attempts were refused.
	Held Outcome = "held"
	// Escaped attempts were not.
	Escaped Outcome = "escaped"
	// Open is what the tenants file asks for no wall against.
	Open Outcome = "open"
	// Untried attempts need something that the cluster or the workspace does not have.
	Untried Outcome = "untried"
	// Unclear attempts failed for another reason, which says nothing about the wall.
	Unclear Outcome = "unclear"
)

// Attempt to break out of a workspace, and what came of it.
type Attempt struct {
	Tenant  string  `json:"tenant"`
	ID      string  `json:"id"`
	Title   string  `json:"title"`
	Why     string  `json:"why,omitempty"`
	Link    string  `json:"link,omitempty"`
	Outcome Outcome `json:"outcome"`
	// Detail says what refused it, or why it is open, untried or unclear.
	Detail string `json:"detail,omitempty"`
}

// Verify tries to break out of a workspace as the tenant's service account, by dry runs and by asking what the account
// may do: nothing is changed. Foreign is a namespace of somebody else. The config is of somebody who may impersonate the
// account.
func (c *Cluster) Verify(ctx context.Context, config *rest.Config, t *tenancy.Tenant, foreign string) ([]Attempt, error) {
	catalogue, err := attacks.Catalogue()
	if err != nil {
		return nil, err
	}
	tenant := attacks.For(t, foreign)
	user := "system:serviceaccount:" + tenant.Namespace + ":" + tenant.Account
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:" + tenant.Namespace, "system:authenticated"}
	as := rest.CopyConfig(config)
	as.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	impersonated, err := client.New(as, client.Options{Mapper: c.client.RESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", user, err)
	}
	if err := c.mayImpersonate(ctx, tenant); err != nil {
		return nil, err
	}
	var tried []attacks.Case
	for _, one := range catalogue {
		if !one.Honest() {
			tried = append(tried, one)
		}
	}
	reviews := powers(tenant)
	attempts := make([]Attempt, len(tried)+len(reviews))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i := range tried {
		group.Go(func() error {
			one := &tried[i]
			attempts[i] = Attempt{Tenant: t.Name, ID: one.ID, Title: one.Title, Why: one.Why, Link: one.Link}
			if reason := one.OpenBecause(t); reason != "" {
				attempts[i].Outcome, attempts[i].Detail = Open, reason
				return nil
			}
			var err error
			attempts[i].Outcome, attempts[i].Detail, err = c.try(ctx, impersonated, one, tenant)
			if err != nil {
				return fmt.Errorf("try %s: %w", one.ID, err)
			}
			return nil
		})
	}
	for i, power := range reviews {
		group.Go(func() error {
			outcome, err := c.review(ctx, user, groups, power)
			if err != nil {
				return fmt.Errorf("ask whether %s: %w", power.title, err)
			}
			attempts[len(tried)+i] = Attempt{Tenant: t.Name, ID: power.id, Title: power.title, Outcome: outcome, Detail: "RBAC"}
			return nil
		})
	}
	return attempts, group.Wait()
}

// mayImpersonate makes sure that refusals are about the tenant and not about who asks.
func (c *Cluster) mayImpersonate(ctx context.Context, tenant attacks.Tenant) error {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "impersonate", Resource: "serviceaccounts", Namespace: tenant.Namespace, Name: tenant.Account},
	}}
	if err := c.client.Create(ctx, review); err != nil {
		return fmt.Errorf("ask whether the account %s/%s may be impersonated: %w", tenant.Namespace, tenant.Account, err)
	}
	if !review.Status.Allowed {
		return fmt.Errorf("you may not impersonate the service account %s/%s: verifying needs the verb impersonate on serviceaccounts and groups", tenant.Namespace, tenant.Account)
	}
	return nil
}

// try does what the case says, as a dry run. The error is that of a cluster that does not answer.
func (c *Cluster) try(ctx context.Context, as client.Client, one *attacks.Case, tenant attacks.Tenant) (Outcome, string, error) {
	object, before, err := one.Objects(tenant)
	if err != nil {
		return "", "", err
	}
	if before == nil {
		return judge(as.Create(ctx, object, client.DryRunAll))
	}
	live := before.DeepCopy()
	if one.Subresource != "" {
		if live, err = c.any(ctx, before); err != nil || live == nil {
			return Untried, "there is no " + before.GetKind() + " in the namespace to try it on", ignoreUnknown(err)
		}
	} else if err := c.client.Get(ctx, client.ObjectKeyFromObject(before), live); err != nil {
		return Untried, "there is no " + ID(before) + " to try it on", ignoreUnknown(err)
	}
	if one.Operation == policy.Delete {
		return judge(as.Delete(ctx, live, client.DryRunAll))
	}
	for field, value := range object.Object {
		if field != "metadata" {
			live.Object[field] = value
		}
	}
	if metadata, _ := object.Object["metadata"].(map[string]any); metadata["labels"] != nil {
		live.SetLabels(maps.Clone(object.GetLabels()))
	}
	live.SetManagedFields(nil)
	if one.Subresource != "" {
		return judge(as.SubResource(one.Subresource).Update(ctx, live, client.DryRunAll))
	}
	return judge(as.Update(ctx, live, client.DryRunAll))
}

// any is an object of the kind in the namespace; nil when there is none.
func (c *Cluster) any(ctx context.Context, like *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(like.GroupVersionKind().GroupVersion().WithKind(like.GetKind() + "List"))
	if err := c.client.List(ctx, list, client.InNamespace(like.GetNamespace()), client.Limit(1)); err != nil || len(list.Items) == 0 {
		return nil, err
	}
	return &list.Items[0], nil
}

// ignoreUnknown leaves out that something does not exist.
func ignoreUnknown(err error) error {
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	return err
}

// maxDetail is how much of an API server's message is kept.
const maxDetail = 300

// judge tells by its error what came of an attempt.
func judge(err error) (Outcome, string, error) {
	if err == nil {
		return Escaped, "", nil
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	if len(message) > maxDetail {
		message = strings.ToValidUTF8(message[:maxDetail], "") + "…"
	}
	var status apierrors.APIStatus
	switch {
	case meta.IsNoMatchError(err):
		return Untried, "the cluster does not know the kind", nil
	case !errors.As(err, &status):
		return "", "", err // no answer of the API server's
	case strings.Contains(err.Error(), " denied the request"):
		return Held, message, nil
	case strings.Contains(err.Error(), "violates PodSecurity"):
		return Held, "Pod Security Admission", nil
	case apierrors.IsForbidden(err) && (strings.Contains(err.Error(), " cannot ") || strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held")):
		return Held, "RBAC", nil
	}
	return Unclear, message, nil
}

// power is something that no tenant's account may do.
type power struct {
	id, title string
	authorizationv1.ResourceAttributes
}

func powers(t attacks.Tenant) []power {
	attributes := func(verb, group, resource, namespace string) authorizationv1.ResourceAttributes {
		resource, subresource, _ := strings.Cut(resource, "/")
		return authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Subresource: subresource, Namespace: namespace}
	}
	return []power{
		{"may-read-foreign-secrets", "It reads secrets of somebody else", attributes("get", "", "secrets", t.Foreign)},
		{"may-list-all-secrets", "It lists the secrets of all namespaces", attributes("list", "", "secrets", "")},
		{"may-make-foreign-pods", "It makes pods in a namespace of somebody else", attributes("create", "", "pods", t.Foreign)},
		{"may-enter-foreign-pods", "It enters pods of somebody else", attributes("create", "", "pods/exec", t.Foreign)},
		{"may-take-foreign-tokens", "It makes tokens of accounts of somebody else", attributes("create", "", "serviceaccounts/token", t.Foreign)},
		{"may-make-namespaces", "It makes namespaces", attributes("create", "", "namespaces", "")},
		{"may-change-foreign-namespaces", "It changes a namespace of somebody else", attributes("patch", "", "namespaces", t.Foreign)},
		{"may-change-nodes", "It changes nodes", attributes("patch", "", "nodes", "")},
		{"may-reach-kubelets", "It reaches the API of kubelets", attributes("get", "", "nodes/proxy", "")},
		{"may-bind-cluster-roles", "It makes ClusterRoleBindings", attributes("create", "rbac.authorization.k8s.io", "clusterrolebindings", "")},
		{"may-change-cluster-roles", "It changes ClusterRoles", attributes("update", "rbac.authorization.k8s.io", "clusterroles", "")},
		{"may-impersonate-users", "It impersonates users", attributes("impersonate", "", "users", "")},
		{"may-change-policies", "It changes policies", attributes("update", "pac.weave.works", "policies", "")},
		{"may-make-exceptions", "It makes exceptions from policies", attributes("create", "pac.weave.works", "policyexceptions", "")},
		{"may-make-webhooks", "It registers webhooks", attributes("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "")},
		{"may-sign-certificates", "It approves certificates", attributes("update", "certificates.k8s.io", "certificatesigningrequests/approval", "")},
	}
}

// review asks the API server whether the account has the power.
func (c *Cluster) review(ctx context.Context, user string, groups []string, p power) (Outcome, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: groups, ResourceAttributes: &p.ResourceAttributes,
	}}
	if err := c.client.Create(ctx, review); err != nil {
		return "", err
	}
	if review.Status.Allowed {
		return Escaped, nil
	}
	return Held, nil
}
