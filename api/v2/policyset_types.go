package v2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Mode is a way in which a policy acts.
// +kubebuilder:validation:Enum=audit;admission;tf-admission
type Mode string

// The modes.
const (
	ModeAudit       Mode = "audit"
	ModeAdmission   Mode = "admission"
	ModeTFAdmission Mode = "tf-admission"
)

// Provider is the provider of the policies that can act in the mode.
func (m Mode) Provider() Provider {
	if m == ModeTFAdmission {
		return ProviderTerraform
	}
	return ProviderKubernetes
}

// PolicySet chooses the policies that act in a mode. With no PolicySet of a mode, every policy acts in it.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,path=policysets,singular=policyset,categories=assay
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PolicySet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// Spec says which policies act in which mode.
	// +optional
	Spec PolicySetSpec `json:"spec,omitzero"`
	// Status is what the agent found out about the set.
	// +optional
	Status PolicySetStatus `json:"status,omitzero"`
}

// PolicySetSpec says which policies act in which mode.
type PolicySetSpec struct {
	// ID was required by v2beta1 and decides nothing.
	// +optional
	ID string `json:"id,omitempty"`
	// Name is what people call the set.
	// +optional
	Name string `json:"name,omitempty"`
	// Mode in which the matching policies act. A set without a mode (v2beta1) has no effect.
	// +optional
	Mode Mode `json:"mode,omitempty"`
	// Filters choose policies: one that matches any entry of any list is chosen. Empty filters choose none.
	Filters PolicySetFilters `json:"filters"`
}

// PolicySetFilters choose policies; the lists are joined by OR.
type PolicySetFilters struct {
	// IDs are compared with the policy's metadata.name.
	// +optional
	IDs []string `json:"ids,omitempty"`
	// Categories of policies.
	// +optional
	Categories []string `json:"categories,omitempty"`
	// Severities of policies.
	// +optional
	Severities []string `json:"severities,omitempty"`
	// Standards are ids of standards.
	// +optional
	Standards []string `json:"standards,omitempty"`
	// Tags of policies.
	// +optional
	Tags []string `json:"tags,omitempty"`
}

// PolicySetStatus is what the agent found out about a set.
type PolicySetStatus struct {
	// Conditions: Ready is true when the set chooses at least one policy.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Policies is how many policies the set chooses.
	// +optional
	Policies int32 `json:"policies,omitempty"`
}

// PolicySetList is a list of policy sets.
// +kubebuilder:object:root=true
type PolicySetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PolicySet `json:"items"`
}
