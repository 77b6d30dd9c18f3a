package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/flux"
	"github.com/assay-gitops/assay/e2e/gitserver"
)

// wallsTenants is the file of the tenants: one whose deployments may do everything in its namespace, so that nothing but the walls
// and the end of its namespace holds it, and one who owns what must not be reached.
const wallsTenants = `
tenants:
- name: shop
  namespaces: [shop]
  allowedRepositories: [{kind: GitRepository, url: %q}]
  allowedClusters: [{kubeConfig: edge}]
  deploymentRBAC: {rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]}
  networkPolicy: isolated
  teamRBAC: {groupNames: [shop-team], rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}
  resourceQuota: {hard: {pods: "50"}}
  limitRange: {limits: [{type: Container, max: {cpu: "1"}}]}
  allowedRegistries: [ghcr.io/acme]
  allowedHostnames: [shop.example.com]
  allowedServiceTypes: [ClusterIP]
  allowedStorageClasses: [standard]
  sync: {kind: GitRepository, url: %q, path: ./app}
- name: payroll
  namespaces: [payroll]
  podSecurity: {enforce: restricted}
  networkPolicy: same-tenant
  resourceQuota: {hard: {count/configmaps: "3"}}
  sync: {kind: GitRepository, url: %q, path: ./app}
`

// TestTenantsStayInTheirWorkspaces commits every attack of the catalogue to a tenant's own repository, and Flux reconciles each as
// the tenant's account. Flux runs without the flags of its multi-tenancy lockdown: the walls must hold without them.
func TestTenantsStayInTheirWorkspaces(t *testing.T) {
	git := startGit(t)
	startFlux(t, flux.Options{})
	uninstallAfterwards(t)
	installAgent(t, map[string]any{"replicas": 1})
	cases := catalogue(t)
	shop := attackedTenant{
		Name: "shop", Namespace: "shop", Account: "shop", Foreign: "payroll", Repository: strings.TrimSuffix(git.URL("shop"), ".git"),
		Image: "ghcr.io/acme/shop:1", Hostname: "shop.example.com", Secret: "edge",
	}
	w := &walls{t: t, tenant: shop, cases: cases}
	w.provideKinds()
	payroll := map[string]string{"app/map.yaml": configMapNamed("payroll", "owned"), "app/deployment.yaml": payrollDeployment}
	commitTry(t, git, "payroll", payroll)
	w.commit(git)
	w.makeWorkspaces(fmt.Sprintf(wallsTenants, git.URL("shop"), git.URL("shop"), git.URL("payroll")))
	for _, tenant := range []string{"shop", "payroll"} {
		eventually(t, "what "+tenant+" deploys honestly", func() error {
			_, err := shared.Kubectl(t.Context(), "", "-n", tenant, "get", "configmap", "owned")
			return err
		})
	}
	w.limitsHold(git, payroll)
	w.standBefore()
	outside := w.outside()
	w.try()

	var table strings.Builder
	for _, c := range cases {
		outcome := w.outcome(c)
		fmt.Fprintf(&table, "%-45s %-26s %s\n", c.ID, c.Wall, outcome.text)
		switch {
		case c.honest() && !outcome.succeeded:
			t.Errorf("%s: the tenant may do that, and cannot: %s", c.ID, outcome.text)
		case !c.honest() && outcome.succeeded:
			t.Errorf("%s: %s: ESCAPED (%s): %s", c.ID, c.Title, c.Why, outcome.text)
		}
	}
	t.Log("\n" + table.String())
	for name, uid := range w.outside() {
		if before, was := outside[name]; !was {
			t.Errorf("outside of the workspace there is %s, which was not there", name)
		} else if before != uid {
			t.Errorf("outside of the workspace %s is another one", name)
		}
		delete(outside, name)
	}
	for name := range outside {
		t.Errorf("outside of the workspace %s is gone", name)
	}
	w.checkIdentities()
}

// fill makes an object from a template of the catalogue; nil when there is none.
func (w *walls) fill(text string) *unstructured.Unstructured {
	w.t.Helper()
	if text == "" {
		return nil
	}
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, w.tenant); err != nil {
		w.t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(out.String()), &o.Object); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// walls is the stage of the attacks.
