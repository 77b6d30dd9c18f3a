package policy

import (
	"reflect"
	"strings"
	"testing"
)

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

func TestWorkloadsAreReadAsTheyAreWritten(t *testing.T) {
	for _, s := range []string{"argoproj.io/Rollout=spec.template", "keda.sh/ScaledJob=spec.jobTargetRef.template:Job", "serving.knative.dev/Revision=."} {
		w, err := ParseWorkload(s)
		if err != nil || w.String() != s {
			t.Errorf("ParseWorkload(%s) = %s, %v", s, w, err)
		}
		if known := KnownWorkloads()[w.GroupKind]; !reflect.DeepEqual(known, w) {
			t.Errorf("%s is known as %s", s, known)
		}
	}
	for s, want := range map[string]string{
		"":                                  "expected GROUP/KIND=PATH",
		"Rollout=spec.template":             `"Rollout" is no GROUP/KIND`,
		"argoproj.io/v1alpha1/Rollout=spec": "is no GROUP/KIND",
		"argoproj.io/=spec":                 "is no GROUP/KIND",
		"argoproj.io/Rollout=":              "empty path",
		"argoproj.io/Rollout=spec.tasks[0]": "leads into a list",
		"argoproj.io/Rollout=spec.template:CronJob": "DaemonSet, Deployment, Job, ReplicaSet, StatefulSet",
		"apps/Deployment=spec.template":             "is a kind of Kubernetes itself",
	} {
		if w, err := ParseWorkload(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseWorkload(%q) = %s, %v; want an error with %q", s, w, err, want)
		}
	}
}

func TestAViewHasTheTemplateWhereTheOtherKindHasIt(t *testing.T) {
	pod := map[string]any{"hostPID": true}
	labels := map[string]any{"labels": map[string]any{"a": "b"}}
	for name, test := range map[string]struct {
		workload string
		content  map[string]any
		want     map[string]any
		// paths of the view lead to these of the object.
		paths map[string]string
	}{
		"in place": {
			"argoproj.io/Rollout=spec.template",
			map[string]any{"kind": "Rollout", "metadata": labels, "spec": map[string]any{"replicas": int64(2), "template": map[string]any{"spec": pod}}},
			map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": labels, "spec": map[string]any{"replicas": int64(2), "template": map[string]any{"spec": pod}}},
			map[string]string{"spec.template.spec.hostPID": "spec.template.spec.hostPID", "": ""},
		},
		"deeper": {
			"keda.sh/ScaledJob=spec.jobTargetRef.template:Job",
			map[string]any{"spec": map[string]any{"jobTargetRef": map[string]any{"template": map[string]any{"metadata": labels, "spec": pod}}}},
			map[string]any{"apiVersion": "batch/v1", "kind": "Job", "spec": map[string]any{
				"jobTargetRef": map[string]any{"template": map[string]any{"metadata": labels, "spec": pod}}, "template": map[string]any{"metadata": labels, "spec": pod},
			}},
			map[string]string{
				"spec.template.spec.hostPID": "spec.jobTargetRef.template.spec.hostPID", "$.spec.template": "spec.jobTargetRef.template",
				"spec.templates": "spec.templates", "metadata.labels.a": "metadata.labels.a", `spec.template["metadata"]`: `spec.jobTargetRef.template["metadata"]`,
			},
		},
		"the object itself": {
			"serving.knative.dev/Revision=.",
			map[string]any{"metadata": labels, "spec": pod},
			map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": labels, "spec": map[string]any{"hostPID": true, "template": map[string]any{"metadata": labels, "spec": pod}}},
			map[string]string{"spec.template.spec.hostPID": "spec.hostPID", "spec.template": ""},
		},
		"without a template":       {"argoproj.io/Rollout=spec.template", map[string]any{"spec": map[string]any{"workloadRef": map[string]any{}}}, nil, nil},
		"a template of no map":     {"argoproj.io/Rollout=spec.template", map[string]any{"spec": map[string]any{"template": "x"}}, nil, nil},
		"a template without a pod": {"argoproj.io/Rollout=spec.template", map[string]any{"spec": map[string]any{"template": map[string]any{"spec": []any{}}}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := ParseWorkload(test.workload)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.View(test.content); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			for path, want := range test.paths {
				if got := w.Original(path); got != want {
					t.Errorf("%s is %s in the object, want %s", path, got, want)
				}
			}
		})
	}
}

func FuzzParseWorkload(f *testing.F) {
	f.Add("argoproj.io/Rollout=spec.template:Job")
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseWorkload(s)
		if err != nil {
			return
		}
		again, err := ParseWorkload(w.String())
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Errorf("%q is written as %s, which is read as %s, %v", s, w, again, err)
		}
	})
}
