package registration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// discovered is a cluster that answers with what it is told to.
type discovered struct {
	discovery.ServerResourcesInterface
	lists []*metav1.APIResourceList
	err   error
}

func (d *discovered) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	return nil, slices.Clone(d.lists), d.err
}

type registered struct {
	t         *testing.T
	client    client.WithWatch
	discovery *discovered
	writes    int
	refuse    error // of writes
	bundle    []byte
	o         Options
}

func newRegistered(t *testing.T) *registered {
	r := &registered{t: t, discovery: &discovered{lists: cluster}, bundle: []byte("first")}
	count := func() error {
		r.writes++
		return r.refuse
	}
	r.client = interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.Apply(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.Update(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if err := count(); err != nil {
				return err
			}
			return c.Delete(ctx, o, opts...)
		},
	})
	r.o = options()
	r.o.Client, r.o.Discovery = r.client, r.discovery
	r.o.CABundle = func() []byte { return r.bundle }
	r.o.Labels = map[string]string{"app.kubernetes.io/part-of": "assay"}
	r.o.OwnerRef = &metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "policy-agent", UID: "1"}
	return r
}

// sync demands that it writes so many times, and not again when it is repeated.
func (r *registered) sync(registrar *Registrar, writes int, acting ...*v2.Policy) State {
	r.t.Helper()
	r.writes = 0
	state, err := registrar.Sync(r.t.Context(), acting)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.writes != writes || state.Changed != (writes > 0) {
		r.t.Errorf("%d writes, changed %t; want %d writes", r.writes, state.Changed, writes)
	}
	again, err := registrar.Sync(r.t.Context(), acting)
	if err != nil {
		r.t.Fatal(err)
	}
	if again.Changed || r.writes != writes {
		r.t.Error("it is written again though nothing has changed")
	}
	return state
}

func (r *registered) validating() *admissionregistrationv1.ValidatingWebhookConfiguration {
	r.t.Helper()
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := r.client.Get(r.t.Context(), client.ObjectKey{Name: "policy-agent"}, c); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *registered) mutating() bool {
	r.t.Helper()
	err := r.client.Get(r.t.Context(), client.ObjectKey{Name: "policy-agent"}, &admissionregistrationv1.MutatingWebhookConfiguration{})
	if client.IgnoreNotFound(err) != nil {
		r.t.Fatal(err)
	}
	return err == nil
}

func (r *registered) rules(webhook string) string {
	r.t.Helper()
	for _, w := range r.validating().Webhooks {
		if w.Name == webhook {
			return written(w.Rules)
		}
	}
	return ""
}

func TestTheRegistrationFollowsPoliciesAndIsWrittenOnlyWhenItChanges(t *testing.T) {
	r := newRegistered(t)
	registrar := New(r.o)
	pods, services := target("a", v2.PolicyTargets{Kinds: []string{"Pod"}}, mutate), target("b", v2.PolicyTargets{Kinds: []string{"Service"}}, ignore)
	state := r.sync(registrar, 2, pods)
	if state.Resources != 1 || string(state.CABundle) != "first" || !r.mutating() {
		t.Errorf("state %+v, mutating %t", state, r.mutating())
	}
	r.sync(registrar, 1, pods, services)
	if got := r.rules(webhookIgnore); got != "CREATE+UPDATE /services; CREATE+UPDATE serving.knative.dev/services" {
		t.Errorf("rules: %s", got)
	}
	r.sync(registrar, 2, services)
	if r.mutating() || r.rules(webhookFail) != "" {
		t.Error("what no policy wants is still registered")
	}
	r.bundle = []byte("second")
	if state := r.sync(registrar, 1, services); string(state.CABundle) != "second" {
		t.Errorf("bundle %s", state.CABundle)
	}
	r.sync(New(r.o), 0, services) // another leader
	r.o.OwnerRef.UID = "2"        // the chart was installed again
	r.sync(New(r.o), 1, services)
	if owners := r.validating().OwnerReferences; len(owners) != 1 || owners[0].UID != "2" {
		t.Errorf("owners: %v", owners)
	}
	if err := registrar.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Get(t.Context(), client.ObjectKey{Name: "policy-agent"}, &admissionregistrationv1.ValidatingWebhookConfiguration{}); !apierrors.IsNotFound(err) {
		t.Errorf("after Remove: %v", err)
	}
	if err := registrar.Remove(t.Context()); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

func TestWhatSomebodyElseChangesIsPutRight(t *testing.T) {
	pods := target("a", v2.PolicyTargets{Kinds: []string{"Pod"}})
	tests := map[string]struct {
		change func(c *admissionregistrationv1.ValidatingWebhookConfiguration)
		writes int
	}{
		"a failure policy": {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			*c.Webhooks[0].FailurePolicy = admissionregistrationv1.Ignore
		}, 1},
		"rules": {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Webhooks[0].Rules = nil }, 1},
		"the bundle": {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			c.Webhooks[0].ClientConfig.CABundle = []byte("x")
		}, 1},
		"conditions":  {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Webhooks[0].MatchConditions = nil }, 1},
		"a webhook":   {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Webhooks = c.Webhooks[1:] }, 1},
		"the owner":   {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.OwnerReferences = nil }, 1},
		"the labels":  {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { c.Labels = nil }, 1},
		"their order": {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) { slices.Reverse(c.Webhooks) }, 0},
		"a label of somebody else's": {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			c.Labels["team"] = "x"
		}, 0},
		"a webhook that an old chart left": {func(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
			old := c.Webhooks[0].DeepCopy()
			old.Name = "policyconfigs.pac.weave.works"
			c.Webhooks = append(c.Webhooks, *old)
		}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRegistered(t)
			registrar := New(r.o)
			r.sync(registrar, 1, pods)
			before := r.validating()
			changed := before.DeepCopy()
			test.change(changed)
			if err := r.client.Update(t.Context(), changed, client.FieldOwner("somebody")); err != nil {
				t.Fatal(err)
			}
			r.sync(registrar, test.writes, pods)
			after := r.validating()
			if len(after.Webhooks) != 2 || *after.Webhooks[slices.IndexFunc(after.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == webhookFail })].FailurePolicy != admissionregistrationv1.Fail {
				t.Errorf("webhooks: %+v", after.Webhooks)
			}
		})
	}
}

