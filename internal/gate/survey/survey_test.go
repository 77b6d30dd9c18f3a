package survey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/catalog"
	"github.com/assay-gitops/assay/internal/kube/kubetest"
	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/internal/report"
	"github.com/assay-gitops/assay/policy"
)

type bed struct {
	t      *testing.T
	config *rest.Config
	client dynamic.Interface
}

func newBed(t *testing.T) *bed {
	t.Helper()
	config := kubetest.Config(t)
	return &bed{t, config, dynamic.NewForConfigOrDie(config)}
}

func (b *bed) resource(plural, namespace string) dynamic.ResourceInterface {
	group := map[string]string{"deployments": "apps", "replicasets": "apps", "clusterroles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io"}[plural]
	r := b.client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: plural})
	if namespace == "" {
		return r
	}
	return r.Namespace(namespace)
}

// create creates an object that goes when the test is over.
func (b *bed) create(plural, text string) *unstructured.Unstructured {
	b.t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		b.t.Fatal(err)
	}
	made, err := b.resource(plural, o.GetNamespace()).Create(b.t.Context(), o, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		err := b.resource(plural, o.GetNamespace()).Delete(context.Background(), o.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			b.t.Error(err)
		}
	})
	return made
}

// options to judge by the policies, with the rights of a user or, when that is empty, all.
func (b *bed) options(user string, policies ...string) Options {
	b.t.Helper()
	objects, problems := raw.Parse("policies.yaml", []byte(strings.Join(policies, "\n---\n")))
	if len(problems) > 0 {
		b.t.Fatal(problems)
	}
	c, err := catalog.Gather(nil, objects)
	if err != nil || len(c.Problems) > 0 {
		b.t.Fatal(err, c.Problems)
	}
	config := rest.CopyConfig(b.config)
	config.Impersonate.UserName = user
	return Options{
		Client: dynamic.NewForConfigOrDie(config), Metadata: metadata.NewForConfigOrDie(config), Discovery: discovery.NewDiscoveryClientForConfigOrDie(config),
		Catalog: c, FailOn: v2.SeverityLow,
	}
}

func celPolicy(id, expression, path string, kinds ...string) string {
	return fmt.Sprintf(`apiVersion: pac.weave.works/v2
kind: Policy
metadata: {name: %[1]s}
spec:
  id: %[1]s
  name: %[1]s
  severity: high
  category: test
  description: A test.
  how_to_solve: Pass it.
  enforce: true
  targets: {kinds: [%[4]s]}
  cel: {validations: [{expression: %[2]q, message: it is wrong, path: %[3]q}]}
`, id, expression, path, strings.Join(kinds, ", "))
}

func survey(t *testing.T, ctx context.Context, o Options) *report.Report {
	t.Helper()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lines(r *report.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Result.Policy.Spec.ID+" "+f.Location.File+" "+f.Occurrence.Path)
	}
	for _, p := range r.Problems {
		all = append(all, fmt.Sprintf("%t %s", p.Warning, p.Message))
	}
	return strings.Join(all, "\n")
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %s, labels: {who: me}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
`

func TestASurveyOfACluster(t *testing.T) {
	b := newBed(t)
	for name, labels := range map[string]string{"survey-a": "{team: a}", "survey-b": "{team: b}"} {
		b.create("namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+", labels: "+labels+"}}")
		b.create("deployments", fmt.Sprintf(deployment, name))
	}
	for _, namespace := range []string{"survey-a", "survey-b"} {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			made, err := b.resource("replicasets", namespace).List(t.Context(), metav1.ListOptions{})
			if err == nil && len(made.Items) > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no ReplicaSet is made", err)
			}
		}
	}
	role := b.create("clusterroles", "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: survey, labels: {who: me}}, rules: [{apiGroups: [''], resources: [namespaces, configmaps], verbs: [get, list, watch]}]}")

	mine := "!has(object.metadata.labels) || !('who' in object.metadata.labels)"
	all := b.options("",
		celPolicy("workloads", "!object.metadata.namespace.startsWith('survey-') || object.spec.replicas > 0", "spec.replicas", "Deployment", "ReplicaSet"),
		celPolicy("mine", mine, "metadata.labels.who", "Deployment", "ClusterRole"),
		celPolicy("team", "!has(namespaceObject.metadata.labels) || !('team' in namespaceObject.metadata.labels) || namespaceObject.metadata.labels.team != 'a'", "", "Deployment"))
	r := survey(t, t.Context(), all)
	want := `mine clusterroles.rbac.authorization.k8s.io/survey metadata.labels.who
