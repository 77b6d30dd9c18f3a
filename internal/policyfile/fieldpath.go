package policyfile

import (
	"strconv"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// fieldPath understands a path as the API server writes it, in the light of the object that it speaks of. Keys are not
// quoted there: spec.config.weave.policies.x.parameters and spec.config[weave.policies.x].parameters both occur, and
// only the object tells where a key ends. What is absent from the object is read as policy.ParsePath reads it.
func fieldPath(content any, written string) policy.Path {
	var path policy.Path
	for rest := strings.TrimPrefix(written, "."); rest != ""; {
		step, next, remaining, ok := descend(content, rest)
		if !ok {
			absent, err := policy.ParsePath(rest)
			if err != nil {
				absent = policy.Path{policy.Key(rest)}
			}
			return append(path, absent...)
		}
		path, content = append(path, step), next
		rest = strings.TrimPrefix(remaining, ".")
	}
	return path
}

// descend takes the first step of a written path.
func descend(value any, written string) (step policy.Step, next any, rest string, ok bool) {
	switch value := value.(type) {
	case map[string]any:
		longest := -1
		for key, child := range value {
			// An empty key would not bring us on.
			if len(key) <= longest || key == "" {
				continue
			}
			if after, ok := strings.CutPrefix(written, key); ok && (after == "" || after[0] == '.' || after[0] == '[') {
				longest, next, rest = len(key), child, after
				step = policy.Key(key)
			} else if after, ok := strings.CutPrefix(written, "["+key+"]"); ok {
				longest, next, rest = len(key), child, after
				step = policy.Key(key)
			}
		}
		return step, next, rest, longest >= 0
	case []any:
		inBrackets, found := strings.CutPrefix(written, "[")
		if !found {
			return step, nil, "", false
		}
		number, after, found := strings.Cut(inBrackets, "]")
		index, err := strconv.Atoi(number)
		if !found || err != nil || index < 0 || index >= len(value) {
			return step, nil, "", false
		}
		return policy.Index(index), value[index], after, true
	}
	return step, nil, "", false
}

// valueAt returns the value of a field; nil when it is absent.
func valueAt(content any, path policy.Path) any {
	for _, step := range path {
		switch value := content.(type) {
		case map[string]any:
			content = value[step.Key]
		case []any:
			if !step.IsIndex || step.Index >= len(value) {
				return nil
			}
			content = value[step.Index]
		default:
			return nil
		}
	}
	return content
}
