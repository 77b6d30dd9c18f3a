package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/fix"
	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

// maxRounds is how often an object is changed and judged again: a recommended value may depend on another one.
const maxRounds = 2

// repair is an object on its way to what the policies recommend.
type repair struct {
	// request has the object as it is so far.
	request policy.Request
	applied []fix.Applied
	skipped []fix.Skipped
	// refused are policies whose recommendations the kind of the object has no room for, such as a text for a number.
	refused map[*v2.Policy]bool
}

// run changes and judges until the policies recommend nothing more, or the rounds are over. What they recommend after
// that, they recommend in vain.
func (r *repair) run(ctx context.Context, snapshot *engine.Snapshot, d *Decision) error {
	for round := 0; ; round++ {
		verdict := snapshot.Judge(ctx, &r.request)
		if verdict.Err != nil {
			return fmt.Errorf("not all policies were judged in time: %w", context.Cause(ctx))
		}
		results := slices.DeleteFunc(slices.Clone(verdict.Results), func(r policy.Result) bool { return !r.Policy.Spec.Mutate })
		if round == 0 {
			d.Results, d.Evaluated = results, verdict.Evaluated
		}
		content, applied, skipped := r.change(r.possible(results))
		if round == maxRounds {
			for _, a := range applied {
				skipped = append(skipped, fix.Skipped{Policy: a.Policy, Path: a.Path.String(), Reason: "the policy is not satisfied by the value that it recommends"})
			}
			applied = nil
		}
		if len(applied) == 0 {
			r.skipped = append(r.skipped, skipped...)
			return nil
		}
		// What was skipped is told again when the changed object is judged.
		r.applied = append(r.applied, applied...)
		r.request.Object = &policy.Object{Content: content, Origin: r.request.Object.Origin}
	}
}

// possible leaves out what must not be written: on update the API server refuses the whole request when certain fields
// change, and a violation that the policy perhaps only warns about would have become an outage. A value that the stored
// object has is written all the same: who applies a manifest without it would take it away, which is refused too.
func (r *repair) possible(results []policy.Result) []policy.Result {
	all := make([]policy.Result, 0, len(results))
	for _, result := range results {
		if r.refused[result.Policy] {
			continue
		}
		if r.request.Operation == policy.Update {
			result.Occurrences = slices.DeleteFunc(slices.Clone(result.Occurrences), func(o policy.Occurrence) bool {
				path, err := policy.ParsePath(o.Path)
				if err != nil {
					return false // package fix says what is wrong with it
				}
				path, _ = path.Resolve(r.request.Object.Content)
				return isImmutable(r.request.Object, path) && !has(r.request.OldObject, path, o.RecommendedValue)
			})
		}
		all = append(all, result)
	}
	return all
}

// isImmutable tells whether the API server refuses updates that change a field, by its validation of the built-in kinds
// (k8s.io/kubernetes/pkg/apis/*/validation). It has the fields that policies may be about.
func isImmutable(o *policy.Object, path policy.Path) bool {
	at := func(keys ...string) bool {
		for i, key := range keys {
			if i == len(path) || path[i].Key != key {
				return i == len(path) // the field is in what would be written
			}
		}
		return true
	}
	switch o.APIVersion() + " " + o.Kind() {
	case "v1 Pod":
		return at("spec") && path[len(path)-1].Key != "image"
	case "batch/v1 Job":
		return at("spec", "template") || at("spec", "selector") || at("spec", "completionMode")
	case "apps/v1 Deployment", "apps/v1 DaemonSet", "apps/v1 ReplicaSet":
		return at("spec", "selector")
	case "apps/v1 StatefulSet":
		return at("spec", "selector") || at("spec", "serviceName") || at("spec", "podManagementPolicy") || at("spec", "volumeClaimTemplates")
	case "v1 PersistentVolumeClaim":
		return at("spec")
	case "v1 ConfigMap", "v1 Secret":
		immutable, _ := o.Content["immutable"].(bool)
		return immutable && !at("metadata") || at("type")
	case "rbac.authorization.k8s.io/v1 RoleBinding", "rbac.authorization.k8s.io/v1 ClusterRoleBinding":
		return at("roleRef")
	case "storage.k8s.io/v1 StorageClass":
		return !at("metadata")
	}
	return false
}

