package v2

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TenancyTag marks policies that hold a workspace together. At admission they act whatever the PolicySets say.
const TenancyTag = "tenancy"

// Severity says how bad a violation is.
// +kubebuilder:validation:Enum=low;medium;high
type Severity string

// The severities.
const (
	SeverityLow    Severity = "low"
	SeverityMedium Severity = "medium"
	SeverityHigh   Severity = "high"
)

// Provider says what a policy judges.
// +kubebuilder:validation:Enum=kubernetes;terraform
type Provider string

// The providers.
const (
	ProviderKubernetes Provider = "kubernetes"
	ProviderTerraform  Provider = "terraform"
)

// FailurePolicy says what an evaluation error means at admission.
// +kubebuilder:validation:Enum=Fail;Ignore
type FailurePolicy string

// The failure policies.
const (
	FailurePolicyFail   FailurePolicy = "Fail"
	FailurePolicyIgnore FailurePolicy = "Ignore"
)

// Policy is a rule that objects are judged by.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,path=policies,singular=policy,categories=assay
// +kubebuilder:printcolumn:name="Severity",type=string,JSONPath=`.spec.severity`
// +kubebuilder:printcolumn:name="Category",type=string,JSONPath=`.spec.category`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="Enforced",type=string,JSONPath=`.spec.enforce`
// +kubebuilder:printcolumn:name="Modes",type=string,JSONPath=`.status.modes_str`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Policy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// Spec is what the policy demands.
	// +optional
	Spec PolicySpec `json:"spec,omitzero"`
	// Status is what the agent found out about the policy.
	// +optional
	Status PolicyStatus `json:"status,omitzero"`
}

// PolicySpec holds what a policy demands, of which objects, with which parameters and how strictly.
// +kubebuilder:validation:XValidation:rule="has(self.cel) || (has(self.code) && size(self.code) > 0)",message="the policy has no rule: write it in code (Rego) or in cel"
// +kubebuilder:validation:XValidation:rule="!has(self.cel) || !has(self.code) || size(self.code) == 0",message="the policy has two rules: keep either code (Rego) or cel and remove the other"
type PolicySpec struct {
	// Name is what people call the policy.
	Name string `json:"name"`
	// ID identifies the policy in PolicySets, PolicyConfigs and results; by convention weave.policies.<slug>, equal to metadata.name.
	ID string `json:"id"`
	// Code is the rule in Rego, v1 or v0 (detected). Its package must define the rule `violation`.
	// +optional
	Code string `json:"code,omitempty"`
	// CEL is the rule in the Common Expression Language, with the libraries of ValidatingAdmissionPolicy.
	// +optional
	CEL *CELRule `json:"cel,omitempty"`
	// Enabled is kept for third parties that read it. It never decided anything and still does not: see enforce and PolicySets.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
	// Enforce says whether a violation is refused at admission and fails a check (true) or is only a warning (false).
	// +optional
	// +kubebuilder:default=true
	Enforce *bool `json:"enforce,omitempty"`
	// FailurePolicy says what an error while evaluating this policy means at admission: Fail refuses the request if the policy is enforced, Ignore lets it pass with a warning.
	// +optional
	// +kubebuilder:default=Fail
	FailurePolicy FailurePolicy `json:"failurePolicy,omitempty"`
	// Parameters are the values the rule reads; a PolicyConfig can override them.
	// +optional
	Parameters []PolicyParameter `json:"parameters,omitempty"`
	// Targets says which objects the policy judges; everything when absent.
	// +optional
	Targets PolicyTargets `json:"targets,omitzero"`
	// Exclude says which objects the policy never judges, though they are targeted.
	// +optional
	Exclude PolicyExclusions `json:"exclude,omitzero"`
	// Description says in Markdown what the policy demands and why.
	Description string `json:"description"`
	// HowToSolve says in Markdown how to satisfy the policy.
	HowToSolve string `json:"how_to_solve"`
	// Category groups policies, by convention weave.categories.<slug>.
	Category string `json:"category"`
	// Tags are free labels. The tag `tenancy` makes the policy act at admission whatever the PolicySets say.
	// +optional
	Tags []string `json:"tags,omitempty"`
	// Severity says how bad a violation is.
	Severity Severity `json:"severity"`
	// Standards are the controls of standards that the policy helps to fulfil.
	// +optional
	Standards []PolicyStandard `json:"standards,omitempty"`
	// Provider says what the policy judges: Kubernetes objects or Terraform plans.
	// +optional
	// +kubebuilder:default=kubernetes
	Provider Provider `json:"provider,omitempty"`
	// Mutate lets admission repair violations by writing the recommended value at the violating path.
	// +optional
	// +kubebuilder:default=false
	Mutate bool `json:"mutate,omitempty"`
}

