package v2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PolicyException accepts violations of policies for a reason and a time. An excepted violation is shown as excepted,
// never hidden, and comes back by itself when the exception expires.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,path=policyexceptions,singular=policyexception,categories=assay
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PolicyException struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// Spec says what is accepted, why and for how long.
	Spec PolicyExceptionSpec `json:"spec"`
	// Status is what the agent found out about the exception.
	// +optional
	Status PolicyExceptionStatus `json:"status,omitzero"`
}

// PolicyExceptionSpec says what is accepted, why and for how long.
type PolicyExceptionSpec struct {
	// Policies are ids of policies; * stands for all but those with the tag tenancy.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:items:MinLength=1
	Policies []string `json:"policies"`
	// Match says for which objects violations are accepted. All given conditions must hold, at least one is needed.
	Match PolicyExceptionMatch `json:"match"`
	// Reason says to auditors why.
	// +kubebuilder:validation:MinLength=1
	Reason string `json:"reason"`
	// Expires is when the exception ends; never when absent.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
}

// PolicyExceptionMatch says for which objects violations are accepted. All given conditions must hold.
// +kubebuilder:validation:XValidation:rule="(has(self.workspaces) && size(self.workspaces) > 0) || (has(self.namespaces) && size(self.namespaces) > 0) || (has(self.apps) && size(self.apps) > 0) || (has(self.resources) && size(self.resources) > 0) || (has(self.labels) && size(self.labels) > 0)",message="say for which objects violations are accepted: give at least one of workspaces, namespaces, apps, resources and labels"
type PolicyExceptionMatch struct {
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
	// Labels must all be among the object's labels; the value * matches any value.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// PolicyExceptionStatus is what the agent found out about an exception.
type PolicyExceptionStatus struct {
	// Conditions: Ready is true while the exception holds; reason Expired afterwards.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// PolicyExceptionList is a list of policy exceptions.
// +kubebuilder:object:root=true
type PolicyExceptionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PolicyException `json:"items"`
}
