package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/policy"
)

// clusterObjects are what the hub's cluster holds: a workspace of the tenant and a foreign one, and policies. That the API server answers alike is
// tried on a real one, in e2e.
func clusterObjects(t testing.TB) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v2.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	called := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now().Add(-time.Hour))}
	}
	in := func(namespace, name string) metav1.ObjectMeta {
		meta := called(name)
		meta.Namespace = namespace
		return meta
	}
	of := func(tenant, name string) metav1.ObjectMeta {
		meta := called(name)
		meta.Labels = map[string]string{policy.TenantLabel: tenant}
		return meta
	}
	ready := func(status metav1.ConditionStatus, message string) []metav1.Condition {
		return []metav1.Condition{{Type: "Ready", Status: status, Message: message}}
	}
	no := false
	expires := metav1.NewTime(now().Add(-time.Minute))
	all := []client.Object{
		&v2.Policy{ObjectMeta: called("shop.replicas"), Spec: v2.PolicySpec{
			ID: "shop.replicas", Name: "Replicas", Description: "Two are better.", HowToSolve: "Set it.", Category: "reliability", Severity: v2.SeverityHigh,
			Code: "package p", Tags: []string{"a"}, Enforce: &no, Targets: v2.PolicyTargets{Kinds: []string{"Deployment"}, Labels: []map[string]string{{"app": "*"}}},
			Standards:  []v2.PolicyStandard{{ID: "soc2", Controls: []string{"soc2.1", "soc2.1"}}},
			Parameters: []v2.PolicyParameter{{Name: "count", Type: "integer", Value: &apiextensionsv1.JSON{Raw: []byte("2")}}, {Name: "none", Type: "string"}},
		}, Status: v2.PolicyStatus{Modes: []string{"audit"}, Conditions: ready(metav1.ConditionTrue, "compiled")}},
		&v2.Policy{ObjectMeta: called("shop.sources"), Spec: v2.PolicySpec{
			ID: "tenancy.sources", Name: "Sources", Category: "tenancy", Severity: v2.SeverityMedium, Targets: v2.PolicyTargets{Namespaces: []string{"shop"}},
			CEL: &v2.CELRule{Validations: []v2.CELValidation{{Expression: "true"}}}, Standards: []v2.PolicyStandard{{ID: "soc2", Controls: []string{"soc2.2"}}},
		}, Status: v2.PolicyStatus{Conditions: ready(metav1.ConditionFalse, "it does not compile")}},
		&v2.Policy{ObjectMeta: of(foreign+"-team", foreign), Spec: v2.PolicySpec{ID: foreign, Severity: v2.SeverityLow}},
		&v2.PolicySet{ObjectMeta: called("audit"), Spec: v2.PolicySetSpec{Name: "Audit", Mode: v2.ModeAudit, Filters: v2.PolicySetFilters{Severities: []string{"high"}}}, Status: v2.PolicySetStatus{Policies: 1}},
		&v2.PolicyConfig{ObjectMeta: called("shop"), Spec: v2.PolicyConfigSpec{
			Match: v2.PolicyConfigTarget{Workspaces: []string{"shop-team"}},
			Config: map[string]v2.PolicyConfigConfig{
				"shop.replicas": {Parameters: map[string]apiextensionsv1.JSON{"count": {Raw: []byte("3")}}}, "gone": {Parameters: map[string]apiextensionsv1.JSON{}},
			},
		}, Status: v2.PolicyConfigStatus{Status: "Warning", MissingPolicies: []string{"gone"}}},
		&v2.PolicyException{ObjectMeta: called("later"), Spec: v2.PolicyExceptionSpec{
			Policies: []string{"shop.replicas"}, Reason: "soon", Expires: &expires, Match: v2.PolicyExceptionMatch{Namespaces: []string{"shop"}},
		}},
		&corev1.Namespace{ObjectMeta: of("shop-team", "shop")},
		&corev1.Namespace{ObjectMeta: of("shop-team", foreign+"-ns")},
		&corev1.Namespace{ObjectMeta: of(foreign+"-team", foreign+"-other")},
		&corev1.Namespace{ObjectMeta: called("default")},
		&corev1.ServiceAccount{ObjectMeta: in("shop", "flux")},
		&corev1.ServiceAccount{ObjectMeta: in(foreign+"-ns", foreign)},
		&corev1.ServiceAccount{ObjectMeta: in(foreign+"-other", foreign)},
		&rbacv1.Role{ObjectMeta: in("shop", "team"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"*"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{ObjectMeta: in("shop", "team"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "team"}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "flux", Namespace: "shop"}}},
		&corev1.ResourceQuota{ObjectMeta: in("shop", "quota"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("10")}}},
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(all...).Build()
}

