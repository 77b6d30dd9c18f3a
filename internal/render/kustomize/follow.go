package kustomize

import (
	"reflect"
	"strconv"

	"github.com/assay-gitops/assay/policy"
)

// mergeKeys tell which elements of two lists are the same, in the order in which they are tried: the patch merge keys of
// Kubernetes' own types.
var mergeKeys = []string{"name", "containerPort", "mountPath", "devicePath", "topologyKey", "key", "ip", "port", "uid", "type", "path", "host"}

// follow translates a path in one version of an object to another version of it, whose lists may have other elements in
// another order, and tells how many steps of it are present there.
func follow(from, to any, path policy.Path) (mapped policy.Path, present int) {
	mapped = make(policy.Path, 0, len(path))
	for i, step := range path {
		next, ok := step, false
		switch target := to.(type) {
		case map[string]any:
			if !step.IsIndex {
				to, ok = target[step.Key]
				from = child(from, step)
			}
		case []any:
			var index int
			if index, ok = counterpart(from, target, step); ok {
				from = child(from, step)
				next, to = policy.Index(index), target[index]
			}
		}
		if !ok {
			return append(mapped, path[i:]...), i
		}
		mapped = append(mapped, next)
	}
	return mapped, len(path)
}

func child(value any, step policy.Step) any {
	switch v := value.(type) {
	case map[string]any:
		return v[step.Key]
	case []any:
		if step.IsIndex && step.Index < len(v) {
			return v[step.Index]
		}
	}
	return nil
}

// at is the value at a path; nil when it is absent.
func at(value any, path policy.Path) any {
	for _, step := range path {
		value = child(value, step)
	}
	return value
}

// counterpart finds in a list the element that stands for the one at a step of another version of the list.
func counterpart(from any, to []any, step policy.Step) (int, bool) {
	if !step.IsIndex {
		return 0, false
	}
	element := child(from, step)
	if m, ok := element.(map[string]any); ok {
		for _, key := range mergeKeys {
			value, ok := m[key]
			if !ok {
				continue
			}
			isKey := false // that of the other list's elements too
			for i := range to {
				other, _ := to[i].(map[string]any)
				found, ok := other[key]
				isKey = isKey || ok
				if ok && same(found, value) && sameProtocol(other, m) {
					return i, true
				}
			}
			if isKey {
				return 0, false
			}
		}
	}
	for i := range to {
		if same(to[i], element) {
			return i, true
		}
	}
	return step.Index, step.Index < len(to) && element == nil
}

// sameProtocol tells ports apart that have one number.
func sameProtocol(a, b map[string]any) bool {
	x, inA := a["protocol"]
	y, inB := b["protocol"]
	return !inA || !inB || x == y
}

// same compares values that may have been decoded in different ways.
func same(a, b any) bool {
	if x, ok := toFloat(a); ok {
		y, ok := toFloat(b)
		return ok && x == y
	}
	return reflect.DeepEqual(a, b)
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// below tells whether a path leads to what a JSON pointer names, or below it, and returns the steps below.
func below(content any, pointer []string, path policy.Path) (rest policy.Path, ok bool) {
	if len(pointer) > len(path) {
		return nil, false
	}
	value := content
	for i, part := range pointer {
		step := path[i]
		switch list, isList := value.([]any); {
		case !isList:
			if step.IsIndex || step.Key != part {
				return nil, false
			}
		case part == "-":
			if !step.IsIndex || step.Index != len(list)-1 {
				return nil, false
			}
		default:
			if index, err := strconv.Atoi(part); err != nil || !step.IsIndex || step.Index != index {
				return nil, false
			}
		}
		value = child(value, step)
	}
	return path[len(pointer):], true
}
