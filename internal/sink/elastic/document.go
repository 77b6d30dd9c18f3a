package elastic

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// document is a result as it is indexed. Fields shadow those of the same name of what is embedded.
type document struct {
	*weave.PolicyValidation
	Policy policyFields `json:"policy"`
	Assay  assayFields  `json:"assay"`
}

// policyFields are a policy's with values that keywords take.
type policyFields struct {
	*weave.Policy
	Parameters []parameterFields `json:"parameters"`
	Targets    targetFields      `json:"targets"`
}

type parameterFields struct {
	*weave.Parameter
	Value any `json:"value"`
}

type targetFields struct {
	*weave.Targets
	Labels []string `json:"labels"`
}

// assayFields are what the Weave Policy Agent did not know.
type assayFields struct {
	Gate       sink.Gate       `json:"gate,omitempty"`
	Operation  string          `json:"operation,omitempty"`
	App        *sink.App       `json:"app,omitempty"`
	Workspace  string          `json:"workspace,omitempty"`
	Life       sink.Life       `json:"life,omitempty"`
	Resolution string          `json:"resolution,omitempty"`
	Pass       string          `json:"pass,omitempty"`
	User       string          `json:"user,omitempty"`
	Exception  *sink.Exception `json:"exception,omitempty"`
}

func documentOf(r *sink.Result) document {
	v := &r.Validation
	d := document{
		PolicyValidation: v,
		Policy: policyFields{
			Policy: &v.Policy, Parameters: make([]parameterFields, 0, len(v.Policy.Parameters)),
			Targets: targetFields{&v.Policy.Targets, make([]string, 0, len(v.Policy.Targets.Labels))},
		},
		Assay: assayFields{r.Gate, string(r.Operation), r.App, r.Workspace, r.Life, r.Resolution, r.Pass, r.User, r.Exception},
	}
	for i := range v.Policy.Parameters {
		p := &v.Policy.Parameters[i]
		d.Policy.Parameters = append(d.Policy.Parameters, parameterFields{p, keyword(p.Value)})
	}
	for _, labels := range v.Policy.Targets.Labels {
		d.Policy.Targets.Labels = append(d.Policy.Targets.Labels, selector(labels))
	}
	return d
}

// keyword is a value that a field of type keyword takes: scalars and lists of them as they are, so that they are found as
// before, and everything else as its JSON.
func keyword(value any) any {
	list, isList := value.([]any)
	if isScalar(value) || isList && !slices.ContainsFunc(list, func(v any) bool { return !isScalar(v) }) {
		return value
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

func isScalar(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// selector writes labels as kubectl takes them: app=web,tier=front.
func selector(labels map[string]string) string {
	var terms []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		terms = append(terms, key+"="+labels[key])
	}
	return strings.Join(terms, ",")
}

// maxID is how many bytes an id may have; servers refuse a whole batch for a longer one.
const maxID = 512

// upsertID is the same for all results of a policy on an object on a day. What was denied when it was created has no uid, or one
// that was made up for that request, and is known by its name.
func upsertID(v *weave.PolicyValidation) string {
	object := v.Entity.ID
	if object == "" {
		object = strings.Join([]string{v.ClusterID, v.Entity.Namespace, v.Entity.Kind, v.Entity.Name}, "/")
	}
	id := fmt.Sprintf("%s_%s_%s", v.Policy.ID, object, v.CreatedAt.UTC().Format(time.DateOnly))
	if len(id) <= maxID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return strings.ToValidUTF8(id[:maxID-len(sum)*2-1], "") + "_" + hex.EncodeToString(sum[:])
}
