package rego

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// toTerm converts JSON values (as policy.Object has them) to a term.
func toTerm(value any) *ast.Term {
	switch v := value.(type) {
	case nil:
		return ast.NullTerm()
	case string:
		return ast.StringTerm(v)
	case bool:
		return ast.InternedTerm(v)
	case int64:
		return number(strconv.FormatInt(v, 10))
	case int:
		return number(strconv.Itoa(v))
	case float64:
		return number(formatFloat(v))
	case json.Number:
		return number(v.String())
	case []any:
		terms := make([]*ast.Term, len(v))
		for i := range v {
			terms[i] = toTerm(v[i])
		}
		return ast.ArrayTerm(terms...)
	case []string:
		terms := make([]*ast.Term, len(v))
		for i := range v {
			terms[i] = ast.StringTerm(v[i])
		}
		return ast.ArrayTerm(terms...)
	case map[string]any:
		items := make([][2]*ast.Term, 0, len(v))
		for key, element := range v {
			items = append(items, [2]*ast.Term{ast.StringTerm(key), toTerm(element)})
		}
		return ast.ObjectTerm(items...)
	}
	panic(fmt.Sprintf("rego: %T is not a JSON value", value))
}

func number(s string) *ast.Term {
	if t := ast.InternedIntNumberTermFromString(s); t != nil {
		return t
	}
	return ast.NumberTerm(json.Number(s))
}

// formatFloat writes a number as encoding/json does: policies see what they would see in JSON.
func formatFloat(f float64) string {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.FormatFloat(f, format, -1, 64)
}

// fromValue converts a value to JSON values: map[string]any, []any, string, bool, nil, int64 and float64. Sets become
// lists, keys that are not strings become their text.
func fromValue(value ast.Value) any {
	switch v := value.(type) {
	case ast.String:
		return string(v)
	case ast.Boolean:
		return bool(v)
	case ast.Number:
		if i, ok := v.Int64(); ok {
			return i
		}
		if f, ok := v.Float64(); ok {
			return f
		}
		return v.String()
	case *ast.Array:
		list := make([]any, 0, v.Len())
		v.Foreach(func(t *ast.Term) { list = append(list, fromValue(t.Value)) })
		return list
	case ast.Set:
		list := make([]any, 0, v.Len())
		v.Foreach(func(t *ast.Term) { list = append(list, fromValue(t.Value)) })
		return list
	case ast.Object:
		object := make(map[string]any, v.Len())
		v.Foreach(func(key, element *ast.Term) {
			name, ok := key.Value.(ast.String)
			if !ok {
				name = ast.String(key.String())
			}
			object[string(name)] = fromValue(element.Value)
		})
		return object
	}
	return nil
}