type walls struct {
	t      *testing.T
	tenant attackedTenant
	cases  []attack
	// before are the objects that the cases are about as they were, by the case; nil for those that were not there.
	before map[string]*unstructured.Unstructured
}

const payrollDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: payroll, namespace: payroll}
spec:
  selector: {matchLabels: {app: payroll}}
  template:
    metadata: {labels: {app: payroll}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: payroll
        image: ghcr.io/acme/payroll:1
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// limitsHold tests what the file says of payroll beside the walls: its pods are restricted, its network is closed, and its quota is
// all it gets, whoever deploys.
func (w *walls) limitsHold(git *gitserver.Server, files map[string]string) {
	w.t.Helper()
	eventually(w.t, "payroll's pod, which is restricted enough", func() error {
		pods, err := shared.Kubectl(w.t.Context(), "", "-n", "payroll", "get", "pods", "-l", "app=payroll", "-o", "name")
		if err == nil && pods == "" {
			err = errors.New("there is none")
		}
		return err
	})
	privileged := "apiVersion: v1\nkind: Pod\nmetadata: {name: escape, namespace: payroll}\nspec: {containers: [{name: c, image: ghcr.io/acme/payroll:1, securityContext: {privileged: true}}]}\n"
	_, err := shared.Kubectl(w.t.Context(), privileged, "create", "--dry-run=server", "-f", "-", "--as", "system:serviceaccount:payroll:payroll")
	if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		w.t.Errorf("a privileged pod: %v", err)
	}
	policies := kubectl(w.t, "", "-n", "payroll", "get", "networkpolicies", "-o", "jsonpath={.items[*].spec.policyTypes}")
	if !strings.Contains(policies, "Ingress") || !strings.Contains(policies, "Egress") {
		w.t.Errorf("the network policies are about %q", policies)
	}
	for _, name := range []string{"one", "two", "three"} {
		files["app/"+name+".yaml"] = configMapNamed("payroll", name)
	}
	commitTry(w.t, git, "payroll", files)
	now := time.Now().Format(time.RFC3339Nano)
	for _, kind := range []string{"gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"} {
		kubectl(w.t, "", "-n", "payroll", "annotate", "--overwrite", kind, "--all", "reconcile.fluxcd.io/requestedAt="+now)
	}
	eventually(w.t, "payroll's quota is exceeded", func() error {
		said, err := shared.Kubectl(w.t.Context(), "", "-n", "payroll", "get", "kustomizations.kustomize.toolkit.fluxcd.io", "-o", "jsonpath={.items[*].status.conditions[*].message}")
		if err == nil && !strings.Contains(said, "exceeded quota") {
			err = errors.New(said)
		}
		return err
	})
}

func configMapNamed(namespace, name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\n", name, namespace)
}

func commitTry(t *testing.T, git *gitserver.Server, repository string, files map[string]string) {
	t.Helper()
	if _, err := git.Commit(t.Context(), repository, "what the tenant wants", files); err != nil {
		t.Fatal(err)
	}
}

// provideKinds defines those kinds of the catalogue whose controllers are not part of the bed, so that the API server asks the
// walls about them.
func (w *walls) provideKinds() {
	w.t.Helper()
	known, err := shared.Client.Discovery().ServerPreferredResources()
	if err != nil {
		w.t.Fatal(err)
	}
	kinds := map[schema.GroupKind]bool{}
	for _, list := range known {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range list.APIResources {
			kinds[schema.GroupKind{Group: gv.Group, Kind: r.Kind}] = true
		}
	}
	for _, c := range w.cases {
		object, _ := w.objects(c)
		gvk := object.GroupVersionKind()
		if kinds[gvk.GroupKind()] {
			continue
		}
		kinds[gvk.GroupKind()] = true
		plural := strings.ToLower(gvk.Kind) + "s"
		if strings.HasSuffix(gvk.Kind, "y") {
			plural = strings.ToLower(strings.TrimSuffix(gvk.Kind, "y")) + "ies"
		}
		crd := fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s, annotations: {api-approved.kubernetes.io: unapproved}}
spec:
  group: %[2]s
  scope: Namespaced
  names: {kind: %[3]s, plural: %[1]s}
  versions:
  - {name: %[4]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, plural, gvk.Group, gvk.Kind, gvk.Version)
		kubectl(w.t, crd, "apply", "-f", "-")
		cleanUp(w.t, "delete", "crd", plural+"."+gvk.Group, "--wait=false")
		kubectl(w.t, "", "wait", "--for", "condition=Established", "--timeout", "60s", "crd", plural+"."+gvk.Group)
	}
}