// has tells whether the object has the value at the path.
func has(object map[string]any, path policy.Path, value any) bool {
	var at any = object
	for _, step := range path {
		switch in := at.(type) {
		case map[string]any:
			at = in[step.Key]
		case []any:
			if !step.IsIndex || step.Index >= len(in) {
				return false
			}
			at = in[step.Index]
		default:
			return false
		}
	}
	// As JSON, since policies count with other types than objects.
	have, errHave := json.Marshal(at)
	want, errWant := json.Marshal(value)
	return errHave == nil && errWant == nil && bytes.Equal(have, want)
}

// change writes what the results recommend into the object, except what would make it unreadable: the API server then
// refuses the request, whatever the failurePolicy of the webhook is.
func (r *repair) change(results []policy.Result) (content map[string]any, applied []fix.Applied, skipped []fix.Skipped) {
	before := r.request.Object.Content
	content, applied, skipped = fix.Object(before, results)
	if len(applied) == 0 || isReadable(content) {
		return content, applied, skipped
	}
	// Some policy is to blame. Each gets its turn.
	content, applied, skipped = before, nil, nil
	for i := range results {
		next, now, not := fix.Object(content, results[i:i+1])
		if len(now) > 0 && !isReadable(next) {
			r.refused[results[i].Policy] = true
			r.skipped = append(r.skipped, fix.Skipped{
				Policy: results[i].Policy, Path: now[0].Path.String(),
				Reason: fmt.Sprintf("a %s with the recommended value could not be read", r.request.Object.Kind()),
			})
			continue
		}
		content, applied, skipped = next, append(applied, now...), append(skipped, not...)
	}
	return content, applied, skipped
}

// isReadable tells whether the API server can read the object into its type. Of custom resources it can whatever is in
// them; their schema is another matter.
func isReadable(content map[string]any) bool {
	o := &policy.Object{Content: content}
	typed, err := scheme.Scheme.New(schema.GroupVersionKind{Group: o.Group(), Version: o.Version(), Kind: o.Kind()})
	if err != nil {
		return true
	}
	raw, err := json.Marshal(content)
	return err == nil && kjson.UnmarshalCaseSensitivePreserveInts(raw, typed) == nil
}

// warnings say what was changed, in one, and for each policy what could not be.
func (r *repair) warnings() []string {
	w := &warnings{limit: maxMutatingWarnings}
	if len(r.applied) > 0 {
		about := fmt.Sprintf("assay changed %s: ", words.OneLine(entityOf(r.request.Object).short(), maxName))
		w.add("%s%s", about, appliedText(r.applied, maxWarning-utf8.RuneCountInString(about)-len(" and 1000 more")))
	}
	said := map[*v2.Policy]bool{}
	for _, s := range r.skipped {
		if said[s.Policy] {
			continue
		}
		said[s.Policy] = true
		w.add("%s: %s: not repaired at %s: %s", words.OneLine(s.Policy.Spec.ID, maxName), words.OneLine(entityOf(r.request.Object).short(), 60), words.OneLine(s.Path, 60), s.Reason)
	}
	return w.all()
}

// appliedText is where what policy changed something, as many as fit.
func appliedText(applied []fix.Applied, limit int) string {
	var b strings.Builder
	for i, a := range applied {
		text := fmt.Sprintf("%s (%s)", words.OneLine(a.Path.String(), limit/2), words.OneLine(a.Policy.Spec.ID, limit/2))
		if i > 0 && b.Len()+len(text) > limit {
			fmt.Fprintf(&b, " and %d more", len(applied)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	return b.String()
}

// changedBy are the ids of the policies whose values were written, for the audit log.
func changedBy(applied []fix.Applied) string {
	var all []string
	for _, a := range applied {
		if !slices.Contains(all, a.Policy.Spec.ID) {
			all = append(all, a.Policy.Spec.ID)
		}
	}
	return listText(all)
}
