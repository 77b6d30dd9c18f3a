package policy

import "testing"

func TestPodSpecPath(t *testing.T) {
	for kind, want := range map[string]string{
		"Pod":                   "spec",
		"PodTemplate":           "template.spec",
		"Deployment":            "spec.template.spec",
		"StatefulSet":           "spec.template.spec",
		"DaemonSet":             "spec.template.spec",
		"ReplicaSet":            "spec.template.spec",
		"ReplicationController": "spec.template.spec",
		"Job":                   "spec.template.spec",
		"CronJob":               "spec.jobTemplate.spec.template.spec",
	} {
		path, ok := PodSpecPath(kind)
		if !ok || path.String() != want {
			t.Errorf("PodSpecPath(%s) = %s, %v; want %s", kind, path, ok, want)
		}
	}
	if path, ok := PodSpecPath("Service"); ok {
		t.Errorf("PodSpecPath(Service) = %s; a Service contains no pod", path)
	}
}

func TestResolveFindsThePodOfEveryKind(t *testing.T) {
	path, err := ParsePath("spec.template.spec.hostNetwork")
	if err != nil {
		t.Fatal(err)
	}
	pod := map[string]any{"hostNetwork": true}
	for kind, object := range map[string]map[string]any{
		"Pod":         {"kind": "Pod", "spec": pod},
		"PodTemplate": {"kind": "PodTemplate", "template": map[string]any{"spec": pod}},
		"Deployment":  {"kind": "Deployment", "spec": map[string]any{"template": map[string]any{"spec": pod}}},
	} {
		where, _ := PodSpecPath(kind)
		resolved, present := path.Resolve(object)
		if want := where.String() + ".hostNetwork"; resolved.String() != want || present != len(resolved) {
			t.Errorf("%s: resolved to %s with %d steps present; want %s", kind, resolved, present, want)
		}
	}
}