// objects of a case: the one that is written, or deleted, and the one before it.
func (w *walls) objects(c attack) (object, before *unstructured.Unstructured) {
	w.t.Helper()
	object, before = w.fill(c.Manifest), w.fill(c.Before)
	if object == nil {
		object = before
	}
	return object, before
}

// throughGit tells whether Flux can be made to do it: it creates and updates.
func throughGit(c attack) bool { return c.Operation != "DELETE" && c.Subresource == "" }

// commit commits each attack under a folder of its own.
func (w *walls) commit(git *gitserver.Server) {
	files := map[string]string{"app/map.yaml": configMapNamed("shop", "owned")}
	for _, c := range w.cases {
		if !throughGit(c) {
			continue
		}
		object, _ := w.objects(c)
		content, err := yaml.Marshal(object.Object)
		if err != nil {
			w.t.Fatal(err)
		}
		files["attacks/"+c.ID+"/object.yaml"] = string(content)
	}
	commitTry(w.t, git, "shop", files)
}

// makeWorkspaces is what the platform's engineer does.
func (w *walls) makeWorkspaces(file string) {
	w.t.Helper()
	name := filepath.Join(w.t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		w.t.Fatal(err)
	}
	exported, err := shared.Assay(w.t.Context(), "create", "tenants", "--from-file", name, "--export")
	if err != nil {
		w.t.Fatal(err)
	}
	kubectl(w.t, exported, "apply", "--server-side", "-f", "-")
	for _, tenant := range []string{w.tenant.Namespace, w.tenant.Foreign} {
		w.t.Cleanup(func() { deleteFluxObjects(w.t, tenant) })
	}
	policies := strings.Fields(kubectl(w.t, "", "get", "policies", "-l", "toolkit.fluxcd.io/tenant", "-o", "name"))
	if len(policies) == 0 {
		w.t.Fatal("no policies were generated")
	}
	w.t.Cleanup(func() {
		if _, err := shared.Kubectl(context.Background(), "", append([]string{"delete"}, policies...)...); err != nil {
			w.t.Error(err)
		}
	})
	kubectl(w.t, "", append([]string{"wait", "--for", "condition=Ready", "--timeout", "2m"}, policies...)...)
	// They are in force as soon as the webhook is registered for what they judge.
	eventually(w.t, "the walls stand", func() error {
		_, err := shared.Kubectl(w.t.Context(), "", "-n", "shop", "create", "service", "nodeport", "escape", "--tcp=80", "--dry-run=server", "--as", w.account())
		if err == nil {
			return fmt.Errorf("a node port was admitted")
		}
		if !strings.Contains(err.Error(), "allowed-service-types") {
			return err
		}
		return nil
	})
}

func (w *walls) account() string {
	return "system:serviceaccount:" + w.tenant.Namespace + ":" + w.tenant.Account
}

// standBefore makes what updates and deletes are about, where the platform has not made it, and remembers everything that the
// attacks are about.
func (w *walls) standBefore() {
	w.t.Helper()
	w.before = map[string]*unstructured.Unstructured{}
	for _, c := range w.cases {
		_, before := w.objects(c)
		if before == nil {
			continue
		}
		if live := w.live(before); live == nil {
			content, err := json.Marshal(before.Object)
			if err != nil {
				w.t.Fatal(err)
			}
			if _, err := shared.Kubectl(w.t.Context(), string(content), "create", "-f", "-"); err != nil {
				w.t.Fatalf("%s: the object before it: %v", c.ID, err)
			}
		}
	}
	for _, c := range w.cases {
		object, _ := w.objects(c)
		w.before[c.ID] = w.live(object)
	}
}

