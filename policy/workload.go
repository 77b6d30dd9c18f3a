package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// PodSpecPath is where objects of a kind keep the pod spec: "spec" for a Pod, "spec.template.spec" for a Deployment.
// It is false for kinds that neither are nor contain a pod. Callers must not change the path.
func PodSpecPath(kind string) (Path, bool) {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job":
		return templateSpec, true
	case "Pod":
		return Path{Key("spec")}, true
	case "CronJob":
		return Path{Key("spec"), Key("jobTemplate"), Key("spec"), Key("template"), Key("spec")}, true
	case "PodTemplate":
		return Path{Key("template"), Key("spec")}, true
	}
	return nil, false
}

// templateSpec is where most workloads keep their pod spec, and where older policies look for it in every kind.
var templateSpec = Path{Key("spec"), Key("template"), Key("spec")}

// Workload is a kind of others than Kubernetes whose objects contain a pod template, such as an Argo Rollout. Policies that
// target the built-in kind that it is like judge it too, through a View.
type Workload struct {
	GroupKind
	// Template leads to the pod template: the map that holds the pod's metadata and spec. It has keys only, and none where the
	// object itself is the template.
	Template Path
	// As is the built-in kind that it is like.
	As GroupKind
}

// likeness are the kinds that a Workload can be like: those with a pod template at spec.template.
var likeness = map[string]string{"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps", "Job": "batch"}

// ParseWorkload reads GROUP/KIND=PATH, or GROUP/KIND=PATH:LIKE where the kind is not like a Deployment but like a StatefulSet,
// DaemonSet, ReplicaSet or Job:
//
//	argoproj.io/Rollout=spec.template
//	keda.sh/ScaledJob=spec.jobTargetRef.template:Job
//
// The path "." means that the object itself has the shape of a template, its pod spec at spec.
func ParseWorkload(s string) (Workload, error) {
	var w Workload
	name, rest, found := strings.Cut(s, "=")
	if !found {
		return w, errors.New("expected GROUP/KIND=PATH, such as argoproj.io/Rollout=spec.template")
	}
	if w.Group, w.Kind, found = strings.Cut(name, "/"); !found || w.Group == "" || w.Kind == "" || strings.ContainsAny(w.Kind, "/.") {
		return w, fmt.Errorf("%q is no GROUP/KIND, such as argoproj.io/Rollout (without a version)", name)
	}
	path, like, found := strings.Cut(rest, ":")
	if !found {
		like = "Deployment"
	}
	w.As.Kind, w.As.Group = like, likeness[like]
	if w.As.Group == "" {
		return w, fmt.Errorf("%q is none of the kinds that it can be like: %s", like, strings.Join(slices.Sorted(maps.Keys(likeness)), ", "))
	}
	if _, builtin := PodSpecPath(w.Kind); builtin && likeness[w.Kind] == w.Group {
		return w, fmt.Errorf("%s is a kind of Kubernetes itself, whose pod template is known", name)
	}
	if path == "." {
		return w, nil
	}
	var err error
	if w.Template, err = ParsePath(path); err != nil {
		return w, fmt.Errorf("reading where the pod template is: %w", err)
	}
	if slices.ContainsFunc(w.Template, func(s Step) bool { return s.IsIndex }) {
		return w, fmt.Errorf("the path %q leads into a list: only a single pod template can be judged", path)
	}
	return w, nil
}

// String is what ParseWorkload reads.
func (w Workload) String() string {
	path := w.Template.String()
	if path == "" {
		path = "."
	}
	s := w.Group + "/" + w.Kind + "=" + path
	if w.As.Kind != "Deployment" {
		s += ":" + w.As.Kind
	}
	return s
}