// IsEnforced tells whether violations are refused rather than warned about; true unless enforce is false.
func (s *PolicySpec) IsEnforced() bool { return s.Enforce == nil || *s.Enforce }

// FailsClosed tells whether a request is refused that the policy could not be evaluated on: it is enforced, and its failure
// policy is not Ignore. What only warns must never be the reason why something is refused.
func (s *PolicySpec) FailsClosed() bool {
	return s.IsEnforced() && s.FailurePolicy != FailurePolicyIgnore
}

// HasTag tells whether the policy carries the tag.
func (s *PolicySpec) HasTag(tag string) bool {
	for _, t := range s.Tags {
		if t == tag {
			return true
		}
	}
	return false
}

// ProviderOrDefault is the provider; kubernetes when none is given.
func (s *PolicySpec) ProviderOrDefault() Provider {
	if s.Provider == "" {
		return ProviderKubernetes
	}
	return s.Provider
}

// PolicyParameter is a value that the rule reads as input.parameters.<name> (Rego) or params.<name> (CEL).
type PolicyParameter struct {
	// Name of the parameter.
	Name string `json:"name"`
	// Type of the value: string, integer, number, boolean, array or object. A null value is allowed for every type.
	Type string `json:"type"`
	// Required says that the rule does not work without a value.
	Required bool `json:"required"`
	// Value is the value unless a PolicyConfig overrides it: any JSON, null included.
	// +optional
	// +nullable
	Value *apiextensionsv1.JSON `json:"value,omitempty"`
	// Description says what the parameter means.
	// +optional
	Description string `json:"description,omitempty"`
}

// PolicyTargets says which objects a policy judges. All given conditions must hold; an empty list matches everything.
type PolicyTargets struct {
	// Kinds are exact kind names, such as Deployment. An empty list stands for all kinds.
	// +nullable
	Kinds []string `json:"kinds"`
	// APIGroups narrow the kinds to these API groups ("" is the core group).
	// +optional
	APIGroups []string `json:"apiGroups,omitempty"`
	// Labels match when any pair of any map is among the object's own labels; the value * matches any value.
	// +optional
	Labels []map[string]string `json:"labels,omitempty"`
	// Namespaces are exact namespace names; cluster-scoped objects never match a non-empty list.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// NamespaceSelector selects by the labels of the object's Namespace; cluster-scoped objects match (a Namespace by its own labels).
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// Operations at admission for which the policy acts; CREATE and UPDATE when empty. Gates without an operation ignore it.
	// +optional
	// +kubebuilder:validation:items:Enum=CREATE;UPDATE;DELETE;CONNECT
	Operations []string `json:"operations,omitempty"`
	// Subresources at admission for which the policy acts too, such as scale, ephemeralcontainers or eviction; none when
	// empty. The object is then what the API server sends for the subresource, and kinds must name its kind: Scale for
	// scale, Pod for ephemeralcontainers.
	// +optional
	Subresources []string `json:"subresources,omitempty"`
}