// live is an object as the cluster has it, without what changes by itself; nil when there is none.
func (w *walls) live(o *unstructured.Unstructured) *unstructured.Unstructured {
	w.t.Helper()
	args := []string{"get", resourceOf(o), o.GetName(), "-o", "json", "--ignore-not-found"}
	if o.GetNamespace() != "" {
		args = append(args, "-n", o.GetNamespace())
	}
	out, err := shared.Kubectl(w.t.Context(), "", args...)
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.TrimSpace(out) == "" {
		return nil
	}
	live := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(out), &live.Object); err != nil {
		w.t.Fatal(err)
	}
	live.SetManagedFields(nil)
	live.SetResourceVersion("")
	live.SetGeneration(0)
	delete(live.Object, "status")
	return live
}

// resourceOf is how kubectl is told a kind without doubt, in whatever version the cluster has it.
func resourceOf(o *unstructured.Unstructured) string {
	gvk := o.GroupVersionKind()
	if gvk.Group == "" {
		return gvk.Kind
	}
	return strings.ToLower(gvk.Kind) + "." + gvk.Group
}

// try makes Flux reconcile the attacks and waits until it has tried each.
func (w *walls) try() {
	w.t.Helper()
	var all strings.Builder
	n := 0
	for _, c := range w.cases {
		if !throughGit(c) {
			continue
		}
		n++
		fmt.Fprintf(&all, `---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: try-%s, namespace: %s}
spec:
  interval: 1h
  retryInterval: 1h
  path: ./attacks/%s
  prune: false
  serviceAccountName: %s
  sourceRef: {kind: GitRepository, name: shop}
`, c.ID, w.tenant.Namespace, c.ID, w.tenant.Account)
	}
	kubectl(w.t, all.String(), "apply", "--server-side", "-f", "-")
	within(w.t, 4*deadline, "Flux has tried all attacks", func() error {
		var left []string
		tries := w.tries()
		for name, message := range tries {
			if message == "" {
				left = append(left, name)
			}
		}
		if len(left) > 0 || len(tries) < n {
			return fmt.Errorf("of %d there are %d, and not tried are %v", n, len(tries), left)
		}
		return nil
	})
}

// tries is what Flux says of each attack, by the name of its Kustomization; "" while it has not tried.
func (w *walls) tries() map[string]string {
	w.t.Helper()
	list := get(w.t, "-n", w.tenant.Namespace, "kustomizations.kustomize.toolkit.fluxcd.io")
	all := map[string]string{}
	items, _, _ := unstructured.NestedSlice(list.Object, "items")
	for _, item := range items {
		o := unstructured.Unstructured{Object: item.(map[string]any)}
		if !strings.HasPrefix(o.GetName(), "try-") {
			continue
		}
		message := ""
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			condition := c.(map[string]any)
			if condition["type"] != "Ready" || condition["status"] == "Unknown" || condition["reason"] == "ArtifactFailed" || condition["reason"] == "DependencyNotReady" {
				continue
			}
			message = fmt.Sprintf("%s %s: %s", condition["status"], condition["reason"], condition["message"])
		}
		all[o.GetName()] = message
	}
	return all
}

// outcome is what became of an attempt.
type outcome struct {
	succeeded bool
	text      string
}

func (w *walls) outcome(c attack) outcome {
	w.t.Helper()
	object, _ := w.objects(c)
	if !throughGit(c) {
		return w.directly(c, object)
	}
	said := oneLineOf(w.tries()["try-"+c.ID])
	if c.honest() {
		return outcome{succeeded: strings.HasPrefix(said, "True"), text: said}
	}
	return outcome{succeeded: changed(w.before[c.ID], w.live(object)), text: said}
}

// changed tells whether an object is another than before, but for the labels by which Flux knows what it applies.
func changed(before, after *unstructured.Unstructured) bool {
	if after == nil || before == nil {
		return after != before
	}
	after = after.DeepCopy()
	labels := after.GetLabels()
	maps.DeleteFunc(labels, func(key, _ string) bool { return strings.HasPrefix(key, "kustomize.toolkit.fluxcd.io/") })
	before = before.DeepCopy()
	was := before.GetLabels()
	maps.DeleteFunc(was, func(key, _ string) bool { return strings.HasPrefix(key, "kustomize.toolkit.fluxcd.io/") })
	after.SetLabels(labels)
	before.SetLabels(was)
	a, errA := json.Marshal(after.Object)
	b, errB := json.Marshal(before.Object)
	return errA != nil || errB != nil || string(a) != string(b)
}

