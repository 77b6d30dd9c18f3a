package workspaces

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/assay-gitops/assay/policy"
)

// isApplied tells, without asking the API server, that applying the object would change nothing: the live object has all
// that is desired, and this tool owns nothing of it that is not. When in doubt it is false, and a dry run tells.
func isApplied(desired, live *unstructured.Unstructured) bool {
	if !covers(live.Object, desired.Object) {
		return false
	}
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var owned map[string]any
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned); err != nil {
			return false
		}
		return owns(owned, desired.Object)
	}
	return false // never applied by this tool
}

// covers tells whether the live value has everything of the desired one. Lists are compared whole.
func covers(live, desired any) bool {
	wanted, isMap := desired.(map[string]any)
	if !isMap {
		return reflect.DeepEqual(live, desired)
	}
	have, isMap := live.(map[string]any)
	if !isMap {
		return false
	}
	for key, value := range wanted {
		if found, exists := have[key]; !exists || !covers(found, value) {
			return false
		}
	}
	return true
}

// owns tells whether all owned fields are desired. Owned items of lists are left to a dry run.
func owns(owned map[string]any, desired any) bool {
	for key, fields := range owned {
		if key == "." {
			continue
		}
		name, isField := strings.CutPrefix(key, "f:")
		if !isField {
			return false
		}
		m, isMap := desired.(map[string]any)
		if !isMap {
			return false
		}
		value, exists := m[name]
		if !exists {
			return false
		}
		if nested, _ := fields.(map[string]any); len(nested) > 0 && !owns(nested, value) {
			return false
		}
	}
	return true
}

// differences are the fields in which two JSON values differ.
func differences(path string, from, to any) []FieldChange {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	before, isMap := from.(map[string]any)
	after, isMapToo := to.(map[string]any)
	if isMap && isMapToo {
		keys := map[string]bool{}
		for _, m := range []map[string]any{before, after} {
			for key := range m {
				keys[key] = true
			}
		}
		var all []FieldChange
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			all = append(all, differences(below(path, key), before[key], after[key])...)
		}
		return all
	}
	first, isList := from.([]any)
	second, isListToo := to.([]any)
	if isList && isListToo && len(first) == len(second) {
		var all []FieldChange
		for i := range first {
			all = append(all, differences(path+policy.Path{policy.Index(i)}.String(), first[i], second[i])...)
		}
		return all
	}
	return []FieldChange{{Path: path, From: from, To: to}}
}

// below is the path of a key.
func below(path, key string) string {
	step := policy.Path{policy.Key(key)}.String()
	if path == "" || strings.HasPrefix(step, "[") {
		return path + step
	}
	return path + "." + step
}
