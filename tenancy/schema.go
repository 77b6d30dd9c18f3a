package tenancy

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// SchemaID is where the schema of tenants files is published.
const SchemaID = "https://raw.githubusercontent.com/assay-gitops/assay/main/docs/schemas/tenants.schema.json"

// Schema is the JSON schema (draft 2020-12) of a document of a tenants file, for editors. It is made from the types that
// files are decoded into, so that the two cannot differ.
func Schema() ([]byte, error) {
	s := schemas{definitions: map[string]any{}}
	root := s.object(reflect.TypeFor[File]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "Tenants and their workspaces"
	root["$defs"] = s.definitions
	content, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(content, '\n'), nil
}

// schemas makes schemas of types, each struct once.
type schemas struct {
	definitions map[string]any
}

func (s *schemas) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return map[string]any{"type": []string{"string", "number"}, "description": "A quantity, such as 500m, 2 or 10Gi."}
	case reflect.TypeFor[metav1.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[metav1.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	case reflect.TypeFor[intstr.IntOrString]():
		return map[string]any{"type": []string{"integer", "string"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		name := t.Name()
		if _, known := s.definitions[name]; !known {
			s.definitions[name] = nil // where a type contains itself
			s.definitions[name] = s.object(t)
		}
		reference := map[string]any{"$ref": "#/$defs/" + name}
		if reflect.PointerTo(t).Implements(shorthand) {
			return map[string]any{"anyOf": []any{map[string]any{"type": "string"}, reference}}
		}
		return reference
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "integer"}
}

func (s *schemas) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, f := range fieldsOf(t) {
		tag := t.Field(f.index).Tag
		property := s.of(t.Field(f.index).Type)
		if doc := tag.Get("doc"); doc != "" {
			property["description"] = doc
		}
		if enum := tag.Get("enum"); enum != "" {
			holder := property
			if items, isList := property["items"].(map[string]any); isList {
				holder = items
			}
			holder["enum"] = strings.Split(enum, ",")
		}
		properties[f.name] = property
		old := tag.Get("old")
		if old != "" {
			properties[old] = map[string]any{"type": "string", "deprecated": true, "description": "The old spelling of " + f.name + "."}
		}
		if tag.Get("required") != "" && old == "" {
			required = append(required, f.name)
		}
	}
	object := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		slices.Sort(required)
		object["required"] = required
	}
	return object
}
