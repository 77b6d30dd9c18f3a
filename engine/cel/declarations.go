package cel

import (
	"maps"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// The variables that expressions see.
const (
	objectVariable    = "object"
	oldObjectVariable = "oldObject"
	requestVariable   = "request"
	paramsVariable    = "params"
	namespaceVariable = "namespaceObject"
	workloadVariable  = "workload"
	variablesVariable = "variables"
)

// Declared types make the compiler tell a misspelt field. Those named kubernetes.* are what ValidatingAdmissionPolicy
// declares under the same names, less the fields of the request that no gate of ours can tell.
var (
	kindType      = cel.ObjectType("kubernetes.GroupVersionKind")
	userInfoType  = cel.ObjectType("kubernetes.UserInfo")
	requestType   = cel.ObjectType("kubernetes.AdmissionRequest")
	namespaceType = cel.ObjectType("kubernetes.Namespace")
	workloadType  = cel.ObjectType("assay.Workload")
	containerType = cel.ObjectType("assay.Container")
	variablesType = cel.ObjectType("assay.Variables")
)

type structTypes map[string]map[string]*types.Type

func declaredTypes() structTypes {
	stringMap := cel.MapType(cel.StringType, cel.StringType)
	stringList := cel.ListType(cel.StringType)
	namespaceMetadata := cel.ObjectType("kubernetes.NamespaceMetadata")
	namespaceSpec := cel.ObjectType("kubernetes.NamespaceSpec")
	namespaceStatus := cel.ObjectType("kubernetes.NamespaceStatus")
	namespaceCondition := cel.ObjectType("kubernetes.NamespaceCondition")
	return structTypes{
		kindType.TypeName(): {
			"group":   cel.StringType,
			"version": cel.StringType,
			"kind":    cel.StringType,
		},
		userInfoType.TypeName(): {
			"username": cel.StringType,
			"uid":      cel.StringType,
			"groups":   stringList,
			"extra":    cel.MapType(cel.StringType, stringList),
		},
		requestType.TypeName(): {
			"kind":        kindType,
			"subResource": cel.StringType,
			"name":        cel.StringType,
			"namespace":   cel.StringType,
			"operation":   cel.StringType,
			"userInfo":    userInfoType,
			"dryRun":      cel.BoolType,
		},
		namespaceType.TypeName(): {
			"metadata": namespaceMetadata,
			"spec":     namespaceSpec,
			"status":   namespaceStatus,
		},
		namespaceMetadata.TypeName(): {
			"name":                       cel.StringType,
			"generateName":               cel.StringType,
			"namespace":                  cel.StringType,
			"labels":                     stringMap,
			"annotations":                stringMap,
			"UID":                        cel.StringType,
			"creationTimestamp":          cel.TimestampType,
			"deletionGracePeriodSeconds": cel.IntType,
			"deletionTimestamp":          cel.TimestampType,
			"generation":                 cel.IntType,
			"resourceVersion":            cel.StringType,
			"finalizers":                 stringList,
		},
		namespaceSpec.TypeName(): {
			"finalizers": stringList,
		},
		namespaceStatus.TypeName(): {
			"conditions": cel.ListType(namespaceCondition),
			"phase":      cel.StringType,
		},
		namespaceCondition.TypeName(): {
			"status":             cel.StringType,
			"type":               cel.StringType,
			"lastTransitionTime": cel.TimestampType,
			"message":            cel.StringType,
			"reason":             cel.StringType,
		},
		workloadType.TypeName(): {
			"path":         cel.StringType,
			"spec":         cel.DynType,
			"metadataPath": cel.StringType,
			"metadata":     cel.DynType,
			"containers":   cel.ListType(containerType),
		},
		containerType.TypeName(): {
			"name":  cel.StringType,
			"type":  cel.StringType,
			"index": cel.IntType,
			"path":  cel.StringType,
			"spec":  cel.DynType,
		},
	}
}

// typeProvider adds declared types to those of another provider.
type typeProvider struct {
	types.Provider
	structs structTypes
}

// FindStructType implements types.Provider.
func (p *typeProvider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.structs[name]; ok {
		return types.NewTypeTypeWithParam(cel.ObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *typeProvider) FindStructFieldNames(name string) ([]string, bool) {
	fields, ok := p.structs[name]
	if !ok {
		return p.Provider.FindStructFieldNames(name)
	}
	names := make([]string, 0, len(fields))
	for field := range maps.Keys(fields) {
		names = append(names, field)
	}
	return names, true
}

// FindStructFieldType implements types.Provider.
func (p *typeProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	fields, ok := p.structs[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, field)
	}
	typ, ok := fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: typ}, true
}
