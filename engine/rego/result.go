package rego

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/assay-gitops/assay/policy"
)

// occurrences reads the value of `violation`. The shapes are those of the Weave Policy Agent; where it lost messages or
// crashed, the meaning is:
//
//   - a set or array: one occurrence for each element; an object gives msg, violating_key and recommended_value, a string
//     is the message, anything else stands for the default message;
//   - an object: one occurrence, read like an element (a partial object without entries is compliance);
//   - a string: one occurrence with that message;
//   - true, or a number other than 0 (a count of what is wrong): one occurrence with the default message;
//   - undefined, null, false, 0 and empty collections: compliance.
//
// An empty Message stands for the default one, which the engine fills in.
func occurrences(value ast.Value, partialObject bool) []policy.Occurrence {
	switch v := value.(type) {
	case ast.Set:
		if v.Len() == 0 {
			return nil
		}
		found := make([]policy.Occurrence, 0, v.Len())
		v.Foreach(func(t *ast.Term) { found = append(found, occurrence(t.Value)) })
		return found
	case *ast.Array:
		if v.Len() == 0 {
			return nil
		}
		found := make([]policy.Occurrence, 0, v.Len())
		v.Foreach(func(t *ast.Term) { found = append(found, occurrence(t.Value)) })
		return found
	case ast.Object:
		if partialObject && v.Len() == 0 {
			return nil
		}
		return []policy.Occurrence{occurrence(v)}
	case ast.String:
		return []policy.Occurrence{occurrence(v)}
	case ast.Boolean:
		if v {
			return []policy.Occurrence{{}}
		}
	case ast.Number:
		if f, ok := v.Float64(); !ok || f != 0 {
			return []policy.Occurrence{{}}
		}
	}
	return nil
}

var (
	messageKey     = ast.StringTerm("msg")
	pathKey        = ast.StringTerm("violating_key")
	recommendedKey = ast.StringTerm("recommended_value")
)

func occurrence(value ast.Value) policy.Occurrence {
	switch v := value.(type) {
	case ast.String:
		return policy.Occurrence{Message: strings.Clone(string(v))}
	case ast.Object:
		var o policy.Occurrence
		o.Message = stringAt(v, messageKey)
		o.Path = stringAt(v, pathKey)
		if recommended := v.Get(recommendedKey); recommended != nil {
			o.RecommendedValue = fromValue(recommended.Value)
		}
		return o
	}
	return policy.Occurrence{}
}

func stringAt(o ast.Object, key *ast.Term) string {
	if t := o.Get(key); t != nil {
		if s, ok := t.Value.(ast.String); ok {
			return string(s)
		}
	}
	return ""
}
