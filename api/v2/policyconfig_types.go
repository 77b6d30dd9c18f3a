package v2

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PolicyConfig overrides parameters of policies for the objects it matches.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,path=policyconfigs,singular=policyconfig,categories=assay
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PolicyConfig struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// Spec says which parameters hold where.
	// +optional
	Spec PolicyConfigSpec `json:"spec,omitzero"`
	// Status is what the agent found out about the config.
	// +optional
	Status PolicyConfigStatus `json:"status,omitzero"`
}

// PolicyConfigSpec says which parameters hold where.
type PolicyConfigSpec struct {
	// Match says for which objects the parameters hold.
	Match PolicyConfigTarget `json:"match"`
	// Config holds the parameters by policy id.
	Config map[string]PolicyConfigConfig `json:"config"`
}

// PolicyConfigTarget says for which objects a config holds: exactly one of the lists is given (empty ones do not count). When several configs
// match an object, the more specific one wins for each parameter: workspaces, namespaces, apps, apps with a
// namespace, resources, resources with a namespace, in rising order; within one level the later name wins.
// +kubebuilder:validation:XValidation:rule="has(self.workspaces) || has(self.namespaces) || has(self.apps) || has(self.resources)",message="say for which objects the config holds: give one of workspaces, namespaces, apps and resources"
// +kubebuilder:validation:XValidation:rule="(has(self.workspaces) && size(self.workspaces) > 0 ? 1 : 0) + (has(self.namespaces) && size(self.namespaces) > 0 ? 1 : 0) + (has(self.apps) && size(self.apps) > 0 ? 1 : 0) + (has(self.resources) && size(self.resources) > 0 ? 1 : 0) <= 1",message="give only one of workspaces, namespaces, apps and resources: make a PolicyConfig for each of them"
type PolicyConfigTarget struct {
	// Workspaces are tenants: values of the label toolkit.fluxcd.io/tenant of the object's namespace.
	// +optional
	Workspaces []string `json:"workspaces,omitempty"`
	// Namespaces of the objects.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// Applications are the Flux objects that apply the objects.
	// +optional
	Applications []PolicyTargetApplication `json:"apps,omitempty"`
	// Resources are the objects themselves.
	// +optional
	Resources []PolicyTargetResource `json:"resources,omitempty"`
}

// PolicyTargetApplication names a Flux object.
type PolicyTargetApplication struct {
	// Kind of the Flux object.
	// +kubebuilder:validation:Enum=HelmRelease;Kustomization
	Kind string `json:"kind"`
	// Name of the Flux object.
	Name string `json:"name"`
	// Namespace of the Flux object; any when empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// PolicyTargetResource names an object.
type PolicyTargetResource struct {
	// Kind of the object.
	Kind string `json:"kind"`
	// Name of the object.
	Name string `json:"name"`
	// Namespace of the object; any when empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// PolicyConfigConfig holds parameters of one policy.
type PolicyConfigConfig struct {
	// Parameters by name: any JSON, null included. Each replaces the policy's value as a whole.
	Parameters map[string]apiextensionsv1.JSON `json:"parameters"`
}

// PolicyConfigStatus is what the agent found out about a config.
type PolicyConfigStatus struct {
	// Status is OK or Warning.
	// +optional
	Status string `json:"status,omitempty"`
	// MissingPolicies are ids of policies that the config names and that do not exist.
	// +optional
	MissingPolicies []string `json:"missingPolicies,omitempty"`
	// Conditions: Ready is true when every policy and parameter that the config names exists.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// PolicyConfigList is a list of policy configs.
// +kubebuilder:object:root=true
type PolicyConfigList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PolicyConfig `json:"items"`
}
