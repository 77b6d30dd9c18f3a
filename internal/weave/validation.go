package weave

import (
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// The values of PolicyValidation.Status. The Weave Policy Agent knew the first two.
const (
	StatusViolation  = "Violation"
	StatusCompliance = "Compliance"
	// StatusExcepted is a violation that a PolicyException accepts.
	StatusExcepted = "Excepted"
	// StatusError says that the policy failed; the message and the only occurrence say how.
	StatusError = "Error"
)

// The values of PolicyValidation.Source.
const (
	SourceAdmission   = "Admission"
	SourceAudit       = "Audit"
	SourceTFAdmission = "TFAdmission"
)

// The values of PolicyValidation.Trigger. At admission it is the operation, such as CREATE.
const (
	TriggerTerraform     = "terraform"
	TriggerInitialAudit  = "initial-audit"
	TriggerPeriodicAudit = "periodic-audit"
	// TriggerRequestedAudit is a full audit that somebody asked for, TriggerContinuousAudit what was found between full audits,
	// when something changed.
	TriggerRequestedAudit  = "requested-audit"
	TriggerContinuousAudit = "continuous-audit"
)

// PolicyValidation is the result of a policy on an object. Its JSON is that of the Weave Policy Agent; lists that it left
// null are empty here.
type PolicyValidation struct {
	// ID is a random UUID.
	ID          string       `json:"id"`
	AccountID   string       `json:"account_id"`
	ClusterID   string       `json:"cluster_id"`
	Policy      Policy       `json:"policy"`
	Entity      Entity       `json:"entity"`
	Status      string       `json:"status"`
	Message     string       `json:"message"`
	Occurrences []Occurrence `json:"occurrences"`
	// Source is what judged; the documentation of the Weave Policy Agent calls it type.
	Source  string `json:"source"`
	Trigger string `json:"trigger"`
	// CreatedAt is in UTC.
	CreatedAt time.Time `json:"created_at"`
	// Metadata was for results of files and is always null.
	Metadata any `json:"metadata"`
	// Enforced says that the violation or error is refused rather than warned about.
	Enforced bool `json:"enforced"`
}

// Policy is the policy of a result, with the values of the parameters that were used.
type Policy struct {
	Name        string      `json:"name"`
	ID          string      `json:"id"`
	Code        string      `json:"code"`
	CEL         *v2.CELRule `json:"cel,omitempty"`
	Enforce     bool        `json:"enforce"`
	Parameters  []Parameter `json:"parameters"`
	Targets     Targets     `json:"targets"`
	Description string      `json:"description"`
	HowToSolve  string      `json:"how_to_solve"`
	Category    string      `json:"category"`
	Tags        []string    `json:"tags"`
	Severity    string      `json:"severity"`
	Standards   []Standard  `json:"standards"`
	Mutate      bool        `json:"mutate"`
	Exclude     Exclude     `json:"exclude"`
}

// Parameter of a policy. ConfigRef names the PolicyConfig that set the value.
type Parameter struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Value     any    `json:"value"`
	Required  bool   `json:"required"`
	ConfigRef string `json:"config_ref,omitempty"`
}

// Targets of a policy.
type Targets struct {
	Kinds      []string            `json:"kinds"`
	Labels     []map[string]string `json:"labels"`
	Namespaces []string            `json:"namespaces"`
}

// Exclude is what a policy never judges.
type Exclude struct {
	Namespaces []string          `json:"namespaces"`
	Resources  []string          `json:"resources"`
	Labels     map[string]string `json:"labels"`
}

// Standard that a policy helps to fulfil.
type Standard struct {
	ID       string   `json:"id"`
	Controls []string `json:"controls"`
}

// Entity is the object of a result. ID is its metadata.uid.
type Entity struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	// Manifest is the object without managedFields and, of a Secret, without its data.
	Manifest        map[string]any `json:"manifest"`
	ResourceVersion string         `json:"resource_version"`
	HasParent       bool           `json:"has_parent"`
}

// Occurrence is one thing that is wrong with an object.
type Occurrence struct {
	Message          string  `json:"message"`
	ViolatingKey     *string `json:"violating_key,omitempty"`
	RecommendedValue any     `json:"recommended_value,omitempty"`
}
