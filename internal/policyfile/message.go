package policyfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// maxQuoted is how many bytes of a value a message repeats.
const maxQuoted = 60

// unknownField reports a field that the schema does not have.
func (f *faults) unknownField(written string) {
	if f.full() {
		return
	}
	path := fieldPath(f.object.Content, written)
	if len(path) == 0 {
		return
	}
	parent, name := path[:len(path)-1], path[len(path)-1].Key
	if schema := f.schema.at(parent); schema != nil && schema.Type != "object" {
		// The parent has the wrong type, which is reported.
		return
	}
	f.add(path, fmt.Sprintf("unknown field %s", path), f.meant(parent, name))
}

// meant says what to write instead of a field that does not exist.
func (f *faults) meant(parent policy.Path, name string) string {
	if advice, ok := renamed[parent.String()+"."+name]; ok {
		return advice
	}
	known := metadataFields
	if schema := f.schema.at(parent); schema != nil && len(schema.Properties) > 0 {
		known = slices.Sorted(maps.Keys(schema.Properties))
	}
	if name == "params" && slices.Contains(known, "parameters") {
		return "did you mean parameters?"
	}
	if hint := suggest.Unknown("field", name, known, "").Hint(); hint != "" {
		return hint
	}
	return "the fields here are " + list(known, "and")
}

// renamed holds fields of version v1, which live on in old files.
var renamed = map[string]string{
	"spec.enable":   "a field of v1 that decided nothing: remove it; enforce says whether violations are refused",
	"spec.controls": "a field of v1: write the controls in standards[].controls",
}

// metadataFields are those that people write; CRDs do not describe them.
var metadataFields = []string{"name", "labels", "annotations", "finalizers", "ownerReferences"}

// invalid reports what the API server's validation found.
func (f *faults) invalid(err *field.Error) {
	if f.full() {
		return
	}
	path := fieldPath(f.object.Content, err.Field)
	if err.Field == "<nil>" {
		path = nil
	}
	name := path.String()
	if name == "" {
		name = "the object"
	}
	schema := f.schema.at(path)
	switch err.Type {
	case field.ErrorTypeRequired:
		f.add(path, name+" is missing", explain(schema))
	case field.ErrorTypeNotSupported:
		f.add(path, fmt.Sprintf("%s must be %s, not %s", name, list(allowed(schema), "or"), describe(err.BadValue)),
			suggestValue(err.BadValue, allowed(schema)))
	case field.ErrorTypeTypeInvalid:
		if isDateTime(schema) {
			f.add(path, fmt.Sprintf("%s must be a date and time, not %s", name, describe(err.BadValue)),
				"write it like 2030-12-31T23:59:59Z")
			return
		}
		value := valueAt(f.object.Content, path)
		f.add(path, fmt.Sprintf("%s must be %s, not %s", name, article(schema), describe(value)), convert(schema, value))
	case field.ErrorTypeDuplicate:
		f.add(path, fmt.Sprintf("%s has the same %s as one before it", name, f.listKeys(path)), "")
	default:
		f.add(path, name+": "+detail(err), "")
	}
}

// detail is the error's text without what the message says anyway.
func detail(err *field.Error) string {
	text := strings.TrimPrefix(err.Detail, err.Field+" in body ")
	if text == "" {
		return err.ErrorBody()
	}
	return text
}

// explain is a hint about a missing field: what it may be, or what it is for.
func explain(schema *structuralschema.Structural) string {
	if values := allowed(schema); len(values) > 0 {
		return "give " + list(values, "or")
	}
	if schema == nil {
		return ""
	}
	sentence, _, _ := strings.Cut(schema.Description, ".\n")
	return sentence
}

func isDateTime(schema *structuralschema.Structural) bool {
	return schema != nil && schema.ValueValidation != nil && schema.ValueValidation.Format == "date-time"
}

// listKeys names what must differ between the element at the path and the other elements of its list.
func (f *faults) listKeys(path policy.Path) string {
	if len(path) > 0 {
		if schema := f.schema.at(path[:len(path)-1]); schema != nil && len(schema.XListMapKeys) > 0 {
			return list(schema.XListMapKeys, "and")
		}
	}
	return "value"
}

func allowed(schema *structuralschema.Structural) []string {
	if schema == nil || schema.ValueValidation == nil {
		return nil
	}
	var values []string
	for _, value := range schema.ValueValidation.Enum {
		values = append(values, fmt.Sprint(value.Object))
	}
	return values
}

func suggestValue(value any, allowed []string) string {
	name, ok := value.(string)
	if !ok {
		return ""
	}
	return suggest.Unknown("value", name, allowed, "").Hint()
}

// convert says how to turn the value into one of the right type, where a change of quotes does it.
func convert(schema *structuralschema.Structural, value any) string {
	if schema == nil {
		return ""
	}
	_, isString := value.(string)
	_, isMap := value.(map[string]any)
	_, isList := value.([]any)
	switch schema.Type {
	case "string":
		if !isMap && !isList {
			return "put it in quotes"
		}
	case "boolean", "integer", "number":
		var plain any
		if isString && json.Unmarshal([]byte(value.(string)), &plain) == nil {
			return "remove the quotes"
		}
		if schema.Type == "boolean" {
			return "write true or false"
		}
	case "array":
		if !isMap {
			return "write it as a list: a dash in front of each element"
		}
	}
	return ""
}

// article names the type that the schema demands.
func article(schema *structuralschema.Structural) string {
	if schema == nil {
		return "of another type"
	}
	switch schema.Type {
	case "object":
		return "a map"
	case "array":
		return "a list"
	case "integer":
		return "an integer"
	}
	return "a " + schema.Type
}

// describe names a value and its type.
func describe(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return "the string " + quote(value)
	case bool:
		return fmt.Sprintf("the boolean %t", value)
	}
	return fmt.Sprintf("the number %v", value)
}

func quote(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
