package terraform

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

const (
	// maxShown is about the size in bytes, without status, up to which an object is repeated in the reply.
	maxShown = 256 << 10
	// maxOccurrences of one violation are in the reply.
	maxOccurrences = 1000
)

// reply is what the caller gets. Passed and Violations are those of the Weave Policy Agent.
type reply struct {
	Passed bool `json:"passed"`
	// Violations are null when there are none. Those that are refused come first, since templates for messages show the
	// first one.
	Violations []weave.PolicyValidation `json:"violations"`
	// Brake is why everything passes; left out while the emergency brake is off.
	Brake string `json:"brake,omitempty"`
}

// replyTo is the reply for results, which are sorted by policy id.
func (h *handler) replyTo(results []policy.Result, object *policy.Object, now time.Time) reply {
	r := reply{Passed: !slices.ContainsFunc(results, func(result policy.Result) bool { return result.Enforced })}
	var listed []policy.Result
	for _, result := range results {
		if result.Status == policy.Violation || result.Status == policy.Error {
			listed = append(listed, result)
		}
	}
	if len(listed) == 0 {
		return r
	}
	slices.SortStableFunc(listed, func(a, b policy.Result) int {
		return cmp.Or(rank(a.Enforced)-rank(b.Enforced), severityRank(a.Policy.Spec.Severity)-severityRank(b.Policy.Spec.Severity))
	})
	repeated := shown(object)
	meta := weave.Meta{AccountID: h.AccountID, ClusterID: h.ClusterID, Source: weave.SourceTFAdmission, Trigger: weave.TriggerTerraform, CreatedAt: now}
	for _, result := range listed {
		result.Object = repeated
		if left := len(result.Occurrences) - maxOccurrences; left > 0 {
			result.Occurrences = append(slices.Clone(result.Occurrences[:maxOccurrences]), policy.Occurrence{Message: fmt.Sprintf("… and %d more", left)})
		}
		r.Violations = append(r.Violations, weave.From(result, meta))
	}
	return r
}

func rank(enforced bool) int {
	if enforced {
		return 0
	}
	return 1
}

func severityRank(s v2.Severity) int {
	return slices.Index([]v2.Severity{v2.SeverityHigh, v2.SeverityMedium, v2.SeverityLow}, s)
}

// shown is the object as the reply shows it. What Terraform considers sensitive is in the clear in plans, so status is null,
// as it ever was, and of a plan alone nothing is left. A large object is only named: the reply has it once for each policy.
func shown(object *policy.Object) *policy.Object {
	content := maps.Clone(object.Content)
	delete(content, "status")
	if _, isPlan := content["format_version"].(string); isPlan {
		content = map[string]any{"metadata": content["metadata"]}
	}
	if left := maxShown; !fitsIn(content, &left) {
		content = map[string]any{"metadata": map[string]any{"name": object.Name(), "namespace": object.Namespace()}}
	}
	content["apiVersion"], content["kind"], content["status"] = object.APIVersion(), object.Kind(), nil
	return &policy.Object{Content: content}
}

// fitsIn takes about the size of a value's JSON from left and tells whether it was enough.
func fitsIn(value any, left *int) bool {
	*left -= 8
	switch v := value.(type) {
	case string:
		*left -= len(v)
	case map[string]any:
		for key, field := range v {
			if *left -= len(key); *left < 0 || !fitsIn(field, left) {
				return false
			}
		}
	case []any:
		for _, element := range v {
			if !fitsIn(element, left) {
				return false
			}
		}
	}
	return *left >= 0
}
