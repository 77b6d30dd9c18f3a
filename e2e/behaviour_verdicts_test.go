package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func testWarnings(t *testing.T) {
	const advice, order, namespace = "behaviour.advises", "behaviour.orders", "behaviour-warnings"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	target := "targets: {kinds: [ConfigMap], namespaces: [" + namespace + "]}"
	applied(t, policyOf(advice, "'owner' in object.data", target, "enforce: false", "exclude: {resources: ["+namespace+"/kube-root-ca.crt]}"))
	applied(t, policyOf(order, "!('evil' in object.data)", target, "exclude: {resources: ["+namespace+"/kube-root-ca.crt]}"))
	object := func(name, data string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {%s}\n", name, namespace, data)
	}
	want := "Warning: " + advice + " (high): configmap/advised: " + advice + " is violated"
	eventually(t, "a warning at a dry run", func() error {
		beside, err := warned(t, object("advised", "a: b"), "create", "--dry-run=server", "-f", "-")
		if err != nil || !strings.Contains(beside, "is violated") {
			return fmt.Errorf("%q, %v", beside, err)
		}
		if strings.Count(beside, want) != 1 {
			t.Errorf("the warnings are %q, want %q once", beside, want)
		}
		return nil
	})
	violations := func() (sum float64) {
		for _, p := range agents(t) {
			sum += metric(t, p, "assay_violations_total", `policy="`+advice+`"`)
		}
		return sum
	}
	if n := violations(); n != 0 {
		t.Errorf("dry runs were counted as %g violations", n)
	}
	beside, err := warned(t, object("advised", "a: b"), "create", "-f", "-")
	if err != nil || strings.Count(beside, want) != 1 {
		t.Errorf("%v, %q, want %q once", err, beside, want)
	}
	if n := violations(); n != 1 {
		t.Errorf("the violation was counted %g times", n)
	}
	if beside, err := warned(t, object("owned", "owner: me"), "create", "-f", "-"); err != nil || strings.Contains(beside, "Warning") {
		t.Errorf("what violates nothing: %v, %q", err, beside)
	}
	// A dry run is denied too, and one answer holds both: why it is denied, and what else was found.
	for _, args := range [][]string{{"create", "-f", "-"}, {"create", "--dry-run=server", "-f", "-"}} {
		eventually(t, "a denial", func() error {
			beside, err := warned(t, object("evil", "evil: \"yes\""), args...)
			if err == nil || deniedBy(order, errors.New(beside)) != nil {
				return fmt.Errorf("%v, %q", err, beside)
			}
			if !strings.Contains(beside, "Warning: "+advice) || strings.Contains(beside, "Policy\t: "+advice) {
				t.Errorf("advice and order are not kept apart: %q", beside)
			}
			return nil
		})
	}
}

func testMutation(t *testing.T) {
	const name, namespace = "behaviour.repairs", "behaviour-mutation"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	applied(t, policyBegin(name)+fmt.Sprintf(`  mutate: true
  targets: {kinds: [Deployment], namespaces: [%s]}
  cel:
    validations:
      - {expression: "object.spec.revisionHistoryLimit == 3", message: "the history is not 3 long", path: spec.revisionHistoryLimit, recommendedValueExpression: "3"}
      - expression: "object.metadata.?annotations[?'e2e.example/owner.name'].orValue('') == 'us'"
        message: "it is not ours"
        path: metadata.annotations["e2e.example/owner.name"]
        recommendedValueExpression: "'us'"
`, namespace))
	deployment := strings.NewReplacer("namespace: guarded", "namespace: "+namespace, "replicas: 1", "replicas: 0\n  revisionHistoryLimit: 10").Replace(guarded)
	const fields = `jsonpath={.spec.revisionHistoryLimit} {.metadata.annotations.e2e\.example/owner\.name} {.metadata.labels}`
	const right = `3 us {"pac.weave.works/mutated":""}`
	eventually(t, "a repair", func() error {
		is, err := shared.Kubectl(t.Context(), deployment, "create", "--dry-run=server", "-f", "-", "-o", fields)
		if err == nil && !strings.HasPrefix(is, "3 us ") {
			err = fmt.Errorf("it is %s", is)
		}
		return err
	})
	// The policy is enforced: what is created was repaired before it was judged. An API server hears of the two webhooks at once.
	check := func(what string) {
		t.Helper()
		if is := kubectl(t, "", "-n", namespace, "get", "deployment", "shop", "-o", fields); is != right {
			t.Errorf("after %s it is %q, want %q", what, is, right)
		}
	}
	kubectl(t, deployment, "apply", "-f", "-")
	check("creation")
	kubectl(t, "", "-n", namespace, "patch", "deployment", "shop", "-p", `{"spec":{"revisionHistoryLimit":7}}`)
	check("an update")

	kubectl(t, "", "-n", namespace, "wait", "deployment/shop", "--for", "jsonpath={.status.observedGeneration}=1", "--timeout", "2m")
	for _, apply := range [][]string{{"apply", "-f", "-"}, {"apply", "--server-side", "--force-conflicts", "-f", "-"}} {
		kubectl(t, deployment, apply...)
		before := get(t, "-n", namespace, "deployment", "shop")
		kubectl(t, deployment, apply...)
		if after := get(t, "-n", namespace, "deployment", "shop"); after.GetResourceVersion() != before.GetResourceVersion() {
			t.Errorf("%v of the same again changed the object:\n%v\n%v", apply, before, after)
		}
		check(strings.Join(apply, " "))
	}
}

