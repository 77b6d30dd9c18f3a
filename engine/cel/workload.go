package cel

import (
	"strconv"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/assay-gitops/assay/policy"
)

// containerLists are the fields of a pod spec that hold containers, with the name of what each holds.
var containerLists = [...]struct{ field, holds string }{
	{"containers", "container"},
	{"initContainers", "initContainer"},
	{"ephemeralContainers", "ephemeralContainer"},
}

// workloadOf is the value of the variable workload: a record if the object is or contains a pod, else null.
func workloadOf(content map[string]any) ref.Val {
	kind, _ := content["kind"].(string)
	path, ok := policy.PodSpecPath(kind)
	if !ok {
		return types.NullValue
	}
	// The parent holds the pod's metadata beside its spec.
	parent := any(content)
	for _, step := range path[:len(path)-1] {
		m, _ := parent.(map[string]any)
		parent = m[step.Key]
	}
	template, _ := parent.(map[string]any)
	spec, ok := template["spec"].(map[string]any)
	if !ok {
		return types.NullValue
	}
	metadata, _ := template["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	where := path.String()
	return &record{typ: workloadType, fields: []field{
		{name: "path", value: types.String(where)},
		{name: "spec", value: object(spec)},
		{name: "containers", value: containersOf(spec, where)},
		{name: "metadata", value: object(metadata)},
		{name: "metadataPath", value: types.String(where[:len(where)-len("spec")] + "metadata")},
	}}
}

func containersOf(spec map[string]any, path string) list {
	var containers list
	for _, of := range containerLists {
		entries, _ := spec[of.field].([]any)
		for i, entry := range entries {
			container, ok := entry.(map[string]any)
			if !ok {
				// What is no map is no container; no API server takes it.
				continue
			}
			name, _ := container["name"].(string)
			containers = append(containers, &record{typ: containerType, fields: []field{
				{name: "spec", value: object(container)},
				{name: "path", value: types.String(path + "." + of.field + "[" + strconv.Itoa(i) + "]")},
				{name: "name", value: types.String(name)},
				{name: "type", value: types.String(of.holds)},
				{name: "index", value: types.Int(i)},
			}})
		}
	}
	return containers
}
