package kube

import (
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// Controller is an object whose controller makes others.
type Controller struct {
	Group, Version, Kind string
	Name, UID            string
	// Account is that of its controller in kube-system; empty when it is no built-in workload.
	Account string
}

// GroupKind is its group and kind.
func (c Controller) GroupKind() policy.GroupKind {
	return policy.GroupKind{Group: c.Group, Kind: c.Kind}
}

// ControllerOf is what the object says that controls it, and whether that is a built-in workload. Anybody can write so: believe it
// only after having looked.
func ControllerOf(object map[string]any) (c Controller, builtin bool) {
	metadata, _ := object["metadata"].(map[string]any)
	owners, _ := metadata["ownerReferences"].([]any)
	for _, each := range owners {
		owner, _ := each.(map[string]any)
		if controller, _ := owner["controller"].(bool); !controller {
			continue
		}
		// An object has one controller.
		apiVersion, _ := owner["apiVersion"].(string)
		c.Version = apiVersion
		c.Kind, _ = owner["kind"].(string)
		c.Name, _ = owner["name"].(string)
		c.UID, _ = owner["uid"].(string)
		if group, version, found := strings.Cut(apiVersion, "/"); found {
			c.Group, c.Version = group, version
		}
		c.Account = builtinController(apiVersion, c.Kind)
		return c, c.Account != ""
	}
	return c, false
}

// builtinController is the account in kube-system of the controller that makes the objects of a built-in workload; empty for others.
func builtinController(apiVersion, kind string) (account string) {
	switch apiVersion + " " + kind {
	case "apps/v1 Deployment":
		return "deployment-controller"
	case "apps/v1 ReplicaSet":
		return "replicaset-controller"
	case "apps/v1 StatefulSet":
		return "statefulset-controller"
	case "apps/v1 DaemonSet":
		return "daemon-set-controller"
	case "batch/v1 Job":
		return "job-controller"
	case "batch/v1 CronJob":
		return "cronjob-controller"
	case "v1 ReplicationController":
		return "replication-controller"
	}
	return ""
}