func TestPoliciesAreListedFilteredAndPaged(t *testing.T) {
	b := newBed(t)
	for query, want := range map[string][]string{
		"":                                 {"shop.replicas", "tenancy.sources", foreign},
		"severity=high&severity=low":       {"shop.replicas", foreign},
		"category=tenancy":                 {"tenancy.sources"},
		"standard=soc2":                    {"shop.replicas", "tenancy.sources"},
		"tag=a":                            {"shop.replicas"},
		"kind=Deployment":                  {"shop.replicas", "tenancy.sources", foreign},
		"kind=Pod":                         {"tenancy.sources", foreign},
		"mode=audit":                       {"shop.replicas"},
		"workspace=" + foreign + "-team":   {foreign},
		"enforced=false":                   {"shop.replicas"},
		"text=TWO":                         {"shop.replicas"},
		"clusterName=here&severity=medium": {"tenancy.sources"},
	} {
		got := ask[Policies](t, b, platform, "/v1/policies?"+query)
		var ids []string
		for _, p := range got.Policies {
			ids = append(ids, p.ID)
			if p.Code != "" || p.CEL != nil {
				t.Errorf("%s: the list has the rule of %s", query, p.ID)
			}
		}
		if !slices.Equal(ids, want) || got.Total != len(want) || got.NextPageToken != "" {
			t.Errorf("%s: got %v of %d, want %v", query, ids, got.Total, want)
		}
	}
	for _, paging := range [][2]string{{"limit", "cursor"}, {"pagination.pageSize", "pagination.pageToken"}} {
		var ids []string
		token := ""
		for range 5 {
			got := ask[Policies](t, b, platform, "/v1/policies?"+paging[0]+"=1&"+paging[1]+"="+token)
			if len(got.Policies) != 1 || got.Total != 3 {
				t.Fatalf("got %+v", got)
			}
			ids = append(ids, got.Policies[0].ID)
			if token = got.NextPageToken; token == "" {
				break
			}
		}
		if !slices.Equal(ids, []string{"shop.replicas", "tenancy.sources", foreign}) {
			t.Errorf("%v: got %v", paging, ids)
		}
	}
	if got := b.get(t, platform, "/v1/policies?cursor=%25%25"); got.status != http.StatusBadRequest || !strings.Contains(got.problem(t), "cursor") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := b.get(t, platform, "/v1/policies?clusterName=there"); got.status != http.StatusNotFound || !strings.Contains(got.problem(t), "its own cluster, here") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestAPolicyIsShownWhole(t *testing.T) {
	b := newBed(t)
	p := ask[OnePolicy](t, b, platform, "/v1/policies/shop.replicas").Policy
	if p.Code != "package p" || p.Language != "rego" || p.Enforce || p.FailurePolicy != "Fail" || p.State != (State{"True", "compiled"}) || p.Provider != "kubernetes" {
		t.Errorf("got %+v", p)
	}
	if len(p.Parameters) != 2 || p.Parameters[0].Value != 2.0 || p.Parameters[1].Value != nil || p.Targets.Labels[0].Values["app"] != "*" {
		t.Errorf("got %+v", p)
	}
	for _, name := range []string{"shop.sources", "tenancy.sources"} {
		if p := ask[OnePolicy](t, b, platform, "/v1/policies/"+name).Policy; p.ObjectName != "shop.sources" || p.CEL == nil || p.Language != "cel" || p.State.Ready != "False" {
			t.Errorf("%s: got %+v", name, p)
		}
	}
	if got := b.get(t, platform, "/v1/policies/none"); got.status != http.StatusNotFound || !strings.Contains(got.problem(t), "policy none not found in cluster here") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestSetsConfigsAndExceptionsAreShown(t *testing.T) {
	b := newBed(t)
	if got := ask[PolicySets](t, b, platform, "/v1/policy-sets"); got.Total != 1 || got.PolicySets[0].Mode != "audit" || got.PolicySets[0].Policies != 1 || got.PolicySets[0].State.Ready != "Unknown" {
		t.Errorf("got %+v", got)
	}
	if got := ask[PolicyConfigs](t, b, platform, "/v1/policy-configs"); got.Total != 1 || got.PolicyConfigs[0].Match != "workspaces" || got.PolicyConfigs[0].Status != "Warning" || got.PolicyConfigs[0].TotalPolicies != 2 {
		t.Errorf("got %+v", got)
	}
	config := ask[OnePolicyConfig](t, b, platform, "/v1/policy-configs/shop")
	if config.MatchType != "workspaces" || !slices.Equal(config.Match.Workspaces, []string{"shop-team"}) || len(config.Policies) != 2 {
		t.Fatalf("got %+v", config)
	}
	if gone, known := config.Policies[0], config.Policies[1]; gone.Status != "Warning" || known.Status != "OK" || known.Name != "Replicas" || known.Parameters["count"] != 3.0 || known.Defaults["count"] != 2.0 || len(gone.Defaults) != 0 {
		t.Errorf("got %+v", config.Policies)
	}
	if got := ask[Exceptions](t, b, platform, "/v1/exceptions"); got.Total != 1 || !got.Exceptions[0].Expired || got.Exceptions[0].Reason != "soon" {
		t.Errorf("got %+v", got)
	}
}

func TestStandardsTellTheirCoverage(t *testing.T) {
	b := newBed(t)
	b.seed(t)
	got := ask[Standards](t, b, platform, "/v1/standards").Standards
	if len(got) != 1 || got[0].ID != "soc2" || len(got[0].Policies) != 2 || got[0].InForce != 1 || got[0].Open == nil || len(got[0].Controls) != 2 {
		t.Fatalf("got %+v", got)
	}
	if first := got[0].Controls[0]; first.ID != "soc2.1" || !slices.Equal(first.Policies, []string{"shop.replicas"}) || first.InForce != 1 {
		t.Errorf("got %+v", first)
	}
	two := 2
	for _, c := range coverage([]v2.Policy{{Spec: v2.PolicySpec{ID: "p", Standards: []v2.PolicyStandard{{ID: "s"}}}}}, map[string]int{"p": two}) {
		if *c.Open != two {
			t.Errorf("got %+v", c)
		}
	}
}

func TestATenantSeesItsPartOfAWorkspace(t *testing.T) {
	b := newBed(t)
	b.seed(t)
	if got := ask[Workspaces](t, b, tenant, "/v1/workspaces"); got.Total != 1 || got.Workspaces[0].Name != "shop-team" || !slices.Equal(got.Workspaces[0].Namespaces, []string{"shop"}) || got.Workspaces[0].Open == nil {
		t.Errorf("got %+v", got)
	}
	if got := ask[Workspaces](t, b, platform, "/v1/workspaces"); got.Total != 2 || len(got.Workspaces[0].Namespaces) != 2 {
		t.Errorf("got %+v", got)
	}
	if got := ask[OneWorkspace](t, b, tenant, "/v1/workspaces/shop-team"); len(got.Quotas) != 1 || got.Quotas[0].Hard["pods"] != "10" {
		t.Errorf("got %+v", got)
	}
	accounts := ask[InWorkspace[WorkspaceObject]](t, b, tenant, "/v1/workspaces/shop-team/serviceaccounts")
	if len(accounts.Objects) != 1 || accounts.Objects[0].Name != "flux" || !strings.Contains(accounts.Objects[0].Manifest, "apiVersion: v1\n") {
		t.Errorf("got %+v", accounts)
	}
	roles := ask[InWorkspace[WorkspaceRole]](t, b, tenant, "/v1/workspaces/shop-team/roles")
	if len(roles.Objects) != 1 || roles.Objects[0].Rules[0].Groups[0] != "apps" {
		t.Errorf("got %+v", roles)
	}
	bindings := ask[InWorkspace[WorkspaceRoleBinding]](t, b, tenant, "/v1/workspaces/shop-team/rolebindings")
	if len(bindings.Objects) != 1 || bindings.Objects[0].Role.Name != "team" || bindings.Objects[0].Subjects[0].Name != "flux" {
		t.Errorf("got %+v", bindings)
	}
	policies := ask[InWorkspace[WorkspacePolicy]](t, b, tenant, "/v1/workspaces/shop-team/policies")
	if len(policies.Objects) != 1 || policies.Objects[0].ID != "tenancy.sources" {
		t.Errorf("got %+v", policies)
	}
}

// A cluster that cannot be read is said to be so, beside what was known of it; one without policies is no failure.
func TestAClusterThatCannotBeReadIsSaid(t *testing.T) {
	var fails error
	failing := interceptor.NewClient(clusterObjects(t), interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if fails != nil {
			return fails
		}
		return c.List(ctx, list, options...)
	}})
	clock := now()
	b := newBed(t, func(o *Options) { o.Live = live.New("here", failing, func() time.Time { return clock }) })
	fails = errors.New("the secret address of etcd does not answer")
	if got := b.get(t, platform, "/v1/policies"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "secret") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	fails, clock = nil, clock.Add(time.Minute)
	if got := ask[Policies](t, b, platform, "/v1/policies"); got.Total != 3 || len(got.Errors) != 0 {
		t.Errorf("got %+v", got)
	}
	fails, clock = errors.New("the secret address of etcd does not answer"), clock.Add(time.Minute)
	got := ask[Policies](t, b, platform, "/v1/policies")
	if got.Total != 3 || len(got.Errors) != 1 || got.Errors[0].ClusterName != "here" {
		t.Errorf("got %+v", got)
	}
	if content, err := json.Marshal(got.Errors); err != nil || strings.Contains(string(content), "secret") {
		t.Errorf("%s %v", content, err)
	}
	fails = &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: v2.Group, Kind: "PolicySet"}}
	if got := ask[PolicySets](t, b, platform, "/v1/policy-sets"); got.Total != 0 || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, "not installed") {
		t.Errorf("got %+v", got)
	}
}
