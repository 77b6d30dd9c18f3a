package weave

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/assay-gitops/assay/policy"
)

// Meta is what a result does not say of itself.
type Meta struct {
	AccountID, ClusterID string
	// Source is what judged, Trigger why: see their constants.
	Source, Trigger string
	CreatedAt       time.Time
}

// From is the document of a result. It shares lists and maps with the result; nobody may change either.
//
// The values of Secrets are not in it: see Manifest. Messages are the policy's own; a policy that writes a secret into
// its message gives it away.
func From(result policy.Result, meta Meta) PolicyValidation {
	v := PolicyValidation{
		ID:          string(uuid.NewUUID()),
		AccountID:   meta.AccountID,
		ClusterID:   meta.ClusterID,
		Policy:      policyOf(&result),
		Entity:      entityOf(result.Object),
		Status:      StatusCompliance,
		Message:     result.Message,
		Occurrences: make([]Occurrence, 0, len(result.Occurrences)),
		Source:      meta.Source,
		Trigger:     meta.Trigger,
		CreatedAt:   meta.CreatedAt.UTC(),
		Enforced:    result.Enforced,
	}
	switch result.Status {
	case policy.Violation:
		v.Status = StatusViolation
	case policy.Excepted:
		v.Status = StatusExcepted
	case policy.Error:
		// Templates for the messages of the Tofu controller take the first occurrence for granted.
		v.Status = StatusError
		v.Occurrences = append(v.Occurrences, Occurrence{Message: result.Message})
	}
	for _, o := range result.Occurrences {
		v.Occurrences = append(v.Occurrences, occurrenceOf(result.Object, o))
	}
	return v
}

func occurrenceOf(object *policy.Object, o policy.Occurrence) Occurrence {
	occurrence := Occurrence{Message: o.Message, RecommendedValue: o.RecommendedValue}
	if o.Path == "" {
		return occurrence
	}
	occurrence.ViolatingKey = &o.Path
	if occurrence.RecommendedValue != nil && isSecret(object) && !isPublic(o.Path) {
		occurrence.RecommendedValue = hidden
	}
	return occurrence
}

func policyOf(result *policy.Result) Policy {
	spec := &result.Policy.Spec
	p := Policy{
		Name:        spec.Name,
		ID:          spec.ID,
		Code:        spec.Code,
		CEL:         spec.CEL,
		Enforce:     spec.IsEnforced(),
		Parameters:  make([]Parameter, 0, len(result.Parameters)),
		Targets:     Targets{listed(spec.Targets.Kinds), listed(spec.Targets.Labels), listed(spec.Targets.Namespaces)},
		Description: spec.Description,
		HowToSolve:  spec.HowToSolve,
		Category:    spec.Category,
		Tags:        listed(spec.Tags),
		Severity:    string(spec.Severity),
		Standards:   make([]Standard, 0, len(spec.Standards)),
		Mutate:      spec.Mutate,
		Exclude:     Exclude{listed(spec.Exclude.Namespaces), listed(spec.Exclude.Resources), spec.Exclude.Labels},
	}
	if p.Exclude.Labels == nil {
		p.Exclude.Labels = map[string]string{}
	}
	for _, set := range result.Parameters {
		p.Parameters = append(p.Parameters, Parameter{set.Name, set.Type, set.Value, set.Required, set.ConfigRef})
	}
	for _, standard := range spec.Standards {
		p.Standards = append(p.Standards, Standard{standard.ID, listed(standard.Controls)})
	}
	return p
}

// listed is the list, empty rather than nil: those who read these documents iterate over it.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func entityOf(object *policy.Object) Entity {
	metadata, _ := object.Content["metadata"].(map[string]any)
	owners, _ := metadata["ownerReferences"].([]any)
	return Entity{
		ID:              text(metadata, "uid"),
		Name:            object.Name(),
		APIVersion:      object.APIVersion(),
		Kind:            object.Kind(),
		Namespace:       object.Namespace(),
		Manifest:        Manifest(object),
		ResourceVersion: text(metadata, "resourceVersion"),
		HasParent:       len(owners) > 0,
	}
}

func text(fields map[string]any, key string) string {
	s, _ := fields[key].(string)
	return s
}

// hidden stands for a value that is not shown.
const hidden = "***"

// Manifest is the content of an object as it may be sent elsewhere: without metadata.managedFields; of a Secret, the values
// of data and stringData are hidden, as are annotations, which may repeat them, and whatever else it may have but for what
// identifies it. The content is not changed.
func Manifest(object *policy.Object) map[string]any {
	secret := isSecret(object)
	metadata, _ := object.Content["metadata"].(map[string]any)
	if _, managed := metadata["managedFields"]; !managed && !secret {
		return object.Content
	}
	manifest := maps.Clone(object.Content)
	if metadata != nil {
		metadata = maps.Clone(metadata)
		delete(metadata, "managedFields")
		manifest["metadata"] = metadata
	}
	if !secret {
		return manifest
	}
	for key, value := range manifest {
		if !publicInSecret[key] {
			manifest[key] = hide(value)
		}
	}
	if annotations, ok := metadata["annotations"]; ok {
		metadata["annotations"] = hide(annotations)
	}
	return manifest
}

// publicInSecret are the fields of a Secret that tell nothing.
var publicInSecret = map[string]bool{"apiVersion": true, "kind": true, "type": true, "immutable": true, "metadata": true}

func isSecret(o *policy.Object) bool { return o.Kind() == "Secret" && o.Group() == "" }

// isPublic tells whether what is at a path of a Secret may be shown.
func isPublic(path string) bool {
	steps, err := policy.ParsePath(path)
	if err != nil || !publicInSecret[steps[0].Key] {
		return false
	}
	return steps[0].Key != "metadata" || len(steps) > 1 && steps[1].Key != "annotations"
}

// hide keeps the keys of a map and hides its values; anything else is hidden whole.
func hide(value any) any {
	fields, ok := value.(map[string]any)
	if !ok {
		return hidden
	}
	shown := make(map[string]any, len(fields))
	for key := range fields {
		shown[key] = hidden
	}
	return shown
}

// Mask hides in a document that another agent made what From would not have put into it: see Manifest. The manifest is not changed,
// but replaced.
func (v *PolicyValidation) Mask() {
	content := maps.Clone(v.Entity.Manifest)
	if content == nil {
		content = map[string]any{}
	}
	// Both are asked, as a manifest may lack what it is or claim to be something else.
	if named := (&policy.Object{Content: map[string]any{"apiVersion": v.Entity.APIVersion, "kind": v.Entity.Kind}}); isSecret(named) {
		content["apiVersion"], content["kind"] = v.Entity.APIVersion, v.Entity.Kind
	}
	object := &policy.Object{Content: content}
	if v.Entity.Manifest != nil {
		v.Entity.Manifest = Manifest(object)
	}
	if !isSecret(object) {
		return
	}
	for i := range v.Occurrences {
		o := &v.Occurrences[i]
		if o.RecommendedValue != nil && (o.ViolatingKey == nil || !isPublic(*o.ViolatingKey)) {
			o.RecommendedValue = hidden
		}
	}
}
