package policytest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPodBecomesEveryKind(t *testing.T) {
	pod := map[string]any{
		"metadata": map[string]any{
			"name": "web", "namespace": "shop",
			"labels": map[string]any{"a": "b"}, "annotations": map[string]any{"c": "d"},
		},
		"spec": map[string]any{"hostNetwork": true},
	}
	template := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"a": "b"}, "annotations": map[string]any{"c": "d"}},
		"spec":     pod["spec"],
	}
	outer := map[string]any{"name": "web", "namespace": "shop", "labels": map[string]any{"a": "b"}}
	inTemplate := func(apiVersion, kind string) map[string]any {
		return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": outer, "spec": map[string]any{"template": template}}
	}
	want := []podObject{
		{"Pod", map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "spec": pod["spec"]}, ""},
		{"Deployment", inTemplate("apps/v1", "Deployment"), "spec.template."},
		{"StatefulSet", inTemplate("apps/v1", "StatefulSet"), "spec.template."},
		{"DaemonSet", inTemplate("apps/v1", "DaemonSet"), "spec.template."},
		{"ReplicaSet", inTemplate("apps/v1", "ReplicaSet"), "spec.template."},
		{"ReplicationController", inTemplate("v1", "ReplicationController"), "spec.template."},
		{"Job", inTemplate("batch/v1", "Job"), "spec.template."},
		{"CronJob", map[string]any{
			"apiVersion": "batch/v1", "kind": "CronJob", "metadata": outer,
			"spec": map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": template}}},
		}, "spec.jobTemplate.spec.template."},
	}
	if diff := cmp.Diff(want, expand(pod, nil), cmp.AllowUnexported(podObject{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	some := expand(pod, []string{"Service", "CronJob", "PodTemplate", "Pod"})
	if len(some) != 3 || some[0].kind != "Pod" || some[1].kind != "CronJob" || some[2].kind != "PodTemplate" || some[2].prefix != "template." {
		t.Errorf("chosen kinds: %v", some)
	}
}

func TestAPathOfThePodIsFoundInEveryKind(t *testing.T) {
	cronJob := podObject{prefix: "spec.jobTemplate.spec.template."}
	for ofPod, want := range map[string]string{
		"":                         "",
		"spec.hostNetwork":         "spec.jobTemplate.spec.template.spec.hostNetwork",
		"metadata.annotations.a":   "spec.jobTemplate.spec.template.metadata.annotations.a",
		"metadata.namespace":       "metadata.namespace",
		"metadata.name":            "metadata.name",
		`metadata.labels["a.b/c"]`: `spec.jobTemplate.spec.template.metadata.labels["a.b/c"]`,
	} {
		if got := cronJob.path(ofPod); got != want {
			t.Errorf("%s is at %s, want %s", ofPod, got, want)
		}
	}
}
