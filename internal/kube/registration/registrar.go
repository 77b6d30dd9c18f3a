package registration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// fieldManager owns what the agent writes.
const fieldManager = "assay-agent"

// State is what a Sync came to.
type State struct {
	// Resources is how many resources and subresources the rules of the webhooks name; one for all counts as one.
	Resources int
	// Unknown is what policies target in vain.
	Unknown []UnknownTarget
	// FailedGroups are the group/versions that could not be discovered, sorted. What was known of them stays registered.
	FailedGroups []string
	// CABundle is what the registration carries now; nil when somebody else writes it.
	CABundle []byte
	// Changed tells whether anything had to be written.
	Changed bool
}

// Registrar keeps the registration as it has to be. It is safe for concurrent use; one replica at a time should use one.
type Registrar struct {
	o Options

	mu sync.Mutex
	// known is what was last discovered of each group/version.
	known map[string]*metav1.APIResourceList
}

// New returns a registrar that has written nothing yet.
func New(o Options) *Registrar {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Registrar{o: o, known: map[string]*metav1.APIResourceList{}}
}

// Sync registers the webhooks for the policies that act at admission, and writes nothing when they are already. When it
// fails, what was registered stays.
func (r *Registrar) Sync(ctx context.Context, acting []*v2.Policy) (State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	resources, failed, err := r.discover(ctx)
	if err != nil {
		return State{}, err
	}
	state := State{FailedGroups: failed}
	// One bundle for all webhooks, and the one that State tells of.
	o := r.o
	if o.CABundle != nil {
		state.CABundle = o.CABundle()
		o.CABundle = func() []byte { return state.CABundle }
	}
	validating, mutating, unknown := Build(acting, resources, o)
	state.Unknown, state.Resources = unknown, count(validating, mutating)

	if state.Changed, err = r.apply(ctx, validating, "ValidatingWebhookConfiguration"); err != nil {
		return state, err
	}
	var changed bool
	if mutating == nil {
		changed, err = r.remove(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{}, "MutatingWebhookConfiguration")
	} else {
		changed, err = r.apply(ctx, mutating, "MutatingWebhookConfiguration")
	}
	state.Changed = state.Changed || changed
	return state, err
}

// Remove takes the registration away. Nothing calls the agent afterwards.
func (r *Registrar) Remove(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, validating := r.remove(ctx, &admissionregistrationv1.ValidatingWebhookConfiguration{}, "ValidatingWebhookConfiguration")
	_, mutating := r.remove(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{}, "MutatingWebhookConfiguration")
	return errors.Join(validating, mutating)
}

// discover returns the resources of the cluster. Where an API service does not answer, what it said before stands: its
// resources are not gone. One that never answered since the agent started has nothing that could be changed either.
func (r *Registrar) discover(ctx context.Context) (resources []*metav1.APIResourceList, failed []string, err error) {
	_, resources, err = discovery.ToServerResourcesInterfaceWithContext(r.o.Discovery).ServerGroupsAndResourcesWithContext(ctx)
	groups, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partly {
		return nil, nil, fmt.Errorf("discovering the resources of the cluster: %w", err)
	}
	known := make(map[string]*metav1.APIResourceList, len(resources))
	for _, list := range resources {
		known[list.GroupVersion] = list
	}
	for gv := range groups {
		name := gv.String()
		failed = append(failed, name)
		if before, ok := r.known[name]; ok && known[name] == nil {
			known[name] = before
			resources = append(resources, before)
		}
	}
	r.known = known
	slices.Sort(failed)
	if len(failed) > 0 {
		r.o.Logger.WarnContext(ctx, "some API groups cannot be discovered; what was known of them stays registered", "groups", failed, "error", err)
	}
	return resources, failed, nil
}

// apply writes the configuration when it differs from what there is.
func (r *Registrar) apply(ctx context.Context, wanted client.Object, kind string) (changed bool, err error) {
	fields, err := fieldsOf(wanted, kind)
	if err != nil {
		return false, err
	}
	there := emptyLike(wanted)
	switch err := r.o.Client.Get(ctx, client.ObjectKeyFromObject(wanted), there); {
	case apierrors.IsNotFound(err):
	case err != nil:
		return false, fmt.Errorf("reading the %s %s: %w", kind, r.o.Name, err)
	default:
		current, err := fieldsOf(there, kind)
		if err != nil {
			return false, err
		}
		if satisfied(fields, current) {
			return false, nil
		}
	}
	names := webhookNames(fields)
	if err := r.o.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(fields), client.FieldOwner(fieldManager), client.ForceOwnership); err != nil {
		return false, fmt.Errorf("applying the %s %s: %w", kind, r.o.Name, err)
	}
	return true, r.removeStrangers(ctx, fields, names, kind)
}

