package elastic

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
)

//go:embed mapping.json
var mappingJSON []byte

// templatePriority is above that of the templates that servers come with (100), for those whose index is named logs-… . The
// length of the name is added, so that of two sinks, one for assay and one for assay-audit, the nearer template wins, and
// servers, which refuse two that are equally near, take both.
const templatePriority = 200

type object = map[string]any

// IndexTemplate is what is put for the indexes of a name, and for those of that name with a month or day.
func IndexTemplate(index string) (map[string]any, error) {
	var mapping object
	if err := json.Unmarshal(mappingJSON, &mapping); err != nil {
		return nil, fmt.Errorf("reading the mapping: %w", err)
	}
	return object{
		"index_patterns": []string{index, index + "-*"},
		"priority":       templatePriority + len(index),
		"template": object{
			// One copy where there is one node, two where there are more.
			"settings": object{"auto_expand_replicas": "0-1"},
			"mappings": mapping,
		},
	}, nil
}

// prepare puts the template, makes the index and adds to existing mappings what they lack. What the server refuses for
// good is logged and not tried again, as documents may well be taken without it; an error is worth another attempt.
func (s *Sink) prepare(ctx context.Context) error {
	template, err := IndexTemplate(s.o.Index)
	if err != nil {
		return err
	}
	if err := s.put(ctx, "/_index_template/assay-"+s.o.Index, template); err != nil {
		return err
	}
	pattern := s.o.Index
	if s.o.Period != Always {
		pattern += "-*"
	}
	var indexes map[string]struct{ Mappings object }
	// No error when nothing matches a pattern, and closed indexes are left alone.
	answer, err := s.server.Call(ctx, http.MethodGet, "/"+pattern+"/_mapping?expand_wildcards=open&allow_no_indices=true", nil, &indexes)
	missing := answer.Status == http.StatusNotFound || answer.Status == http.StatusForbidden
	switch {
	case missing && s.o.Period == Always:
		return s.put(ctx, "/"+s.o.Index, template["template"])
	case missing:
		return nil
	case err != nil:
		return err
	}
	desired := template["template"].(object)["mappings"].(object)
	for _, index := range slices.Sorted(maps.Keys(indexes)) {
		if lacking := lacks(indexes[index].Mappings, desired); len(lacking) > 0 {
			if err := s.put(ctx, "/"+index+"/_mapping", lacking); err != nil {
				return err
			}
		}
	}
	return nil
}

// put sends a body. It is no error when the server refuses it.
func (s *Sink) put(ctx context.Context, path string, body any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := s.server.Call(ctx, http.MethodPut, path, content, nil)
	if err == nil || answer.ErrorType == "resource_already_exists_exception" {
		return nil
	}
	switch answer.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		s.o.Logger.Warn("the search server does not let its index be prepared; results are sent nevertheless, and fields may be missing or of another type",
			"path", path, "error", err)
		return nil
	}
	return err
}

// lacks is the part of the desired mapping that can be added to the existing one: fields that are missing, and the limits of
// those that have the same type. A field of another type stays what it is, and so does whether fields that nobody knew are added, but
// where the names of fields are people's own.
func lacks(existing, desired object) object {
	lacking := object{}
	have, _ := existing["properties"].(object)
	want, _ := desired["properties"].(object)
	fields := object{}
	for name, wanted := range want {
		wanted := wanted.(object)
		had, found := have[name].(object)
		if !found {
			fields[name] = wanted
			continue
		}
		if typeOf(had) != typeOf(wanted) {
			continue
		}
		field := lacks(had, wanted)
		for _, limit := range []string{"ignore_above", "dynamic"} {
			if value, ok := wanted[limit]; ok && !same(had[limit], value) && (limit != "dynamic" || wanted["properties"] == nil) {
				field[limit] = value
			}
		}
		if len(field) > 0 {
			if typeOf(wanted) != "object" {
				// What is not repeated would be taken as its default, and most of it cannot be changed.
				for parameter, value := range had {
					if _, changes := field[parameter]; !changes && parameter != "properties" {
						field[parameter] = value
					}
				}
			}
			if field["properties"] == nil {
				field["type"] = typeOf(wanted)
			}
			fields[name] = field
		}
	}
	if len(fields) > 0 {
		lacking["properties"] = fields
	}
	return lacking
}

// same compares what a server shows with what it was given: it shows false as a text.
func same(a, b any) bool { return reflect.DeepEqual(a, b) || fmt.Sprint(a) == fmt.Sprint(b) }

func typeOf(field object) string {
	if kind, ok := field["type"].(string); ok {
		return kind
	}
	return "object"
}
