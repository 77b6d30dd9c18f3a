package kube

import "strings"

// Controller is a built-in workload whose controller makes objects.
type Controller struct {
	Group, Version, Kind string
	Name, UID            string
	// Resource is the plural of its kind.
	Resource string
	// Account is that of its controller in kube-system.
	Account string
}

// ControllerOf is what the object says that controls it, if that is a built-in workload. Anybody can write so: believe it only
// after having looked.
func ControllerOf(object map[string]any) (Controller, bool) {
	metadata, _ := object["metadata"].(map[string]any)
	owners, _ := metadata["ownerReferences"].([]any)
	for _, each := range owners {
		owner, _ := each.(map[string]any)
		if controller, _ := owner["controller"].(bool); !controller {
			continue
		}
		// An object has one controller.
		apiVersion, _ := owner["apiVersion"].(string)
		c := Controller{Version: apiVersion}
		c.Kind, _ = owner["kind"].(string)
		c.Name, _ = owner["name"].(string)
		c.UID, _ = owner["uid"].(string)
		if group, version, found := strings.Cut(apiVersion, "/"); found {
			c.Group, c.Version = group, version
		}
		var known bool
		c.Resource, c.Account, known = builtinController(apiVersion, c.Kind)
		return c, known
	}
	return Controller{}, false
}

// builtinController is the resource of a built-in workload, and the account in kube-system of the controller that makes its objects.
func builtinController(apiVersion, kind string) (resource, account string, known bool) {
	switch apiVersion + " " + kind {
	case "apps/v1 Deployment":
		return "deployments", "deployment-controller", true
	case "apps/v1 ReplicaSet":
		return "replicasets", "replicaset-controller", true
	case "apps/v1 StatefulSet":
		return "statefulsets", "statefulset-controller", true
	case "apps/v1 DaemonSet":
		return "daemonsets", "daemon-set-controller", true
	case "batch/v1 Job":
		return "jobs", "job-controller", true
	case "batch/v1 CronJob":
		return "cronjobs", "cronjob-controller", true
	case "v1 ReplicationController":
		return "replicationcontrollers", "replication-controller", true
	}
	return "", "", false
}
