package crds_test

import (
	"context"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/api/v2/crds"
)

func each(t *testing.T, test func(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition)) {
	t.Helper()
	for _, kind := range crds.Kinds() {
		t.Run(kind, func(t *testing.T) {
			crd, err := crds.Get(kind)
			if err != nil {
				t.Fatal(err)
			}
			test(t, crd)
		})
	}
}

// The API server's own validation, which includes the cost limits of CEL rules and the structural schema's demands.
func TestAPIServerAcceptsTheCRDs(t *testing.T) {
	each(t, func(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
		apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
		var internal apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil); err != nil {
			t.Fatal(err)
		}
		internal.Status.StoredVersions = []string{v2.GroupVersion.Version}
		for _, err := range validation.ValidateCustomResourceDefinition(context.Background(), &internal) {
			t.Error(err)
		}
	})
}

func TestEveryVersionHasTheSameSchemaAndV2IsStored(t *testing.T) {
	each(t, func(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
		var names []string
		for _, version := range crd.Spec.Versions {
			names = append(names, version.Name)
			if !version.Served || version.Deprecated {
				t.Errorf("%s: served %t, deprecated %t", version.Name, version.Served, version.Deprecated)
			}
			if stored := version.Name == "v2"; version.Storage != stored {
				t.Errorf("%s: storage is %t", version.Name, version.Storage)
			}
			if version.Subresources == nil || version.Subresources.Status == nil {
				t.Errorf("%s has no status subresource", version.Name)
			}
			// Only what makes a version that version may differ.
			version.Name, version.Storage = "", false
			first := crd.Spec.Versions[0]
			first.Name, first.Storage = "", false
			if diff := cmp.Diff(first, version); diff != "" {
				t.Errorf("%s differs from %s:\n%s", names[len(names)-1], names[0], diff)
			}
		}
		if want := v2.Versions(); !slices.Equal(names, want) {
			t.Errorf("versions are %v, want %v", names, want)
		}
		if crd.Spec.Conversion == nil || crd.Spec.Conversion.Strategy != apiextensionsv1.NoneConverter {
			t.Errorf("conversion is %v, want None", crd.Spec.Conversion)
		}
		if crd.Spec.Scope != apiextensionsv1.ClusterScoped || crd.Spec.Group != v2.Group {
			t.Errorf("scope %s, group %s", crd.Spec.Scope, crd.Spec.Group)
		}
	})
}

// What existing tools and dashboards read from `kubectl get`.
func TestOldPrinterColumnsAreKept(t *testing.T) {
	want := map[string][]string{
		v2.PolicyKind: {"Severity .spec.severity", "Category .spec.category", "Provider .spec.provider",
			"Enforced .spec.enforce", "Modes .status.modes_str"},
		v2.PolicySetKind:    {"Mode .spec.mode"},
		v2.PolicyConfigKind: {"Status .status.status", "Age .metadata.creationTimestamp"},
	}
	each(t, func(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
		var columns []string
		for _, column := range crd.Spec.Versions[0].AdditionalPrinterColumns {
			columns = append(columns, column.Name+" "+column.JSONPath)
		}
		for _, column := range want[crd.Spec.Names.Kind] {
			if !slices.Contains(columns, column) {
				t.Errorf("column %q is missing from %q", column, columns)
			}
		}
	})
}