// View is the object as one of the kind that it is like, with the pod template where that has it; nil when the object has no pod
// template. What is not the template stays where it is, and is shared with the object.
func (w Workload) View(content map[string]any) map[string]any {
	template := content
	for _, step := range w.Template {
		if template, _ = template[step.Key].(map[string]any); template == nil {
			return nil
		}
	}
	if _, ok := template["spec"].(map[string]any); !ok {
		return nil
	}
	view := maps.Clone(content)
	view["apiVersion"], view["kind"] = w.As.Group+"/v1", w.As.Kind
	if w.inPlace() {
		return view
	}
	spec, _ := content["spec"].(map[string]any)
	if spec = maps.Clone(spec); spec == nil {
		spec = map[string]any{}
	}
	// Where the object itself is the template, that would hold all of it.
	pod := map[string]any{"spec": template["spec"]}
	if metadata := template["metadata"]; metadata != nil {
		pod["metadata"] = metadata
	}
	spec["template"], view["spec"] = pod, spec
	return view
}

// inPlace tells whether the template is where the kind that it is like has it.
func (w Workload) inPlace() bool {
	return len(w.Template) == 2 && w.Template[0].Key == "spec" && w.Template[1].Key == "template"
}

// Original is where a field of a View is in the object, for paths as policies write them.
func (w Workload) Original(path string) string {
	const template = "spec.template"
	rest, found := strings.CutPrefix(strings.TrimPrefix(strings.TrimPrefix(path, "$"), "."), template)
	if w.inPlace() || !found || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return path
	}
	if len(w.Template) == 0 {
		return strings.TrimPrefix(rest, ".")
	}
	return w.Template.String() + rest
}

// Workloads are kinds that contain a pod template.
type Workloads map[GroupKind]Workload

// KnownWorkloads are those that many clusters have: of Argo Rollouts, OpenKruise, Knative, OpenShift and KEDA.
func KnownWorkloads() Workloads {
	deployment, job := GroupKind{Group: "apps", Kind: "Deployment"}, GroupKind{Group: "batch", Kind: "Job"}
	template := Path{Key("spec"), Key("template")}
	return newWorkloads([]Workload{
		{GroupKind{Group: "argoproj.io", Kind: "Rollout"}, template, deployment},
		{GroupKind{Group: "apps.kruise.io", Kind: "CloneSet"}, template, deployment},
		{GroupKind{Group: "apps.kruise.io", Kind: "StatefulSet"}, template, GroupKind{Group: "apps", Kind: "StatefulSet"}},
		{GroupKind{Group: "apps.kruise.io", Kind: "DaemonSet"}, template, GroupKind{Group: "apps", Kind: "DaemonSet"}},
		{GroupKind{Group: "apps.kruise.io", Kind: "BroadcastJob"}, template, job},
		{GroupKind{Group: "apps.openshift.io", Kind: "DeploymentConfig"}, template, deployment},
		{GroupKind{Group: "keda.sh", Kind: "ScaledJob"}, Path{Key("spec"), Key("jobTargetRef"), Key("template")}, job},
		// Knative makes a Configuration of a Service, Revisions of that, and a Deployment of each.
		{GroupKind{Group: "serving.knative.dev", Kind: "Service"}, template, deployment},
		{GroupKind{Group: "serving.knative.dev", Kind: "Configuration"}, template, deployment},
		{GroupKind{Group: "serving.knative.dev", Kind: "Revision"}, nil, deployment},
	})
}

func newWorkloads(all []Workload) Workloads {
	w := make(Workloads, len(all))
	for _, each := range all {
		w[each.GroupKind] = each
	}
	return w
}

// With is these and others, which win.
func (w Workloads) With(others []Workload) Workloads {
	all := newWorkloads(nil)
	maps.Copy(all, w)
	maps.Copy(all, newWorkloads(others))
	return all
}

// Target tells whether targets mean objects of a kind: by its own name, or by that of the kind that it is like.
func (w Workloads) Target(t *v2.PolicyTargets, kind GroupKind) bool {
	if TargetKind(t, kind) {
		return true
	}
	like, ok := w[kind]
	return ok && TargetKind(t, like.As)
}

// TargetKind tells whether targets mean objects of a kind by its own name.
func TargetKind(t *v2.PolicyTargets, kind GroupKind) bool {
	return (len(t.Kinds) == 0 || slices.Contains(t.Kinds, kind.Kind)) && (len(t.APIGroups) == 0 || slices.Contains(t.APIGroups, kind.Group))
}
