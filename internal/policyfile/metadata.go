package policyfile

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/assay-gitops/assay/policy"
)

// metadata checks metadata, which CRDs do not describe, and cleans it in content.
func (f *faults) metadata(content map[string]any) {
	meta, _, unknown, err := objectmeta.GetObjectMetaWithOptions(content, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		f.metadataTypes(content["metadata"], err)
		return
	}
	for _, path := range unknown {
		f.unknownField(path)
	}
	if meta == nil {
		f.add(nil, "metadata is missing", "add metadata with a name")
		return
	}
	// The CRDs are cluster-scoped. The API server ignores a namespace, which kustomize likes to add.
	meta.Namespace = ""
	for _, err := range apivalidation.ValidateObjectMeta(meta, false, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata")) {
		f.invalid(err)
	}
	if err := objectmeta.SetObjectMeta(content, meta); err != nil {
		f.add(policy.Path{policy.Key("metadata")}, fmt.Sprintf("metadata: %v", err), "")
	}
}

// metadataTypes finds the fields of metadata whose type is wrong; the decoder's error names Go types and no place.
func (f *faults) metadataTypes(metadata any, cause error) {
	root := policy.Path{policy.Key("metadata")}
	fields, ok := metadata.(map[string]any)
	if !ok {
		f.add(root, "metadata must be a map, not "+describe(metadata), "")
		return
	}
	found := false
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		path := append(root[:1:1], policy.Key(name))
		if pairs, ok := fields[name].(map[string]any); ok && (name == "labels" || name == "annotations") {
			for _, key := range slices.Sorted(maps.Keys(pairs)) {
				if _, ok := pairs[key].(string); !ok && pairs[key] != nil {
					path := append(path[:2:2], policy.Key(key))
					f.add(path, fmt.Sprintf("%s must be a string, not %s", path, describe(pairs[key])), "put it in quotes")
					found = true
				}
			}
			continue
		}
		alone := map[string]any{"metadata": map[string]any{name: fields[name]}}
		if _, _, _, err := objectmeta.GetObjectMetaWithOptions(alone, objectmeta.ObjectMetaOptions{}); err != nil {
			f.add(path, fmt.Sprintf("%s cannot be %s", path, describe(fields[name])), "")
			found = true
		}
	}
	if !found {
		f.add(root, cause.Error(), "")
	}
}
