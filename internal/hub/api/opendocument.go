package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	documentPath = "/openapi.json"
	docsPath     = "/docs"
)

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle string

// registerDocument serves the document, and a page that shows it and needs nothing else. Neither tells anything that was found.
func (s *service) registerDocument(mux *http.ServeMux) error {
	describe(s.api.OpenAPI())
	document, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		return fmt.Errorf("writing the API's document: %w", err)
	}
	page, err := docsPage(s.api.OpenAPI())
	if err != nil {
		return err
	}
	policy := styledPage()
	mux.HandleFunc("GET "+documentPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// Who does not take the answer has gone.
		_, _ = w.Write(document)
	})
	mux.HandleFunc("GET "+docsPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(page)
	})
	return nil
}

// styledPage is the content security policy of a page with docsStyle in it and nothing else.
func styledPage() string {
	style := sha256.Sum256([]byte(docsStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(style[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

func docsPage(document *huma.OpenAPI) ([]byte, error) {
	type operation struct {
		*huma.Operation
		Who     string
		Answers []string
	}
	type schema struct {
		Name   string
		Schema *huma.Schema
	}
	var operations []operation
	for _, name := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, op := range operationsOf(document.Paths[name]) {
			o := operation{Operation: op, Who: "readers: a token of the cluster, a password, or a session"}
			switch {
			case len(op.Security) == 1:
				o.Who = "agents: their token"
			case slices.ContainsFunc(op.Security, func(way map[string][]string) bool { return len(way) == 0 }):
				o.Who = "anybody"
			}
			for _, code := range slices.Sorted(maps.Keys(op.Responses)) {
				o.Answers = append(o.Answers, code+" "+op.Responses[code].Description)
			}
			operations = append(operations, o)
		}
	}
	var schemas []schema
	known := document.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		schemas = append(schemas, schema{name, known[name]})
	}
	page, err := template.New("docs").Funcs(template.FuncMap{
		"type": typeText, "name": path.Base, "required": func(s *huma.Schema, field string) bool { return slices.Contains(s.Required, field) },
		"answer": func(op operation) string {
			if ok := op.Responses["200"]; ok != nil {
				for _, media := range slices.Sorted(maps.Keys(ok.Content)) {
					if ref := ok.Content[media].Schema.Ref; ref != "" {
						return path.Base(ref)
					}
				}
			}
			return ""
		},
		"taken": func(op operation) string {
			if op.RequestBody != nil {
				return path.Base(op.RequestBody.Content["application/json"].Schema.Ref)
			}
			return ""
		},
	}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("reading the page of the API's document: %w", err)
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{
		"Title": document.Info.Title, "Version": document.Info.Version, "Description": document.Info.Description,
		// The style comes with the program.
		"Style": template.CSS(docsStyle), "Operations": operations, "Schemas": schemas,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the page of the API's document: %w", err)
	}
	return out.Bytes(), nil
}

// operationsOf are those of a path that this API uses.
func operationsOf(item *huma.PathItem) []*huma.Operation {
	return slices.DeleteFunc([]*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete}, func(op *huma.Operation) bool { return op == nil })
}

// typeText is a schema's type in few words.
func typeText(s *huma.Schema) string {
	switch {
	case s == nil:
		return "anything"
	case s.Ref != "":
		return path.Base(s.Ref)
	case s.Type == huma.TypeArray:
		return "list of " + typeText(s.Items)
	case s.Type == "":
		return "anything"
	}
	text := s.Type
	if s.Format != "" {
		text = s.Format
	}
	if len(s.Enum) > 0 {
		words := make([]string, 0, len(s.Enum))
		for _, value := range s.Enum {
			words = append(words, fmt.Sprint(value))
		}
		text = strings.Join(words, ", ")
	}
	return text
}

// schemaName is the type's name, with that of its package where it is of another one: the same word means another thing there.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	in := path.Base(t.PkgPath())
	if t.Name() == "" || in == path.Base(reflect.TypeFor[service]().PkgPath()) || strings.HasPrefix(t.PkgPath(), "github.com/danielgtaylor/huma") {
		return name
	}
	return strings.ToUpper(in[:1]) + in[1:] + name
}
