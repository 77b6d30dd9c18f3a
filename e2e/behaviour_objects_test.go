package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func testChildren(t *testing.T) {
	const namespace = "behaviour-children"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	deployment := strings.NewReplacer("namespace: guarded", "namespace: "+namespace, "replicas: 1", "replicas: 0").Replace(guarded)
	kubectl(t, deployment, "create", "-f", "-")
	// The controller has made the ReplicaSet, and will not write the Deployment itself any more.
	kubectl(t, "", "-n", namespace, "wait", "deployment/shop", "--for", "jsonpath={.status.observedGeneration}=1", "--timeout", "2m")
	var set, uid string
	eventually(t, "the ReplicaSet", func() error {
		sets, err := shared.Client.AppsV1().ReplicaSets(namespace).List(t.Context(), metav1.ListOptions{})
		if err == nil && (len(sets.Items) != 1 || sets.Items[0].Status.ObservedGeneration == 0) {
			return fmt.Errorf("there are %d", len(sets.Items))
		}
		if err == nil {
			set, uid = sets.Items[0].Name, string(sets.Items[0].UID)
		}
		return err
	})
	target := "namespaces: [" + namespace + "]}"
	const all, pods = "behaviour.all-workloads", "behaviour.pods"
	applied(t, policyOf(all, "(object.kind == 'Pod' ? object.metadata.labels : object.spec.template.metadata.labels).app != 'shop'",
		"targets: {kinds: [Deployment, ReplicaSet, Pod], "+target))
	eventually(t, "a denial of the Deployment", func() error {
		_, err := shared.Kubectl(t.Context(), strings.Replace(deployment, "name: shop,", "name: shop-2,", 1), "create", "--dry-run=server", "-f", "-")
		return deniedBy(all, err)
	})
	count := func() int {
		list, err := shared.Client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	kubectl(t, "", "-n", namespace, "scale", "deployment/shop", "--replicas", "2")
	eventually(t, "pods of a Deployment that is there already", func() error {
		if n := count(); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})

	// Whoever may create pods can write that a ReplicaSet made them.
	mallory, err := shared.UserKubeconfig("mallory")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "-n", namespace, "create", "rolebinding", "mallory", "--clusterrole", "edit", "--user", "mallory")
	forged := fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  name: forged
  namespace: %s
  labels: {app: shop}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: %s, uid: %s, controller: true}]
spec: {containers: [{name: shop, image: "shop:1.0"}]}
`, namespace, set, uid)
	eventually(t, "a denial of the forged pod", func() error {
		_, err := shared.KubectlAs(t.Context(), mallory, forged, "create", "-f", "-")
		if err != nil && strings.Contains(err.Error(), "forbidden: User") {
			return err // the rights come a moment later
		}
		if err := deniedBy(all, err); err != nil {
			t.Fatal(err)
		}
		return nil
	})

	// A policy about pods alone judges those of controllers, since nothing else does.
	kubectl(t, "", "delete", "policy", all)
	applied(t, policyOf(pods, "object.metadata.labels.app != 'shop'", "targets: {kinds: [Pod], "+target))
	eventually(t, "a denial of a pod", func() error {
		_, err := shared.Kubectl(t.Context(), forged, "create", "--dry-run=server", "-f", "-")
		return deniedBy(pods, err)
	})
	kubectl(t, "", "-n", namespace, "scale", "deployment/shop", "--replicas", "4")
	eventually(t, "an event about pods that are denied", func() error {
		events, err := shared.Kubectl(t.Context(), "", "-n", namespace, "get", "events", "--field-selector", "reason=FailedCreate,involvedObject.name="+set, "-o", "jsonpath={.items[*].message}")
		if err == nil && !(strings.Contains(events, "denied the request") && strings.Contains(events, pods)) {
			err = fmt.Errorf("there are %q", events)
		}
		return err
	})
	if n := count(); n != 2 {
		t.Errorf("there are %d pods, want 2", n)
	}
}

func testWorkloads(t *testing.T) {
	applied(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  names: {kind: Rollout, plural: rollouts, singular: rollout}
  scope: Namespaced
  versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`)
	const namespace, name = "behaviour-workloads", "behaviour.other-workloads"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyOf(name, "!object.spec.template.spec.?hostPID.orValue(false)", "targets: {kinds: [Deployment], apiGroups: [apps], namespaces: ["+namespace+"]}"))
	rollout := func(hostPID bool) string {
		return fmt.Sprintf("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web, namespace: %s}\nspec: {template: {spec: {hostPID: %t, containers: [{name: web, image: web}]}}}\n", namespace, hostPID)
	}
	eventually(t, "a denial of a Rollout", func() error {
		_, err := shared.Kubectl(t.Context(), rollout(true), "create", "--dry-run=server", "-f", "-")
		return deniedBy(name, err)
	})
	kubectl(t, rollout(false), "create", "-f", "-")
}

func testNewNamespaces(t *testing.T) {
	const name = "behaviour.labelled-namespaces"
	applied(t, policyOf(name, "object.metadata.name != 'here'", "targets: {kinds: [ConfigMap], namespaceSelector: {matchLabels: {e2e.example/guarded: \"yes\"}}}"))
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: behaviour-new-0, labels: {e2e.example/guarded: \"yes\"}}\n")
	eventually(t, "a denial", func() error { return deniedBy(name, try(t.Context(), configMap("behaviour-new-0", "here", nil))) })
	namespaces := shared.Client.CoreV1().Namespaces()
	for n := 1; n <= 20; n++ {
		// Every fourth is none of the policy's.
		labels := map[string]string{"e2e.example/guarded": "yes"}
		if n%4 == 0 {
			labels = nil
		}
		made, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("behaviour-new-%d", n), Labels: labels}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = create(t.Context(), configMap(made.Name, "here", nil))
		if (n%4 == 0) != (err == nil) || err != nil && deniedBy(name, err) != nil {
			t.Errorf("in namespace %s with labels %v: %v", made.Name, made.Labels, err)
		}
		if err := namespaces.Delete(t.Context(), made.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func testNewKind(t *testing.T) {
	const name, namespace = "behaviour.widgets", "behaviour-widgets"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyOf(name, "object.spec.size < 3", "targets: {kinds: [Widget], apiGroups: [e2e.example]}"))
	eventuallyCondition(t, "policy/"+name, "Ready", "True")
	applied(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.e2e.example}
spec:
  group: e2e.example
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}]
`)
	kubectl(t, "", "wait", "--for", "condition=Established", "crd/widgets.e2e.example", "--timeout", "2m")
	widget := func(size string) string {
		return "apiVersion: e2e.example/v1\nkind: Widget\nmetadata: {name: w, namespace: " + namespace + "}\nspec: {size: " + size + "}\n"
	}
	eventually(t, "a denial of an object of the new kind", func() error {
		_, err := shared.Kubectl(t.Context(), widget("3"), "create", "--dry-run=server", "-f", "-")
		return deniedBy(name, err)
	})
	kubectl(t, widget("2"), "create", "-f", "-")
	_, err := shared.Kubectl(t.Context(), widget("4"), "apply", "-f", "-")
	if err := deniedBy(name, err); err != nil {
		t.Error(err)
	}
}