mine survey-a/deployments.apps/web metadata.labels.who
team survey-a/deployments.apps/web 
workloads survey-a/deployments.apps/web spec.replicas
mine survey-b/deployments.apps/web metadata.labels.who
workloads survey-b/deployments.apps/web spec.replicas`
	// The ReplicaSets are left to the Deployments that made them.
	if got := lines(r); got != want || r.ExitCode() != 1 {
		t.Errorf("exit code %d, got\n%s", r.ExitCode(), got)
	}
	if len(r.Policies) != 3 || r.Objects < 5 || r.Evaluations < 5 {
		t.Errorf("%+v", r)
	}
	if o := r.Findings[1].Result.Object; len(o.Content) != 3 || o.Name() != "web" || o.Namespace() != "survey-a" || o.Kind() != "Deployment" || o.Group() != "apps" {
		t.Errorf("kept is %v", o.Content)
	}

	one := all
	one.Namespaces = []string{"survey-b", "survey-none"}
	if got := lines(survey(t, t.Context(), one)); got != "mine survey-b/deployments.apps/web metadata.labels.who\nworkloads survey-b/deployments.apps/web spec.replicas" {
		t.Errorf("one namespace:\n%s", got)
	}
	exempt := all
	exempt.Exempt = []string{"survey-a"}
	exempt.Only = catalog.Filter{Policies: []string{"workloads", "team"}}
	if got := lines(survey(t, t.Context(), exempt)); got != "workloads survey-b/deployments.apps/web spec.replicas" {
		t.Errorf("an exempt namespace:\n%s", got)
	}
	few := all
	few.MaxFindings = 2
	if r := survey(t, t.Context(), few); len(r.Findings) != 2 || r.Problems[0].Message != "4 more findings are left out: a report holds 2" || r.ExitCode() != 2 {
		t.Errorf("few:\n%s", lines(r))
	}
	nothing := all
	nothing.Catalog = b.options("", celPolicy("elsewhere", "false", "", "Deployment"),
		"{apiVersion: pac.weave.works/v2, kind: PolicySet, metadata: {name: s}, spec: {mode: admission, filters: {ids: [elsewhere]}}}",
		"{apiVersion: pac.weave.works/v2, kind: PolicySet, metadata: {name: t}, spec: {mode: audit, filters: {ids: [none]}}}").Catalog
	if got := lines(survey(t, t.Context(), nothing)); got != "true nothing was judged: no policy acts in mode audit" {
		t.Errorf("nothing:\n%s", got)
	}

	// Somebody who may read only some of it.
	if _, err := b.client.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}).Create(t.Context(),
		&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": "survey", "ownerReferences": []any{map[string]any{
				"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "survey", "uid": string(role.GetUID())}}},
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "survey"},
			"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "surveyor"}},
		}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, ignore := range []bool{false, true} {
		some := b.options("surveyor", celPolicy("p", "object.metadata.name != 'kube-root-ca.crt'", "metadata.name", "ConfigMap", "Secret", "Deployment"))
		some.IgnoreForbidden, some.Namespaces = ignore, nil
		r := survey(t, t.Context(), some)
		got := lines(r)
		if !strings.Contains(got, "p survey-a/configmaps/kube-root-ca.crt metadata.name\n") || r.ExitCode() != map[bool]int{false: 2, true: 1}[ignore] ||
			!strings.HasSuffix(got, fmt.Sprintf("\n%t may not list, and so did not judge: secrets, deployments.apps", ignore)) || len(r.Problems) != 1 {
			t.Errorf("exit code %d, got\n%s", r.ExitCode(), got)
		}
	}
	nobody := b.options("nobody", celPolicy("p", "false", "", "Deployment"))
	if got := lines(survey(t, t.Context(), nobody)); !strings.Contains(got, "false may not read namespaces") || !strings.Contains(got, "false may not list, and so did not judge: deployments.apps") {
		t.Errorf("got\n%s", got)
	}
}

func TestASurveyOfAClusterThatIsInterrupted(t *testing.T) {
	b := newBed(t)
	b.create("namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: survey-many}}")
	const n = 300 // more than a page
	for i := range n {
		b.create("configmaps", fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: c-%03d, namespace: survey-many}}", i))
	}
	o := b.options("", celPolicy("never", "false", "metadata.name", "ConfigMap"))
	o.Namespaces, o.Jobs = []string{"survey-many"}, 1
	if r := survey(t, t.Context(), o); len(r.Findings) != n+1 || r.ExitCode() != 1 { // kube-root-ca.crt
		t.Errorf("%d findings", len(r.Findings))
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(p Progress) {
		if p.Objects == 20 {
			if p.Resource != "configmaps" || p.Number != 1 || p.Of != 1 || p.Findings != 20 {
				t.Errorf("%+v", p)
			}
			cancel()
		}
	}
	r := survey(t, ctx, o)
	if len(r.Findings) != 20 || r.ExitCode() != 2 || r.Problems[0].Message != "interrupted: 20 objects were judged, of 0 kinds out of 1, the report is not complete" {
		t.Errorf("%d findings, %v", len(r.Findings), r.Problems)
	}
}

func TestPoliciesOfAClusterAreRead(t *testing.T) {
	b := newBed(t)
	discovering := b.options("").Discovery
	if version, err := servedVersion(t.Context(), discovering); err != nil || version == "" {
		t.Skip("the cluster has no policies: apply api/v2/crds", err)
	}
	made := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(celPolicy("survey", "false", "", "Deployment")), &made.Object); err != nil {
		t.Fatal(err)
	}
	policies := b.client.Resource(schema.GroupVersionResource{Group: v2.Group, Version: "v2", Resource: "policies"})
	if _, err := policies.Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := policies.Delete(context.Background(), "survey", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	objects, err := Policies(t.Context(), b.client, discovering)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Gather(nil, objects)
	if err != nil || len(c.Problems) > 0 {
		t.Fatal(err, c.Problems)
	}
	p, err := c.Find("survey")
	if err != nil || c.Origin(p).Object().File != "policies.pac.weave.works/survey" {
		t.Error(p, err)
	}
	_, err = Policies(t.Context(), b.options("nobody").Client, discovering)
	if hinted, ok := errors.AsType[*forbiddenError](err); !ok || !strings.Contains(hinted.Hint(), "--policies") {
		t.Error(err)
	}
}

func TestWhatOtherPoliciesWouldChange(t *testing.T) {
	b := newBed(t)
	b.create("namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: impact}}")
	b.create("deployments", fmt.Sprintf(deployment, "impact"))
	const here = "object.metadata.namespace != 'impact'"
	warns := strings.Replace(celPolicy("warns", here, "spec.replicas", "Deployment"), "enforce: true", "enforce: false", 1)
	same, ends := celPolicy("same", here, "spec.replicas", "Deployment"), celPolicy("ends", here, "", "Deployment")
	exception := "{apiVersion: pac.weave.works/v2, kind: PolicyException, metadata: {name: x}, spec: {policies: [same], match: {namespaces: [impact]}, reason: soon}}"
	fails := celPolicy("fails", "object.spec.none > 1", "", "Deployment")
	o := b.options("", warns, same, ends)
	compare := func(o Options, then ...string) string {
		t.Helper()
		got, err := Compare(t.Context(), o, b.options("", then...).Catalog)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, c := range got.Changes {
			all = append(all, fmt.Sprintf("%t %s %s: %s -> %s, %d", c.Worse(), c.Policy.Spec.ID, c.Object.Origin.Object().File, c.Before, c.After, len(c.Occurrences)))
			if len(c.Object.Content) != 3 {
				t.Errorf("kept is %v", c.Object.Content)
			}
		}
		for _, p := range got.Problems {
			all = append(all, fmt.Sprintf("%t %s", p.Warning, p.Message))
		}
		return strings.Join(all, "\n")
	}
	if got := compare(o, warns, same, ends); got != "" {
		t.Errorf("the same policies:\n%s", got)
	}
	enforced := strings.Replace(warns, "enforce: false", "enforce: true", 1)
	const object = "impact/deployments.apps/web"
	if got, want := compare(o, enforced, same, exception, celPolicy("new", here, "", "Deployment")),
		"true new "+object+": complies -> refused, 1\ntrue warns "+object+": warned -> refused, 1\nfalse ends "+object+": refused -> complies, 1\nfalse same "+object+": refused -> excepted, 1"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What fails then does not look as if it were mended.
	broken := b.options("", ends)
	if got := compare(broken, strings.ReplaceAll(fails, "fails", "ends")); strings.Contains(got, "->") || !strings.Contains(got, "ends") {
		t.Errorf("a policy that fails:\n%s", got)
	}
	// A policy that is only there then, or only now, can be asked for by its id.
	for id, then := range map[string][]string{"new": {warns, same, ends, celPolicy("new", here, "", "Deployment")}, "ends": {warns, same}} {
		one := o
		one.Only = catalog.Filter{Policies: []string{id}}
		if got := compare(one, then...); strings.Count(got, "->") != 1 || !strings.Contains(got, " "+id+" ") {
			t.Errorf("only %s:\n%s", id, got)
		}
	}
	// What is wrong with the policies now is not what is asked about.
	if got := compare(b.options("", same, strings.ReplaceAll(fails, "object.spec", "nothing.at")), same); got != "" {
		t.Errorf("a policy that does not compile now:\n%s", got)
	}
	// What was sent to admission is judged too, in the namespaces that are asked about.
	past := o
	past.Past = func(_ context.Context, each func(*PastObject) error) error {
		for _, namespace := range []string{"impact", "other", "kube-system"} {
			content := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "sent", "namespace": namespace}}
			if err := each(&PastObject{Object: &policy.Object{Content: content, Origin: origin("sent to " + namespace)}, At: time.Unix(1, 0)}); err != nil {
				return err
			}
		}
		return errors.New("the rest is gone")
	}
	if got, want := compare(past, enforced, same, ends), "true warns "+object+": warned -> refused, 1\ntrue warns sent to impact: warned -> refused, 1\nfalse not all of what was sent to admission was judged: the rest is gone"; got != want {
		t.Errorf("with what was sent:\n%s", got)
	}
	few := o
	few.MaxFindings = 1
	if got := compare(few, enforced, same); !strings.HasSuffix(got, "false 1 more differences are left out: 1 are held") {
		t.Errorf("few:\n%s", got)
	}
	if got := compare(b.options(""), same); got != "true same "+object+": complies -> refused, 1" {
		t.Errorf("a cluster without policies:\n%s", got)
	}
}