func testSubresources(t *testing.T) {
	const namespace = "behaviour-subresources"
	applied(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n")
	kubectl(t, strings.NewReplacer("namespace: guarded", "namespace: "+namespace, "replicas: 1", "replicas: 0").Replace(guarded), "create", "-f", "-")
	namespaces := "namespaces: [" + namespace + "]}"
	applied(t, policyOf("behaviour.scale", "object.spec.?replicas.orValue(0) <= 3", "targets: {kinds: [Scale], subresources: [scale], "+namespaces))
	applied(t, policyOf("behaviour.kept", "!('keep' in object.data)", "targets: {kinds: [ConfigMap], operations: [DELETE], "+namespaces))
	applied(t, policyOf("behaviour.ephemeral", "!has(object.spec.ephemeralContainers)", "targets: {kinds: [Pod], subresources: [ephemeralcontainers], "+namespaces))

	scale := func(replicas string, more ...string) error {
		_, err := shared.Kubectl(t.Context(), "", append([]string{"-n", namespace, "scale", "deployment/shop", "--replicas", replicas}, more...)...)
		return err
	}
	eventually(t, "a denial of scale", func() error { return deniedBy("behaviour.scale", scale("5", "--dry-run=server")) })
	if err := deniedBy("behaviour.scale", scale("5")); err != nil {
		t.Error(err)
	}
	if err := scale("0"); err != nil {
		t.Error(err)
	}

	for _, c := range []*corev1.ConfigMap{configMap(namespace, "kept", map[string]string{"keep": "me"}), configMap(namespace, "free", nil)} {
		if err := create(t.Context(), c); err != nil {
			t.Fatal(err) // the policy is about deletions
		}
	}
	remove := func(name string, dryRun ...string) error {
		return shared.Client.CoreV1().ConfigMaps(namespace).Delete(t.Context(), name, metav1.DeleteOptions{DryRun: dryRun})
	}
	eventually(t, "a denial of a deletion", func() error { return deniedBy("behaviour.kept", remove("kept", metav1.DryRunAll)) })
	if err := deniedBy("behaviour.kept", remove("kept")); err != nil {
		t.Error(err)
	}
	if err := remove("free"); err == nil {
		t.Error("a ConfigMap without data was deleted: the policy asks for data and failed, and it fails closed")
	}

	container := corev1.Container{Name: "shop", Image: "shop:1.0"}
	pods := shared.Client.CoreV1().Pods(namespace)
	var pod *corev1.Pod
	eventually(t, "a pod", func() (err error) { // its ServiceAccount comes a moment after the namespace
		pod, err = pods.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}, metav1.CreateOptions{})
		return err
	})
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "shell", Image: "shell:1.0", TerminationMessagePolicy: "File", ImagePullPolicy: "Always"}}}
	attach := func(dryRun ...string) error {
		_, err := pods.UpdateEphemeralContainers(t.Context(), "shop", pod, metav1.UpdateOptions{DryRun: dryRun})
		return err
	}
	eventually(t, "a denial of an ephemeral container", func() error { return deniedBy("behaviour.ephemeral", attach(metav1.DryRunAll)) })
	if err := deniedBy("behaviour.ephemeral", attach()); err != nil {
		t.Error(err)
	}
}
