package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/audit"
	"github.com/assay-gitops/assay/internal/kube/kubetest"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/policy"
)

// deadline bounds what tests wait for: it says that something will not happen, never that it was slow.
const deadline = 2 * time.Minute

// bed is a cluster.
type bed struct {
	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newBed(t *testing.T) *bed {
	t.Helper()
	config := kubetest.Config(t)
	return &bed{
		config: config, client: must(kubernetes.NewForConfig(config))(t), dynamic: must(dynamic.NewForConfig(config))(t),
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(must(discovery.NewDiscoveryClientForConfig(config))(t))),
	}
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// each calls f for each object of a manifest, with where it is.
func (b *bed) each(manifest string, f func(api dynamic.ResourceInterface, o *unstructured.Unstructured) error) error {
	for _, document := range strings.Split(manifest, "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			return err
		}
		mapping, err := b.mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		if err != nil {
			b.mapper.Reset()
			return err
		}
		var api dynamic.ResourceInterface = b.dynamic.Resource(mapping.Resource)
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			api = b.dynamic.Resource(mapping.Resource).Namespace(o.GetNamespace())
		}
		if err := f(api, o); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) apply(ctx context.Context, manifest string) error {
	return b.each(manifest, func(api dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		_, err := api.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "test", Force: true})
		return err
	})
}

func (b *bed) delete(ctx context.Context, manifest string) error {
	return b.each(manifest, func(api dynamic.ResourceInterface, o *unstructured.Unstructured) error {
		err := api.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return err
	})
}

// applied applies a manifest, and deletes it when the test is over.
func (b *bed) applied(t *testing.T, manifest string) {
	t.Helper()
	b.mustApply(t, manifest)
	t.Cleanup(func() {
		if err := b.delete(context.Background(), manifest); err != nil {
			t.Error(err)
		}
	})
}