func TestRequiredFieldsAreThoseOfTheOldPolicy(t *testing.T) {
	crd, err := crds.Get(v2.PolicyKind)
	if err != nil {
		t.Fatal(err)
	}
	root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	spec := root.Properties["spec"]
	parameter := spec.Properties["parameters"].Items.Schema
	standard := spec.Properties["standards"].Items.Schema
	for _, c := range []struct {
		of   string
		got  []string
		want []string
	}{
		{"the root", root.Required, nil},
		// code is required too, unless there is cel: a validation rule says so.
		{"spec", spec.Required, []string{"category", "description", "how_to_solve", "id", "name", "severity"}},
		{"spec.targets", spec.Properties["targets"].Required, []string{"kinds"}},
		{"spec.parameters[]", parameter.Required, []string{"name", "required", "type"}},
		{"spec.standards[]", standard.Required, []string{"id"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("required fields of %s (-want +got):\n%s", c.of, diff)
		}
	}
}

// kubectl explain shows nothing but these descriptions.
func TestEveryFieldIsExplained(t *testing.T) {
	each(t, func(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
		walk(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, "", func(path string, schema *apiextensionsv1.JSONSchemaProps) {
			if schema.Description == "" && path != ".metadata" {
				t.Errorf("%s has no description", path)
			}
			if strings.ContainsAny(schema.Description, "”“") {
				t.Errorf("%s: gofmt changed quotes in %q", path, schema.Description)
			}
			for _, rule := range schema.XValidations {
				if rule.Message == "" || strings.ContainsAny(rule.Rule, "”“") {
					t.Errorf("%s: rule %q with message %q", path, rule.Rule, rule.Message)
				}
			}
		})
	})
}

func walk(schema *apiextensionsv1.JSONSchemaProps, path string, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	for name, property := range schema.Properties {
		visit(path+"."+name, &property)
		walk(&property, path+"."+name, visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(schema.Items.Schema, path+"[]", visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		walk(schema.AdditionalProperties.Schema, path+".*", visit)
	}
}

// Catches a changed Go type whose CRD was not generated again, without running the generator.
func TestSchemasHaveTheFieldsOfTheGoTypes(t *testing.T) {
	types := map[string]reflect.Type{
		v2.PolicyKind:          reflect.TypeFor[v2.Policy](),
		v2.PolicySetKind:       reflect.TypeFor[v2.PolicySet](),
		v2.PolicyConfigKind:    reflect.TypeFor[v2.PolicyConfig](),
		v2.PolicyExceptionKind: reflect.TypeFor[v2.PolicyException](),
	}
	each(t, func(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
		sameFields(t, types[crd.Spec.Names.Kind], crd.Spec.Versions[0].Schema.OpenAPIV3Schema, "")
	})
}

func sameFields(t *testing.T, goType reflect.Type, schema *apiextensionsv1.JSONSchemaProps, path string) {
	t.Helper()
	switch goType.Kind() {
	case reflect.Pointer:
		sameFields(t, goType.Elem(), schema, path)
	case reflect.Slice:
		if schema.Items != nil {
			sameFields(t, goType.Elem(), schema.Items.Schema, path+"[]")
		}
	case reflect.Map:
		if schema.AdditionalProperties == nil {
			t.Errorf("%s is a map in Go and has no additionalProperties in the schema", path)
			return
		}
		sameFields(t, goType.Elem(), schema.AdditionalProperties.Schema, path+".*")
	case reflect.Struct:
		if schema.XPreserveUnknownFields != nil || path == ".metadata" || len(schema.Properties) == 0 {
			return
		}
		fields := jsonFields(goType)
		for name, fieldType := range fields {
			property, ok := schema.Properties[name]
			if !ok {
				t.Errorf("%s.%s is in the Go type and not in the schema: run make generate", path, name)
				continue
			}
			sameFields(t, fieldType, &property, path+"."+name)
		}
		for name := range schema.Properties {
			if _, ok := fields[name]; !ok {
				t.Errorf("%s.%s is in the schema and not in the Go type: run make generate", path, name)
			}
		}
	}
}

func jsonFields(goType reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range goType.NumField() {
		field := goType.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if options == "inline" {
			for name, inlined := range jsonFields(field.Type) {
				fields[name] = inlined
			}
			continue
		}
		fields[name] = field.Type
	}
	return fields
}

func TestGetOfAnUnknownKindSaysSo(t *testing.T) {
	_, err := crds.Get("Polcy")
	if err == nil || !strings.Contains(err.Error(), `pac.weave.works has no kind "Polcy"`) {
		t.Errorf("got %v", err)
	}
}

func TestFSHoldsOneFilePerKind(t *testing.T) {
	names, err := fs.Glob(crds.FS(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(crds.Kinds()) {
		t.Errorf("files %v, kinds %v", names, crds.Kinds())
	}
}
