package policyfile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/assay-gitops/assay/policy"
)

// Bounds on hostile files.
const (
	// maxProblems that are reported of one object, maxMessage the bytes of each message: nobody reads more.
	maxProblems = 20
	maxMessage  = 1000
	// maxSize of an object in bytes of JSON: what etcd stores by default (its --max-request-bytes).
	maxSize = 1536 << 10
)

// decode fills source, a pointer to one of the API types, from the object. It takes the steps that the API server takes
// for a create request with strict field validation, in the same order, and goes on where the API server would stop, so
// that people see everything at once. The object is not changed.
func decode(object *policy.Object, source any) []policy.Problem {
	schema, err := schemaOf(object.Kind())
	if err != nil {
		return []policy.Problem{problemAt(object, nil, err.Error())}
	}
	if left := spend(maxSize, object.Content); left < 0 {
		return []policy.Problem{problemAt(object, nil, fmt.Sprintf("%s: larger than %d KiB, more than a cluster can store", title(object), maxSize>>10))}
	}
	content := runtime.DeepCopyJSON(object.Content)
	faults := &faults{object: object, schema: schema}

	for _, unknown := range pruning.PruneWithOptions(content, schema.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		faults.unknownField(unknown)
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(content, schema.structural)
	faults.metadata(content)
	defaulting.Default(content, schema.structural)
	// Status has a subresource of its own: what a create request says of it is ignored.
	delete(content, "status")

	errs := crowd(content, schema.structural)
	if len(errs) == 0 {
		errs = validation.ValidateCustomResource(nil, content, schema.types)
	}
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, schema.structural, content)...)
	if schema.rules != nil && !slices.ContainsFunc(errs, blocksRules) {
		broken, _ := schema.rules.Validate(context.Background(), nil, schema.structural, content, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, broken...)
	}
	for _, err := range errs {
		faults.invalid(err)
	}
	if len(faults.problems) > 0 {
		return faults.sorted()
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, source); err != nil {
		return []policy.Problem{problemAt(object, nil, fmt.Sprintf("%s: %v", title(object), err))}
	}
	return nil
}

// spend returns what is left of a budget of bytes after writing the value as JSON; less than zero as soon as it is
// exceeded.
func spend(budget int, value any) int {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if budget = spend(budget-len(key)-len(`"":,`), child); budget < 0 {
				return budget
			}
		}
	case []any:
		for _, child := range value {
			if budget = spend(budget-len(`,`), child); budget < 0 {
				return budget
			}
		}
	case string:
		budget -= len(value)
	}
	return budget - len(`{}`)
}

// blocksRules tells whether rules would stumble over what is wrong, by the API server's own criterion.
func blocksRules(err *field.Error) bool {
	switch err.Type {
	case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
		return true
	}
	return false
}

// faults collects what is wrong with one object.
type faults struct {
	object   *policy.Object
	schema   *schema
	problems []policy.Problem
	// more counts those beyond maxProblems.
	more int
	seen map[string]bool
}

// full counts a problem as one more when there are enough, so that finding its place costs nothing.
func (f *faults) full() bool {
	if len(f.problems) < maxProblems {
		return false
	}
	f.more++
	return true
}

func (f *faults) add(path policy.Path, message, hint string) {
	if message = title(f.object) + ": " + message; len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	key := path.String() + "\x00" + message
	if f.seen[key] || f.full() {
		return
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[key] = true
	problem := problemAt(f.object, path, message)
	problem.Hint = hint
	f.problems = append(f.problems, problem)
}

// sorted returns the problems in the order of their places.
func (f *faults) sorted() []policy.Problem {
	slices.SortStableFunc(f.problems, func(a, b policy.Problem) int {
		return cmp.Or(
			cmp.Compare(a.Location.File, b.Location.File),
			cmp.Compare(a.Location.Line, b.Location.Line),
			cmp.Compare(a.Location.Column, b.Location.Column),
		)
	})
	if f.more > 0 {
		f.problems = append(f.problems, problemAt(f.object, nil, fmt.Sprintf("%s: and %d more problems", title(f.object), f.more)))
	}
	return f.problems
}

// problemAt is a problem with a field of the object, or with the object itself when the path is empty.
func problemAt(object *policy.Object, path policy.Path, message string) policy.Problem {
	return policy.Problem{Kind: policy.PolicyProblem, Location: locate(object, path), Message: message}
}

// locate tells where a field of the object was written, or where the object begins when the path is empty.
func locate(object *policy.Object, path policy.Path) policy.Location {
	if object.Origin == nil {
		return policy.Location{}
	}
	if len(path) == 0 {
		return object.Origin.Object()
	}
	return object.Origin.Field(path)[0]
}