func (b *bed) mustApply(t *testing.T, manifest string) {
	t.Helper()
	if err := b.apply(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
}

func (b *bed) mustDelete(t *testing.T, manifest string) {
	t.Helper()
	if err := b.delete(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
}

// namespace makes one.
func (b *bed) namespace(t *testing.T, name, labels string) string {
	t.Helper()
	b.applied(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}}", name, labels))
	return name
}

func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	end := time.Now().Add(deadline)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s: %v", what, deadline, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// policyOf is the manifest of a policy about some targets whose violations say "<name> is violated".
func policyOf(name, expression, targets string) string {
	return fmt.Sprintf(`
apiVersion: pac.weave.works/v2
kind: Policy
metadata: {name: %s}
spec:
  id: %[1]s
  name: The policy %[1]s
  description: It is for a test.
  how_to_solve: Do what it demands.
  category: tests
  severity: high
  targets: %s
  cel: {validations: [{expression: %q, message: "%[1]s is violated"}]}
`, name, targets, expression)
}

// auditing is an auditor whose policies and results are at hand, on the real API server.
type auditing struct {
	t       *testing.T
	bed     *bed
	options audit.Options

	mu       sync.Mutex
	sources  engine.Sources
	snapshot *engine.Snapshot
	request  string
	results  []sink.Result
	refuse   bool
	auditor  *audit.Auditor
	stop     func()
}

// newAuditing makes one that keeps what is open in a namespace of its own.
func newAuditing(t *testing.T, b *bed, namespace string) *auditing {
	t.Helper()
	b.namespace(t, namespace, "")
	a := &auditing{t: t, bed: b}
	a.connect(b.config, namespace)
	t.Cleanup(a.end)
	return a
}

// connect makes it ask the API server by another configuration.
func (a *auditing) connect(config *rest.Config, namespace string) {
	a.t.Helper()
	a.options = audit.Options{
		Reader: &objects.Reader{Client: must(dynamic.NewForConfig(config))(a.t)}, Discovery: must(discovery.NewDiscoveryClientForConfig(config))(a.t),
		Metadata: must(metadata.NewForConfig(config))(a.t), Client: a.bed.client, OwnNamespace: namespace,
		Policies: func() (engine.Sources, *engine.Snapshot) {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.sources, a.snapshot
		},
		Namespace: func(ctx context.Context, name string) (map[string]any, error) {
			n, err := a.bed.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return runtime.DefaultUnstructuredConverter.ToUnstructured(n)
		},
		Record: func(_ context.Context, results []sink.Result) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.refuse {
				return errors.New("no room")
			}
			a.results = append(a.results, results...)
			return nil
		},
		Interval: func() time.Duration { return time.Hour },
		Requested: func() string {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.request
		},
		Logger: slog.New(slog.NewTextHandler(a.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// start starts an auditor: the first one, or the next leader.
func (a *auditing) start() {
	auditor := audit.New(a.options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); auditor.Run(ctx) }()
	a.mu.Lock()
	a.auditor = auditor
	a.stop = func() { cancel(); <-done }
	a.mu.Unlock()
}

func (a *auditing) end() {
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
}

// judgeBy puts policies and exceptions into force.
func (a *auditing) judgeBy(manifests ...string) {
	a.t.Helper()
	var sources engine.Sources
	for i, m := range manifests {
		var err error
		if strings.Contains(m, "kind: PolicyException") {
			x := &v2.PolicyException{}
			err = yaml.UnmarshalStrict([]byte(m), x)
			x.Generation = 1
			sources.Exceptions = append(sources.Exceptions, x)
		} else {
			p := &v2.Policy{}
			err = yaml.UnmarshalStrict([]byte(m), p)
			p.Generation = int64(len(m)) // another text is another generation
			sources.Policies = append(sources.Policies, p)
		}
		if err != nil {
			a.t.Fatalf("manifest %d: %v", i, err)
		}
	}
	sources.Workloads = policy.Workloads{}.With([]policy.Workload{{
		GroupKind: policy.GroupKind{Group: "rollouts.example.com", Kind: "AuditRollout"}, Template: policy.Path{policy.Key("spec"), policy.Key("pod")},
		As: policy.GroupKind{Group: "apps", Kind: "Deployment"},
	}})
	snapshot, problems, err := engine.Compile(a.t.Context(), sources, engine.Options{Timeout: 30 * time.Second})
	if err != nil || len(problems) > 0 {
		a.t.Fatal(err, problems)
	}
	a.mu.Lock()
	a.sources, a.snapshot = sources, snapshot
	auditor := a.auditor
	a.mu.Unlock()
	if auditor != nil {
		auditor.Changed()
	}
}

// lives are what was told of findings, as "<life> <policy> <kind>/<name>[: resolution]", and forgets it. Those of other namespaces than
// one are left out, but for what has none.
func (a *auditing) lives(namespace string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for i := range a.results {
		r := &a.results[i]
		if e := r.Validation.Entity; e.Namespace == namespace || namespace == "" {
			text := fmt.Sprintf("%s %s %s/%s", r.Life, r.Validation.Policy.ID, e.Kind, e.Name)
			if r.Resolution != "" {
				text += ": " + r.Resolution
			}
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

func (a *auditing) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.results = nil
}

// expect waits until exactly these were told since the last time, then forgets them.
func (a *auditing) expect(namespace string, want ...string) {
	a.t.Helper()
	slices.Sort(want)
	eventually(a.t, "what audit tells", func() error {
		if got := a.lives(namespace); !slices.Equal(got, want) {
			return fmt.Errorf("told:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
		return nil
	})
	a.forget()
}

// quiet waits until every kind was read and nobody has anything to do, so that what was not told will not be told.
func (a *auditing) passed(trigger string) *audit.Pass {
	a.t.Helper()
	var last *audit.Pass
	eventually(a.t, "a pass", func() error {
		s := a.auditor.Status()
		if last = s.Last; last == nil || s.Running != nil || last.Trigger != trigger {
			return fmt.Errorf("last %+v, running %+v", s.Last, s.Running)
		}
		return nil
	})
	return last
}

func dataMap(namespace, name, is string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: %s, name: %s, labels: {audited: audited}}\ndata: {is: %s}", namespace, name, is)
}

const auditedGood = "object.data.is == 'good'"

// configMapsOf limits a policy to the ConfigMaps of one namespace but the one that Kubernetes makes there.
func configMapsOf(namespace string) string {
	return "{kinds: [ConfigMap], namespaces: [" + namespace + "], labels: [{audited: \"*\"}]}"
}

// TestAudit holds what audit promises about findings, against a real API server.
func TestAudit(t *testing.T) {
	b := newBed(t)
	for name, test := range map[string]func(*testing.T, *bed){
		"the life of a finding":              testFindingLife,
		"policies and exceptions":            testAuditPolicies,
		"labels of namespaces":               testAuditNamespaces,
		"the next leader":                    testAuditLeader,
		"kinds that come later":              testAuditKinds,
		"what may not be read":               testAuditForbidden,
		"controllers and what they make":     testAuditChildren,
		"workloads of other kinds":           testAuditWorkloads,
		"passes":                             testAuditPasses,
		"a pass that the leader did not end": testAuditResume,
		"results that could not be recorded": testAuditRecord,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func testFindingLife(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-life", "")
	b.mustApply(t, dataMap(ns, "bad", "bad")+"\n---\n"+dataMap(ns, "fine", "good"))
	a := newAuditing(t, b, "audit-life-own")
	a.judgeBy(policyOf("e2e.audit-life", auditedGood, configMapsOf(ns)))
	a.start()
	a.expect(ns, "opened e2e.audit-life ConfigMap/bad")
	b.mustApply(t, dataMap(ns, "fine", "worse"))
	a.expect(ns, "opened e2e.audit-life ConfigMap/fine")
	b.mustApply(t, dataMap(ns, "fine", "good"))
	a.expect(ns, "resolved e2e.audit-life ConfigMap/fine: object fixed")
	b.mustDelete(t, dataMap(ns, "bad", ""))
	a.expect(ns, "resolved e2e.audit-life ConfigMap/bad: object deleted")
	b.mustApply(t, dataMap(ns, "later", "bad"))
	a.expect(ns, "opened e2e.audit-life ConfigMap/later")
	s := a.auditor.Status()
	if s.Open["e2e.audit-life"] != 1 || s.Kinds["configmaps"].Objects < 2 {
		t.Errorf("status %+v", s)
	}
}

func testAuditPolicies(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-policies", "")
	b.mustApply(t, dataMap(ns, "bad", "bad"))
	a := newAuditing(t, b, "audit-policies-own")
	one, two := policyOf("e2e.audit-one", auditedGood, configMapsOf(ns)), policyOf("e2e.audit-two", auditedGood, configMapsOf(ns))
	a.judgeBy(one, two)
	a.start()
	a.expect(ns, "opened e2e.audit-one ConfigMap/bad", "opened e2e.audit-two ConfigMap/bad")
	before := a.auditor.Status()
	// What one policy says now is different, and the other is not asked again.
	a.judgeBy(strings.Replace(one, "is violated", "is violated again", 1), two)
	a.expect(ns, "changed e2e.audit-one ConfigMap/bad")
	if after := a.auditor.Status(); after.Judged-before.Judged != 1 {
		t.Errorf("%d pairs were judged for one policy that targets one object", after.Judged-before.Judged)
	}
	exception := fmt.Sprintf("apiVersion: pac.weave.works/v2\nkind: PolicyException\nmetadata: {name: known}\nspec: {policies: [e2e.audit-one], reason: known, match: {namespaces: [%s]}}\n", ns)
	a.judgeBy(one, two, exception)
	a.expect(ns, "resolved e2e.audit-one ConfigMap/bad: exception known")
	a.judgeBy(one, two)
	a.expect(ns, "opened e2e.audit-one ConfigMap/bad")
	a.judgeBy(two)
	a.expect(ns, "resolved e2e.audit-one ConfigMap/bad: policy gone")
	a.judgeBy(strings.Replace(two, "ConfigMap", "Secret", 1))
	a.expect(ns, "resolved e2e.audit-two ConfigMap/bad: policy gone")
	if s := a.auditor.Status(); len(s.Open) != 0 {
		t.Errorf("open: %v", s.Open)
	}
}

func testAuditNamespaces(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-namespaces", "")
	b.mustApply(t, dataMap(ns, "bad", "bad"))
	a := newAuditing(t, b, "audit-namespaces-own")
	a.judgeBy(policyOf("e2e.audit-selected", auditedGood, "{kinds: [ConfigMap], namespaces: ["+ns+"], labels: [{audited: \"*\"}], namespaceSelector: {matchLabels: {tier: prod}}}"))
	a.start()
	a.passed("initial-audit")
	b.mustApply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+ns+", labels: {tier: prod}}")
	a.auditor.NamespaceChanged(ns)
	a.expect(ns, "opened e2e.audit-selected ConfigMap/bad")
	b.mustApply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+ns+", labels: {tier: test}}")
	a.auditor.NamespaceChanged(ns)
	a.expect(ns, "resolved e2e.audit-selected ConfigMap/bad: not targeted")
}

func testAuditLeader(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-leader", "")
	b.mustApply(t, dataMap(ns, "stays", "bad")+"\n---\n"+dataMap(ns, "goes", "bad")+"\n---\n"+dataMap(ns, "mends", "bad"))
	a := newAuditing(t, b, "audit-leader-own")
	a.judgeBy(policyOf("e2e.audit-leader", auditedGood, configMapsOf(ns)), policyOf("e2e.audit-brief", auditedGood, configMapsOf(ns)))
	a.start()
	var opened []string
	for _, name := range []string{"stays", "goes", "mends"} {
		opened = append(opened, "opened e2e.audit-leader ConfigMap/"+name, "opened e2e.audit-brief ConfigMap/"+name)
	}
	a.expect(ns, opened...)
	a.passed("initial-audit")
	a.end()
	// While nobody leads.
	b.mustDelete(t, dataMap(ns, "goes", ""))
	b.mustApply(t, dataMap(ns, "mends", "good")+"\n---\n"+dataMap(ns, "new", "bad"))
	a.auditor = nil
	a.judgeBy(policyOf("e2e.audit-leader", auditedGood, configMapsOf(ns)))
	a.start()
	a.expect(ns,
		"resolved e2e.audit-leader ConfigMap/goes: object deleted", "resolved e2e.audit-leader ConfigMap/mends: object fixed",
		"resolved e2e.audit-brief ConfigMap/goes: policy gone", "resolved e2e.audit-brief ConfigMap/mends: policy gone", "resolved e2e.audit-brief ConfigMap/stays: policy gone",
		"opened e2e.audit-leader ConfigMap/new")
	// The pass of the first one is known to the second, which needs none of its own.
	if s := a.auditor.Status(); s.Last == nil || s.Last.Trigger != "initial-audit" || s.Running != nil {
		t.Errorf("last pass %+v, running %+v", s.Last, s.Running)
	}
}

const auditedCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.audit.example.com}
spec:
  group: audit.example.com
  names: {kind: AuditWidget, plural: widgets, singular: widget}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

func testAuditKinds(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-kinds", "")
	a := newAuditing(t, b, "audit-kinds-own")
	a.judgeBy(policyOf("e2e.audit-kinds", "object.size < 3", "{kinds: [AuditWidget]}"))
	a.start()
	a.passed("initial-audit")
	b.applied(t, auditedCRD)
	a.auditor.KindsChanged()
	widget := fmt.Sprintf("apiVersion: audit.example.com/v1\nkind: AuditWidget\nmetadata: {namespace: %s, name: big}\nsize: 5\n", ns)
	eventually(t, "the kind", func() error {
		return b.apply(t.Context(), widget)
	})
	a.expect(ns, "opened e2e.audit-kinds AuditWidget/big")
	b.mustDelete(t, auditedCRD)
	a.auditor.KindsChanged()
	eventually(t, "resolved", func() error {
		got := a.lives(ns)
		if len(got) != 1 || got[0] != "resolved e2e.audit-kinds AuditWidget/big: object deleted" && got[0] != "resolved e2e.audit-kinds AuditWidget/big: kind gone" {
			return fmt.Errorf("told %v", got)
		}
		return nil
	})
}

func testAuditForbidden(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-forbidden", "")
	b.mustApply(t, dataMap(ns, "bad", "bad"))
	b.mustApply(t, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {namespace: %s, name: unread, labels: {audited: audited}}", ns))
	b.applied(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: audit-some}
rules: [{apiGroups: [""], resources: [configmaps, namespaces], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: audit-some}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: audit-some}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: audit-some}]`)
	config := rest.CopyConfig(b.config)
	config.Impersonate.UserName = "audit-some"
	a := newAuditing(t, b, "audit-forbidden-own")
	a.connect(config, "audit-forbidden-own")
	a.judgeBy(policyOf("e2e.audit-forbidden", "false", "{kinds: [ConfigMap, Secret], namespaces: ["+ns+"], labels: [{audited: \"*\"}]}"))
	a.start()
	a.expect(ns, "opened e2e.audit-forbidden ConfigMap/bad")
	pass := a.passed("initial-audit")
	if s := a.auditor.Status(); !s.Kinds["secrets"].Forbidden || s.Kinds["configmaps"].Forbidden || !strings.Contains(s.Kinds["secrets"].Trouble, "forbidden") {
		t.Errorf("kinds %+v", s.Kinds)
	}
	if len(pass.Errors) != 1 || !strings.HasPrefix(pass.Errors[0], "secrets: ") || pass.Kinds["configmaps"].Objects == 0 {
		t.Errorf("pass %+v", pass)
	}
	patch := `[{"op":"add","path":"/rules/0/resources/-","value":"secrets"}]`
	if _, err := b.client.RbacV1().ClusterRoles().Patch(t.Context(), "audit-some", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	a.expect(ns, "opened e2e.audit-forbidden Secret/unread")
}

func testAuditChildren(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-children", "")
	b.mustApply(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: audit-children, name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeName: nowhere, containers: [{name: web, image: "web:latest"}]}
---
apiVersion: v1
kind: Pod
metadata:
  namespace: audit-children
  name: liar
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-0, uid: 00000000-0000-4000-8000-000000000000, controller: true}]
spec: {nodeName: nowhere, containers: [{name: web, image: "web:latest"}]}`)
	eventually(t, "a pod of the Deployment", func() error {
		pods, err := b.client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		if err == nil && len(pods.Items) == 0 {
			err = errors.New("none")
		}
		return err
	})
	a := newAuditing(t, b, "audit-children-own")
	a.judgeBy(policyOf("e2e.audit-children", "false", "{kinds: [Deployment, ReplicaSet, Pod], namespaces: ["+ns+"]}"))
	a.start()
	a.passed("initial-audit")
	told := a.lives(ns)
	if !slices.Contains(told, "opened e2e.audit-children Deployment/web") {
		t.Errorf("the Deployment is not judged: %v", told)
	}
	for _, one := range told {
		// The garbage collector may have taken the liar, whose owner is not there, before or after it was seen.
		if strings.Contains(one, "Pod/web-") || strings.Contains(one, "ReplicaSet/web-") {
			t.Errorf("what a judged controller made is judged: %s", one)
		}
	}
}

func testAuditWorkloads(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-workloads", "")
	b.applied(t, strings.NewReplacer("audit.example.com", "rollouts.example.com", "AuditWidget", "AuditRollout").Replace(auditedCRD))
	rollout := "apiVersion: rollouts.example.com/v1\nkind: AuditRollout\nmetadata: {namespace: audit-workloads, name: web}\nspec: {pod: {spec: {hostPID: true}}}\n"
	eventually(t, "the kind", func() error { return b.apply(t.Context(), rollout) })
	owner, err := b.dynamic.Resource(schema.GroupVersionResource{Group: "rollouts.example.com", Version: "v1", Resource: "widgets"}).Namespace(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.mustApply(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  namespace: audit-workloads
  name: web-1
  ownerReferences: [{apiVersion: rollouts.example.com/v1, kind: AuditRollout, name: web, uid: %s, controller: true}]
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {hostPID: true, containers: [{name: web, image: "web:latest"}]}`, owner.GetUID()))
	a := newAuditing(t, b, "audit-workloads-own")
	a.judgeBy(policyOf("e2e.audit-workloads", "!object.spec.template.spec.?hostPID.orValue(false)", "{kinds: [Deployment, ReplicaSet], namespaces: ["+ns+"]}"),
		policyOf("e2e.audit-sets", "false", "{kinds: [ReplicaSet], namespaces: ["+ns+"]}"))
	a.start()
	a.expect(ns, "opened e2e.audit-workloads AuditRollout/web", "opened e2e.audit-sets ReplicaSet/web-1")
	b.mustApply(t, strings.Replace(rollout, "true", "false", 1))
	a.expect(ns, "resolved e2e.audit-workloads AuditRollout/web: object fixed")
}

func testAuditPasses(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-passes", "")
	b.mustApply(t, dataMap(ns, "bad", "bad")+"\n---\n"+dataMap(ns, "fine", "good"))
	a := newAuditing(t, b, "audit-passes-own")
	a.judgeBy(policyOf("e2e.audit-passes", auditedGood, configMapsOf(ns)))
	a.start()
	a.expect(ns, "opened e2e.audit-passes ConfigMap/bad")
	first := a.passed("initial-audit")
	if got := first.Policies["e2e.audit-passes"]; got.Open != 1 || got.Failed != 0 || first.End.Before(first.Start) || len(first.Errors) > 0 || len(first.Kinds) != 1 {
		t.Errorf("pass %+v", first)
	}
	a.mu.Lock()
	a.request = "now"
	a.mu.Unlock()
	judged := a.auditor.Status().Judged
	a.auditor.Changed()
	second := a.passed("requested-audit")
	a.expect(ns, "unchanged e2e.audit-passes ConfigMap/bad")
	if second.ID == first.ID || second.Request != "now" || second.Kinds["configmaps"].Objects < 2 {
		t.Errorf("pass %+v", second)
	}
	if more := a.auditor.Status().Judged - judged; more != 1 {
		t.Errorf("%d pairs were judged again; all but the one with a finding were known", more)
	}
	// It is not answered twice, nor by the next leader.
	a.end()
	a.start()
	if again := a.passed("requested-audit"); again.ID != second.ID {
		t.Errorf("the request was answered again by %s", again.ID)
	}
	record, err := b.client.CoreV1().ConfigMaps("audit-passes-own").Get(t.Context(), audit.RecordName, metav1.GetOptions{})
	if err != nil || !strings.Contains(record.Data["last"], second.ID) {
		t.Errorf("the record is %v, %v", record.Data, err)
	}
}

func testAuditResume(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-resume", "")
	b.mustApply(t, dataMap(ns, "done", "bad")+"\n---\n"+fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {namespace: %s, name: left, labels: {audited: audited}}", ns))
	a := newAuditing(t, b, "audit-resume-own")
	a.judgeBy(policyOf("e2e.audit-resume", "false", "{kinds: [ConfigMap, Secret], namespaces: ["+ns+"], labels: [{audited: \"*\"}]}"))
	a.start()
	a.expect(ns, "opened e2e.audit-resume ConfigMap/done", "opened e2e.audit-resume Secret/left")
	first := a.passed("initial-audit")
	a.end()
	// As if the leader had died in the middle of it, when it had looked at the ConfigMaps.
	maps := b.client.CoreV1().ConfigMaps("audit-resume-own")
	record, err := maps.Get(t.Context(), audit.RecordName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	running := *first
	running.End = time.Time{}
	running.Kinds = map[string]audit.KindCount{"configmaps": first.Kinds["configmaps"]}
	text, err := json.Marshal(running)
	if err != nil {
		t.Fatal(err)
	}
	record.Data = map[string]string{"running": string(text)}
	if _, err := maps.Update(t.Context(), record, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	a.start()
	a.expect(ns, "unchanged e2e.audit-resume Secret/left")
	if again := a.passed("initial-audit"); again.ID != first.ID || again.Kinds["secrets"].Objects == 0 || again.Kinds["configmaps"] != first.Kinds["configmaps"] {
		t.Errorf("the pass %+v was resumed as %+v", first, again)
	}
}

func testAuditRecord(t *testing.T, b *bed) {
	ns := b.namespace(t, "audit-record", "")
	b.mustApply(t, dataMap(ns, "bad", "bad"))
	a := newAuditing(t, b, "audit-record-own")
	a.refuse = true
	a.judgeBy(policyOf("e2e.audit-record", auditedGood, configMapsOf(ns)))
	a.start()
	eventually(t, "trouble", func() error {
		if s := a.auditor.Status(); !strings.Contains(s.Kinds["configmaps"].Trouble, "no room") {
			return fmt.Errorf("status %+v", s)
		}
		return nil
	})
	a.mu.Lock()
	a.refuse = false
	a.mu.Unlock()
	a.expect(ns, "opened e2e.audit-record ConfigMap/bad")
}