// directly does as the tenant's account what Flux cannot be made to do, without leaving a trace.
func (w *walls) directly(c attack, object *unstructured.Unstructured) outcome {
	w.t.Helper()
	args := []string{"--as", w.account(), "--dry-run=server"}
	if object.GetNamespace() != "" {
		args = append(args, "-n", object.GetNamespace())
	}
	stdin := ""
	if c.Operation == "DELETE" {
		args = append(args, "delete", resourceOf(object), object.GetName())
	} else {
		content, err := json.Marshal(object.Object)
		if err != nil {
			w.t.Fatal(err)
		}
		stdin = string(content)
		args = append(args, "replace", "--subresource", c.Subresource, "-f", "-")
	}
	_, err := shared.Kubectl(w.t.Context(), stdin, args...)
	if err == nil {
		return outcome{succeeded: true, text: "admitted"}
	}
	return outcome{text: oneLineOf(err.Error())}
}

func oneLineOf(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 160)]
}

// outside is everything outside of the workspace that an attack could make or replace, with its uid.
func (w *walls) outside() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	kinds := "configmaps,secrets,serviceaccounts,services,pods,deployments,roles,rolebindings,networkpolicies,clusterroles,clusterrolebindings,namespaces,policies.pac.weave.works," +
		"policyexceptions.pac.weave.works,policyconfigs.pac.weave.works,kustomizations.kustomize.toolkit.fluxcd.io,helmreleases.helm.toolkit.fluxcd.io,gitrepositories.source.toolkit.fluxcd.io," +
		"customresourcedefinitions,priorityclasses,validatingwebhookconfigurations,mutatingwebhookconfigurations"
	list := get(w.t, kinds, "--all-namespaces")
	items, _, _ := unstructured.NestedSlice(list.Object, "items")
	for _, item := range items {
		o := unstructured.Unstructured{Object: item.(map[string]any)}
		if o.GetNamespace() == w.tenant.Namespace || o.GetNamespace() == agentNamespace {
			continue
		}
		all[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = string(o.GetUID())
	}
	if len(all) < 50 {
		w.t.Fatalf("only %d objects were found outside of the workspace", len(all))
	}
	return all
}

// checkIdentities reads in the audit log who wrote what: the controllers of Flux write in the workspace only as the tenant's account,
// but for what is their own (statuses, finalizers, events), and the account writes nowhere else.
func (w *walls) checkIdentities() {
	w.t.Helper()
	written := 0
	for _, controller := range []string{flux.Kustomize, flux.Helm, flux.Source, flux.Notification} {
		requests, err := shared.Requests("system:serviceaccount:" + flux.Namespace + ":" + controller)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range requests {
			if !slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) || r.ResponseStatus.Code >= 300 || strings.Contains(r.RequestURI, "dryRun=All") {
				continue
			}
			switch who := r.ImpersonatedUser.Username; {
			case who == w.account():
				written++
				if r.ObjectRef.Namespace != w.tenant.Namespace {
					w.t.Errorf("the tenant's account wrote outside of its workspace: %s %s", r.Verb, r.RequestURI)
				}
			case who != "" && r.ObjectRef.Namespace == w.tenant.Namespace:
				w.t.Errorf("%s wrote in the workspace as %s: %s %s", controller, who, r.Verb, r.RequestURI)
			case who == "" && r.ObjectRef.Namespace == w.tenant.Namespace && !ownOf(r):
				w.t.Errorf("%s wrote in the workspace as itself: %s %s", controller, r.Verb, r.RequestURI)
			}
		}
	}
	if written == 0 {
		w.t.Error("the audit log has nothing of the tenant's account: nothing was tried")
	}
}

// ownOf tells whether a write is about a controller's own objects, which it does as itself.
func ownOf(r cluster.Request) bool {
	return strings.HasSuffix(r.ObjectRef.APIGroup, ".toolkit.fluxcd.io") || r.ObjectRef.Resource == "events"
}
