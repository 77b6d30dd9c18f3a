package policytest

import (
	"slices"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// workload is a kind that contains a pod.
type workload struct{ kind, apiVersion string }

// workloads are the kinds in which a pod is tried, in this order.
var workloads = []workload{
	{"Pod", "v1"},
	{"Deployment", "apps/v1"},
	{"StatefulSet", "apps/v1"},
	{"DaemonSet", "apps/v1"},
	{"ReplicaSet", "apps/v1"},
	{"ReplicationController", "v1"},
	{"Job", "batch/v1"},
	{"CronJob", "batch/v1"},
	{"PodTemplate", "v1"},
}

// podObject is a pod as an object of some kind.
type podObject struct {
	kind    string
	content map[string]any
	// prefix leads from the object to the pod: "spec.template." for a Deployment, "" for a Pod.
	prefix string
}

// expand makes an object of each of the kinds that contain a pod from a pod. Kinds that contain none are left out; all
// but PodTemplate are made when kinds is empty. What names the object (name, namespace) goes to the object, annotations
// go to the pod, labels to both.
func expand(pod map[string]any, kinds []string) []podObject {
	metadata, _ := pod["metadata"].(map[string]any)
	outer := map[string]any{"name": "test"}
	inner := map[string]any{}
	for key, value := range metadata {
		switch key {
		case "labels":
			outer[key], inner[key] = value, value
		case "annotations":
			inner[key] = value
		default:
			outer[key] = value
		}
	}
	var objects []podObject
	for _, w := range workloads {
		if !slices.Contains(kinds, w.kind) && (len(kinds) > 0 || w.kind == "PodTemplate") {
			continue
		}
		object := podObject{kind: w.kind, content: map[string]any{"apiVersion": w.apiVersion, "kind": w.kind}}
		if w.kind == "Pod" {
			whole := map[string]any{"name": "test"}
			for key, value := range metadata {
				whole[key] = value
			}
			object.content["metadata"] = whole
			setSpec(object.content, pod)
			objects = append(objects, object)
			continue
		}
		object.content["metadata"] = outer
		specPath, _ := policy.PodSpecPath(w.kind)
		template := object.content
		for _, step := range specPath[:len(specPath)-1] {
			next := map[string]any{}
			template[step.Key] = next
			template = next
		}
		template["metadata"] = inner
		setSpec(template, pod)
		object.prefix = strings.TrimSuffix(specPath.String(), "spec")
		objects = append(objects, object)
	}
	return objects
}

func setSpec(template, pod map[string]any) {
	if spec, ok := pod["spec"]; ok {
		template["spec"] = spec
	}
}

// path is where a path of the pod is in the object. Name and namespace are always the object's own.
func (o *podObject) path(ofPod string) string {
	if ofPod == "" || ofPod == "metadata.name" || ofPod == "metadata.namespace" {
		return ofPod
	}
	return o.prefix + ofPod
}