// removeStrangers takes webhooks out that somebody else put into the agent's configuration. Those that an old agent's chart
// left there would call paths that nobody serves, and fail.
func (r *Registrar) removeStrangers(ctx context.Context, applied *unstructured.Unstructured, names []string, kind string) error {
	webhooks, _, err := unstructured.NestedSlice(applied.Object, "webhooks")
	if err != nil {
		return fmt.Errorf("reading the %s %s: %w", kind, r.o.Name, err)
	}
	ours := slices.DeleteFunc(slices.Clone(webhooks), func(w any) bool { return !slices.Contains(names, nameOf(w)) })
	if len(ours) == len(webhooks) {
		return nil
	}
	if err := unstructured.SetNestedSlice(applied.Object, ours, "webhooks"); err != nil {
		return err
	}
	if err := r.o.Client.Update(ctx, applied, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("removing what is not the agent's from the %s %s: %w", kind, r.o.Name, err)
	}
	return nil
}

// remove deletes the configuration, if there is one.
func (r *Registrar) remove(ctx context.Context, like client.Object, kind string) (removed bool, err error) {
	switch err := r.o.Client.Get(ctx, client.ObjectKey{Name: r.o.Name}, like); {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the %s %s: %w", kind, r.o.Name, err)
	}
	if err := r.o.Client.Delete(ctx, like); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("removing the %s %s: %w", kind, r.o.Name, err)
	}
	return true, nil
}

func emptyLike(o client.Object) client.Object {
	return reflect.New(reflect.TypeOf(o).Elem()).Interface().(client.Object)
}

// fieldsOf a configuration, as they are to be applied: only those that are set.
func fieldsOf(o client.Object, kind string) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("converting the %s %s: %w", kind, o.GetName(), err)
	}
	fields := &unstructured.Unstructured{Object: content}
	fields.SetAPIVersion(admissionregistrationv1.SchemeGroupVersion.String())
	fields.SetKind(kind)
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	return fields, nil
}

// satisfied tells whether applying wanted would change nothing. What others add to the metadata and what they write into
// caBundle, where the agent writes nothing, is theirs.
func satisfied(wanted, current *unstructured.Unstructured) bool {
	for key, value := range wanted.GetLabels() {
		if got, ok := current.GetLabels()[key]; !ok || got != value {
			return false
		}
	}
	for key, value := range wanted.GetAnnotations() {
		if got, ok := current.GetAnnotations()[key]; !ok || got != value {
			return false
		}
	}
	for _, owner := range wanted.GetOwnerReferences() {
		if !slices.ContainsFunc(current.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return reflect.DeepEqual(o, owner) }) {
			return false
		}
	}
	want, got := webhooksByName(wanted), webhooksByName(current)
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		wantConfig, _ := want[i]["clientConfig"].(map[string]any)
		gotConfig, _ := got[i]["clientConfig"].(map[string]any)
		if _, ours := wantConfig["caBundle"]; !ours {
			delete(gotConfig, "caBundle")
		}
		if !reflect.DeepEqual(want[i], got[i]) {
			return false
		}
	}
	return true
}

// webhooksByName are the webhooks of a configuration, sorted by name. They are not copies.
func webhooksByName(configuration *unstructured.Unstructured) []map[string]any {
	all, _ := configuration.Object["webhooks"].([]any)
	webhooks := make([]map[string]any, 0, len(all))
	for _, w := range all {
		if w, ok := w.(map[string]any); ok {
			webhooks = append(webhooks, w)
		}
	}
	slices.SortFunc(webhooks, func(a, b map[string]any) int { return cmp.Compare(nameOf(a), nameOf(b)) })
	return webhooks
}

func webhookNames(configuration *unstructured.Unstructured) []string {
	var names []string
	for _, w := range webhooksByName(configuration) {
		names = append(names, nameOf(w))
	}
	return names
}

func nameOf(webhook any) string {
	fields, _ := webhook.(map[string]any)
	name, _ := fields["name"].(string)
	return name
}

// count is how many resources the rules for policies name, each once.
func count(validating *admissionregistrationv1.ValidatingWebhookConfiguration, mutating *admissionregistrationv1.MutatingWebhookConfiguration) int {
	all := map[[2]string]bool{}
	add := func(rules []admissionregistrationv1.RuleWithOperations) {
		for _, rule := range rules {
			for _, name := range rule.Resources {
				all[[2]string{rule.APIGroups[0], name}] = true
			}
		}
	}
	for _, w := range validating.Webhooks {
		if w.Name != webhookPolicies {
			add(w.Rules)
		}
	}
	if mutating != nil {
		for _, w := range mutating.Webhooks {
			add(w.Rules)
		}
	}
	return len(all)
}
