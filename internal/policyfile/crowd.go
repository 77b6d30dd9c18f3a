package policyfile

import (
	"regexp"
	"slices"
	"unicode/utf8"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// crowded is how many errors make an object a case for crowd.
const crowded = 10 * maxProblems

// crowd returns the first errors of an object that has very many, and nothing for all others. The API server's
// validator compares every error with every other one, as text, which takes it minutes for what fits into one object,
// so it must not see such an object. Only what can be wrong many times is looked for.
func crowd(content any, schema *structuralschema.Structural) field.ErrorList {
	var c crowdCounter
	c.visit(nil, content, schema)
	if len(c.errs) < crowded {
		return nil
	}
	return c.errs
}

type crowdCounter struct{ errs field.ErrorList }

func (c *crowdCounter) visit(path *field.Path, value any, schema *structuralschema.Structural) {
	if len(c.errs) >= crowded || schema == nil || value == nil && schema.Nullable {
		return
	}
	if schema.Type != "" && !hasType(value, schema.Type) {
		c.errs = append(c.errs, field.TypeInvalid(path, value, ""))
		return
	}
	rules := schema.ValueValidation
	if rules == nil {
		rules = &structuralschema.ValueValidation{}
	}
	switch value := value.(type) {
	case map[string]any:
		for _, name := range rules.Required {
			if _, ok := value[name]; !ok {
				c.errs = append(c.errs, field.Required(path.Child(name), ""))
			}
		}
		for name, child := range value {
			if property, ok := schema.Properties[name]; ok {
				c.visit(path.Child(name), child, &property)
			} else if schema.AdditionalProperties != nil {
				c.visit(path.Key(name), child, schema.AdditionalProperties.Structural)
			}
		}
	case []any:
		for i, child := range value {
			c.visit(path.Index(i), child, schema.Items)
		}
	case string:
		if len(rules.Enum) > 0 && !slices.ContainsFunc(rules.Enum, func(allowed structuralschema.JSON) bool { return allowed.Object == value }) {
			c.errs = append(c.errs, field.NotSupported[string](path, value, nil))
		} else if rules.MinLength != nil && int64(utf8.RuneCountInString(value)) < *rules.MinLength {
			c.errs = append(c.errs, field.Invalid(path, value, "too short"))
		} else if rules.Pattern != "" {
			if pattern, err := regexp.Compile(rules.Pattern); err == nil && !pattern.MatchString(value) {
				c.errs = append(c.errs, field.Invalid(path, value, "should match "+rules.Pattern))
			}
		}
	}
}

// hasType tells whether a JSON value has a type of JSON schema.
func hasType(value any, name string) bool {
	switch value.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case int64:
		return name == "integer" || name == "number"
	case float64:
		// The validator takes 1.0 for an integer.
		return name == "integer" || name == "number"
	}
	return false
}