func TestABundleThatIsInjectedStays(t *testing.T) {
	r := newRegistered(t)
	r.o.CABundle, r.o.InjectFrom = nil, "policy-system/agent-certificate"
	registrar := New(r.o)
	pods, services := target("a", v2.PolicyTargets{Kinds: []string{"Pod"}}), target("b", v2.PolicyTargets{Kinds: []string{"Service"}})
	if state := r.sync(registrar, 1, pods); state.CABundle != nil {
		t.Errorf("bundle %s", state.CABundle)
	}
	injected := r.validating()
	for i := range injected.Webhooks {
		injected.Webhooks[i].ClientConfig.CABundle = []byte("injected")
	}
	if err := r.client.Update(t.Context(), injected, client.FieldOwner("cainjector")); err != nil {
		t.Fatal(err)
	}
	r.sync(registrar, 0, pods)
	r.sync(registrar, 1, services)
	for _, w := range r.validating().Webhooks {
		if string(w.ClientConfig.CABundle) != "injected" {
			t.Errorf("%s: the injected bundle is gone", w.Name)
		}
	}
}

func TestAGroupThatCannotBeDiscoveredStaysRegistered(t *testing.T) {
	r := newRegistered(t)
	registrar := New(r.o)
	services := target("a", v2.PolicyTargets{Kinds: []string{"Service", "Rollout"}})
	r.sync(registrar, 1, services)

	knative := schema.GroupVersion{Group: "serving.knative.dev", Version: "v1"}
	never := schema.GroupVersion{Group: "never.example.com", Version: "v1"}
	r.discovery.lists = slices.DeleteFunc(slices.Clone(cluster), func(l *metav1.APIResourceList) bool { return l.GroupVersion == knative.String() })
	r.discovery.err = &discovery.ErrGroupDiscoveryFailed{Groups: map[schema.GroupVersion]error{knative: errors.New("503"), never: errors.New("503")}}
	for range 3 {
		state := r.sync(registrar, 0, services)
		if want := []string{"never.example.com/v1", "serving.knative.dev/v1"}; !slices.Equal(state.FailedGroups, want) {
			t.Errorf("failed groups %q", state.FailedGroups)
		}
		if want := []UnknownTarget{{PolicyID: "a", Kind: "Rollout"}}; !slices.Equal(state.Unknown, want) {
			t.Errorf("unknown %v", state.Unknown)
		}
	}

	r.discovery.err = nil // it answers no more because it is gone
	r.sync(registrar, 1, services)
	if got := r.rules(webhookFail); got != "CREATE+UPDATE /services" {
		t.Errorf("rules: %s", got)
	}

	r.discovery.lists = append(r.discovery.lists, &metav1.APIResourceList{GroupVersion: "argoproj.io/v1", APIResources: []metav1.APIResource{{Name: "rollouts", Kind: "Rollout", Verbs: all}}})
	if state := r.sync(registrar, 1, services); len(state.Unknown) != 0 || state.Resources != 2 {
		t.Errorf("after the CRD came: %+v", state)
	}
}

func TestWhatFailsLeavesTheRegistrationAsItIs(t *testing.T) {
	pods, services := target("a", v2.PolicyTargets{Kinds: []string{"Pod"}}), target("b", v2.PolicyTargets{Kinds: []string{"Service"}})
	tests := map[string]struct {
		breakIt func(r *registered)
		want    string
	}{
		"discovery": {func(r *registered) { r.discovery.lists, r.discovery.err = nil, errors.New("connection refused") },
			"discovering the resources of the cluster: connection refused"},
		"writing": {func(r *registered) { r.refuse = errors.New("forbidden") },
			"applying the ValidatingWebhookConfiguration policy-agent: forbidden"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRegistered(t)
			registrar := New(r.o)
			r.sync(registrar, 1, pods)
			test.breakIt(r)
			if _, err := registrar.Sync(t.Context(), []*v2.Policy{services}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if got := r.rules(webhookFail); got != "CREATE+UPDATE /pods" {
				t.Errorf("rules: %s", got)
			}
		})
	}
}

func TestTargetsInVainAreSentences(t *testing.T) {
	for want, u := range map[string]UnknownTarget{
		"policy p targets Rollout: in the API groups that it targets, the cluster has no such kind that can be written":                                           {PolicyID: "p", Kind: "Rollout"},
		"policy p targets Lease, which always passes admission so that the cluster can be repaired":                                                               {PolicyID: "p", Kind: "Lease", Exempt: true},
		"policy p targets the subresource scale, which none of its kinds has: kinds must name the kind that is sent for the subresource, such as Scale for scale": {PolicyID: "p", Subresource: "scale"},
	} {
		if got := u.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
