package policyfile

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/api/v2/crds"
	"github.com/assay-gitops/assay/policy"
)

// schema is what the API server makes of the schema of a CRD. Safe for concurrent use.
type schema struct {
	structural *structuralschema.Structural
	types      validation.SchemaValidator
	rules      *cel.Validator
}

// schemaOf returns the schema of one of our kinds. It is built when the kind is first met (that takes some
// milliseconds) and depends on nothing but the embedded CRDs, so the process shares it.
func schemaOf(kind string) (*schema, error) { return schemas[kind]() }

var schemas = map[string]func() (*schema, error){
	v2.PolicyKind:          sync.OnceValues(func() (*schema, error) { return buildSchema(v2.PolicyKind) }),
	v2.PolicySetKind:       sync.OnceValues(func() (*schema, error) { return buildSchema(v2.PolicySetKind) }),
	v2.PolicyConfigKind:    sync.OnceValues(func() (*schema, error) { return buildSchema(v2.PolicyConfigKind) }),
	v2.PolicyExceptionKind: sync.OnceValues(func() (*schema, error) { return buildSchema(v2.PolicyExceptionKind) }),
}

func buildSchema(kind string) (*schema, error) {
	crd, err := crds.Get(kind)
	if err != nil {
		return nil, err
	}
	stored := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Storage })
	if stored < 0 {
		return nil, fmt.Errorf("CRD %s has no storage version", crd.Name)
	}
	// All versions have the same schema, so any of them will do.
	var props apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		crd.Spec.Versions[stored].Schema.OpenAPIV3Schema, &props, nil); err != nil {
		return nil, fmt.Errorf("schema of CRD %s: %w", crd.Name, err)
	}
	structural, err := structuralschema.NewStructural(&props)
	if err != nil {
		return nil, fmt.Errorf("schema of CRD %s: %w", crd.Name, err)
	}
	if err := defaulting.PruneDefaults(structural); err != nil {
		return nil, fmt.Errorf("defaults of CRD %s: %w", crd.Name, err)
	}
	types, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, fmt.Errorf("schema of CRD %s: %w", crd.Name, err)
	}
	return &schema{
		structural: structural,
		types:      types,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// at returns the part of the schema that describes a field; nil when nothing does.
func (s *schema) at(path policy.Path) *structuralschema.Structural {
	at := s.structural
	for _, step := range path {
		switch {
		case at == nil:
			return nil
		case step.IsIndex:
			at = at.Items
		default:
			if property, ok := at.Properties[step.Key]; ok {
				at = &property
			} else if at.AdditionalProperties != nil {
				at = at.AdditionalProperties.Structural
			} else {
				return nil
			}
		}
	}
	return at
}
