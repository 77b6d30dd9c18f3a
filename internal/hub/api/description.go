package api

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// describe says in the document what huma cannot find out from the types, so that types which are made from the document are right.
func describe(document *huma.OpenAPI) {
	schemas := document.Components.Schemas.Map()
	asked := map[string]bool{}
	for _, item := range document.Paths {
		for _, op := range operationsOf(item) {
			describeOperation(op)
			if op.OperationID == "get-summary" || op.OperationID == "list-applications" {
				describeOnlyOpen(op)
			}
			// What agents send has a decoder of its own, and types that are in answers as well.
			if op.RequestBody != nil && !strings.HasPrefix(op.Path, intakePath) {
				noteRefs(op.RequestBody.Content["application/json"].Schema, schemas, asked)
			}
		}
	}
	for name, schema := range schemas {
		// Others are allowed anyway, and to say so makes types that allow every name.
		if schema.AdditionalProperties == true {
			schema.AdditionalProperties = nil
		}
		ofOthers := strings.HasPrefix(name, "Weave") || strings.HasPrefix(name, "Sink") || strings.HasPrefix(name, "State") && name != "State"
		for property, of := range schema.Properties {
			optional := !slices.Contains(schema.Required, property)
			switch {
			case ofOthers:
				// They are shown as they came: nil maps of theirs are null.
				of.Nullable = (of.Nullable || of.Type == huma.TypeObject) && !optional
			case asked[name]:
				// What need not be there may be null.
				if optional {
					schema.Properties[property] = orNull(of)
				}
			case optional && of.Type == huma.TypeArray:
				// It is there when there is something in it.
				of.Nullable = false
			}
		}
	}
	if counts, is := schemas["Facets"].Properties["facets"].AdditionalProperties.(*huma.Schema); is {
		counts.Nullable = false
	}
	schemas["OldParameter"].Properties["value"] = orNull(schemas["OldParameter"].Properties["value"])
	problem := schemas["ErrorModel"]
	problem.Required = []string{"detail", "status", "title"}
	problem.Properties["errors"].Nullable = false
	// It is left out, and that of a default is taken to be there always.
	problem.Properties["type"].Default = nil
}

// noteRefs notes the names of the schemas of a request's body.
func noteRefs(schema *huma.Schema, all map[string]*huma.Schema, into map[string]bool) {
	if schema == nil {
		return
	}
	if name := path.Base(schema.Ref); schema.Ref != "" && !into[name] {
		into[name] = true
		noteRefs(all[name], all, into)
	}
	for _, property := range schema.Properties {
		noteRefs(property, all, into)
	}
	noteRefs(schema.Items, all, into)
}

// orNull is a schema of which null is one as well.
func orNull(schema *huma.Schema) *huma.Schema {
	if schema.Ref != "" {
		// huma checks bodies by the same schemas, and takes what it calls null for anything.
		return &huma.Schema{Description: schema.Description, AnyOf: []*huma.Schema{{Ref: schema.Ref}, {Enum: []any{nil}}}}
	}
	if schema.Type != "" {
		schema.Nullable = true
	}
	if schema.Enum != nil && !slices.Contains(schema.Enum, nil) {
		schema.Enum = append(slices.Clone(schema.Enum), nil)
	}
	return schema
}

// describeOnlyOpen says what onlyOpen demands, and leaves it to that to say it to who asks: huma goes on checking by what it had registered.
func describeOnlyOpen(op *huma.Operation) {
	for i, p := range op.Parameters {
		if p.Name != "status" {
			continue
		}
		only, list, value := *p, *p.Schema, *p.Schema.Items
		value.Enum = []any{string(store.Open)}
		list.Items, only.Schema = &value, &list
		op.Parameters[i] = &only
	}
}

// describeOperation adds what is around all operations.
func describeOperation(op *huma.Operation) {
	text := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
	op.Responses["431"] = &huma.Response{
		Description: "Query and headers are longer than what is read of a request, so that it was not looked at: this is no problem+json.",
		Content:     map[string]*huma.MediaType{"text/plain": {Schema: text()}},
	}
	whole := op.Responses["200"]
	if op.Method == http.MethodGet && whole != nil && op.Path != changesPath && op.Path != exportPath && op.Path != sessionPath {
		op.Responses["304"] = &huma.Response{Description: "What has the ETag of If-None-Match is still right."}
		if whole.Headers == nil {
			whole.Headers = map[string]*huma.Param{}
		}
		// It is not there when the answer is long.
		whole.Headers["ETag"] = &huma.Param{Schema: text(), Description: "For If-None-Match: whoever has the answer already is told so."}
	}
	for code, headers := range map[string]map[string]string{
		"401": {"WWW-Authenticate": "How to say who one is."},
		"405": {"Allow": "The methods that there are."},
		"429": {"Retry-After": "How many seconds to wait."},
		"503": {"Retry-After": "How many seconds to wait, where that is known."},
	} {
		if op.Responses[code] == nil {
			continue
		}
		op.Responses[code].Headers = map[string]*huma.Param{}
		for name, description := range headers {
			op.Responses[code].Headers[name] = &huma.Param{Schema: text(), Description: description}
		}
	}
}
