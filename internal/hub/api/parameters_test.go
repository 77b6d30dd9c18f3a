package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/hub/auth/authtest"
	"github.com/assay-gitops/assay/internal/hub/live"
	"github.com/assay-gitops/assay/internal/hub/store"
)

// configured is a cluster with a Pod that Flux applied, and configs that match it by its application and its name.
func configured(t *testing.T) client.WithWatch {
	t.Helper()
	cluster := clusterObjects(t)
	config := func(name, count string, match v2.PolicyConfigTarget) *v2.PolicyConfig {
		return &v2.PolicyConfig{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v2.PolicyConfigSpec{Match: match, Config: map[string]v2.PolicyConfigConfig{
			"shop.replicas": {Parameters: map[string]apiextensionsv1.JSON{"count": {Raw: []byte(count)}}},
		}}}
	}
	for _, o := range []client.Object{
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{
			"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
		}}},
		config("apps", "4", v2.PolicyConfigTarget{Applications: []v2.PolicyTargetApplication{{Kind: "Kustomization", Name: "apps", Namespace: "flux-system"}}}),
		config("web", "5", v2.PolicyConfigTarget{Resources: []v2.PolicyTargetResource{{Kind: "Pod", Name: "web"}}}),
	} {
		if err := cluster.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return cluster
}

func TestParametersInEffectAreToldWithWhoSetThem(t *testing.T) {
	var fails error
	cluster := interceptor.NewClient(configured(t), interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
		if fails != nil {
			return fails
		}
		return c.Get(ctx, key, o, options...)
	}})
	b := newBed(t, func(o *Options) { o.Live = live.New("here", cluster, now) })
	const replicas = "/v1/parameters?policy=shop.replicas&kind=Pod&apiVersion=v1"
	got := ask[EffectiveParameters](t, b, platform, replicas+"&namespace=shop&name=web")
	count := got.Policies[0].Parameters[0]
	want := []ParameterSetting{{"shop", "workspace", 3.0}, {"apps", "appInNamespace", 4.0}, {"web", "resource", 5.0}}
	if count.Name != "count" || count.Value != 5.0 || count.ConfigRef != "web" || count.Default != 2.0 || !reflect.DeepEqual(count.SetBy, want) {
		t.Errorf("got %+v", count)
	}
	if none := got.Policies[0].Parameters[1]; none.Name != "none" || none.Value != nil || none.ConfigRef != "" || len(none.SetBy) != 0 {
		t.Errorf("got %+v", none)
	}
	if got.Workspace != "shop-team" || got.App != "Kustomization/flux-system/apps" || got.Exists == nil || !*got.Exists || len(got.Configs) != 3 ||
		got.Configs[0] != (MatchingConfig{"shop", "workspace"}) || got.Total != 1 || len(got.Errors) != 0 || got.Policies[0].Targeted {
		t.Errorf("got %+v", got)
	}
	for question, want := range map[string]any{
		"":                              2.0,
		"&namespace=shop":               3.0,
		"&namespace=shop&name=api":      3.0,
		"&namespace=shop&workspace=red": 2.0,
		"&namespace=new&name=new&app=Kustomization/flux-system/apps": 4.0,
		"&app=HelmRelease/flux-system/apps":                          2.0,
	} {
		got := ask[EffectiveParameters](t, b, platform, replicas+question)
		if len(got.Errors) != 0 || got.Policies[0].Parameters[0].Value != want {
			t.Errorf("%s: got %+v", question, got)
		}
	}
	if _, err := b.store.Declare(t.Context(), "there", now(), []store.Declared{{Kind: "Policy", Name: "p", Version: "1", Object: []byte(`{"kind":"Policy"}`)}}); err != nil {
		t.Fatal(err)
	}
	for path, note := range map[string]string{
		"/v1/parameters?kind=Pod&namespace=shop&clusterName=there": "give workspace and app",
	} {
		if got := ask[EffectiveParameters](t, b, platform, path); len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, note) || got.Workspace != "" {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	for _, c := range []struct {
		err  error
		note string
	}{
		{apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "web", nil), "the hub may not read objects of kind Pod"},
		{&meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "Pod"}, SearchedVersions: []string{"v1"}}, "the cluster knows no Pod of v1"},
		{apierrors.NewInternalError(http.ErrBodyNotAllowed), "could not be read"},
	} {
		fails = c.err
		got := ask[EffectiveParameters](t, b, platform, replicas+"&namespace=shop&name=web")
		if got.Exists != nil || got.App != "" || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, c.note) {
			t.Errorf("got %+v", got)
		}
	}
}

func TestWhatOfParametersCannotBeAnsweredIsSaid(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Live = live.New("here", configured(t), now) })
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"policy=gone":                        {http.StatusNotFound, "no policy gone"},
		"app=shop":                           {http.StatusUnprocessableEntity, "app"},
		"clusterName=there":                  {http.StatusNotFound, "there"},
		"cursor=%25%25":                      {http.StatusBadRequest, "cursor"},
		"polcy=shop":                         {http.StatusBadRequest, "policy"},
		"kind=Pod&name=web&apiVersion=a/b/c": {http.StatusUnprocessableEntity, "apiVersion"},
	} {
		if got := b.get(t, platform, "/v1/parameters?"+path); got.status != want.status || !strings.Contains(got.problem(t), want.text) {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	for path, note := range map[string]string{"kind=Pod&name=web&namespace=shop": "give its apiVersion"} {
		if got := ask[EffectiveParameters](t, b, platform, "/v1/parameters?"+path); len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, note) || got.Exists != nil {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	// Policies of a kind, as those of Deployments are of what is like one.
	for path, want := range map[string]int{"kind=Pod": 2, "kind=Deployment": 3, "kind=Deployment&apiVersion=apps/v1": 3, "kind=Rollout": 3, "kind=Rollout&apiVersion=argoproj.io/v1alpha1": 3, "": 3, "limit=1": 3} {
		if got := ask[EffectiveParameters](t, b, platform, "/v1/parameters?"+path); got.Total != want {
			t.Errorf("%s: got %+v", path, got)
		}
	}
}

// Labels of objects are for those who may see what is wrong with them.
func TestAnObjectIsLookedUpForWhoMaySeeItOnly(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Live = live.New("here", configured(t), now) })
	b.cluster.Allow(
		authtest.Grant{Name: "nobody", Resource: "policies", Verbs: []string{"list"}},
		authtest.Grant{Name: "tenant", Resource: "policyconfigs", Verbs: []string{"list"}},
	)
	const web = "/v1/parameters?policy=shop.replicas&kind=Pod&apiVersion=v1&namespace=shop&name=web"
	if got := b.get(t, tenant, web); got.status != http.StatusForbidden || !strings.Contains(got.problem(t), "list policies") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := b.get(t, nobody, web); got.status != http.StatusForbidden {
		t.Errorf("got %d %s", got.status, got.body)
	}
	b.cluster.Allow(
		authtest.Grant{Name: "nobody", Resource: "policies", Verbs: []string{"list"}},
		authtest.Grant{Name: "nobody", Resource: "policyconfigs", Verbs: []string{"list"}},
	)
	b.ahead.Store(int64(11 * time.Second))
	got := ask[EffectiveParameters](t, b, nobody, web)
	if got.Exists != nil || got.App != "" || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, "may not get violations") || got.Policies[0].Parameters[0].ConfigRef != "web" {
		t.Errorf("got %+v", got)
	}
}
