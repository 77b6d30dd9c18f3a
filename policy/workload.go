package policy

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