// PolicyExclusions says which objects a policy never judges. Any condition that holds excludes.
type PolicyExclusions struct {
	// Namespaces are exact namespace names.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// Resources are namespace/name, or /name for a cluster-scoped object; the kind plays no part.
	// +optional
	Resources []string `json:"resources,omitempty"`
	// Labels exclude when any pair is among the object's labels; the value * matches any value.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// PolicyStandard names a standard and the controls of it that the policy helps to fulfil.
type PolicyStandard struct {
	// ID of the standard, by convention weave.standards.<slug>.
	ID string `json:"id"`
	// Controls of the standard, by convention weave.controls.<standard>.<number>.
	// +optional
	Controls []string `json:"controls,omitempty"`
}

// CELRule is a rule in the Common Expression Language. Expressions see the variables of ValidatingAdmissionPolicy
// (object, oldObject, request, params, namespaceObject, variables) and, where the object is or contains a pod,
// workload: see docs/policies-cel.md.
type CELRule struct {
	// MatchConditions must all be true for the policy to apply to an object.
	// +optional
	// +listType=map
	// +listMapKey=name
	MatchConditions []CELMatchCondition `json:"matchConditions,omitempty"`
	// Variables are named expressions that later expressions use as variables.<name>; evaluated when first used.
	// +optional
	// +listType=map
	// +listMapKey=name
	Variables []CELVariable `json:"variables,omitempty"`
	// Validations are what must hold.
	// +kubebuilder:validation:MinItems=1
	Validations []CELValidation `json:"validations"`
}

// CELMatchCondition is a named condition.
type CELMatchCondition struct {
	// Name says in one word what is required.
	Name string `json:"name"`
	// Expression yields a bool.
	Expression string `json:"expression"`
}

// CELVariable is a named expression.
type CELVariable struct {
	// Name is the identifier after `variables.`.
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`
	// Expression yields the value.
	Expression string `json:"expression"`
}

// CELValidation demands something of the object: either expression is true, or occurrences is empty.
// +kubebuilder:validation:XValidation:rule="has(self.expression) != has(self.occurrences)",message="give either expression (a bool that must be true) or occurrences (a list that must be empty)"
// +kubebuilder:validation:XValidation:rule="!has(self.occurrences) || !(has(self.message) || has(self.messageExpression) || has(self.path) || has(self.pathExpression) || has(self.recommendedValueExpression))",message="with occurrences, give message, path and recommendedValue in the elements of its list instead of beside it"
type CELValidation struct {
	// Expression yields a bool; false is a violation with one occurrence.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Expression string `json:"expression,omitempty"`
	// Message of that occurrence; beside occurrences, the message of those that have none.
	// +optional
	Message string `json:"message,omitempty"`
	// MessageExpression yields the message of that occurrence; message is used when it fails, is empty or has several lines.
	// +optional
	MessageExpression string `json:"messageExpression,omitempty"`
	// Path is the violating path of that occurrence, such as spec.replicas.
	// +optional
	Path string `json:"path,omitempty"`
	// PathExpression yields the violating path; path is used when it fails or is empty.
	// +optional
	PathExpression string `json:"pathExpression,omitempty"`
	// RecommendedValueExpression yields the value that would satisfy the policy at that path; none is recommended when it fails.
	// +optional
	RecommendedValueExpression string `json:"recommendedValueExpression,omitempty"`
	// Occurrences yields a list with one element per occurrence: a string (the message) or a map with the keys
	// message, path and recommendedValue (the last two optional). An empty list means compliance.
	// +optional
	// +kubebuilder:validation:MinLength=1
	Occurrences string `json:"occurrences,omitempty"`
}

// PolicyStatus is what the agent found out about a policy.
type PolicyStatus struct {
	// Conditions: Ready is true when the policy compiles; otherwise its message says where and why not.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Modes in which the policy acts: audit, admission, tf-admission.
	// +optional
	Modes []string `json:"modes,omitempty"`
	// ModesString is modes joined with / for display.
	// +optional
	ModesString string `json:"modes_str,omitempty"`
}

// PolicyList is a list of policies.
// +kubebuilder:object:root=true
type PolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Policy `json:"items"`
}
