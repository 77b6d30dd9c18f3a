package tenancy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// Source is a tenants file.
type Source struct {
	// Name for messages: a path, or what stands for it.
	Name    string
	Content []byte
}

// Options of Read. The zero value is what the old tool did, apart from what is refused now.
type Options struct {
	// AllowSharedNamespaces accepts a namespace that several tenants have.
	AllowSharedNamespaces bool
	// DefaultRole is what the service account of a tenant without deploymentRBAC may do; PresetClusterAdmin when empty.
	DefaultRole Preset
	// Cluster leaves out the tenants whose clusters do not name it; "" leaves out none.
	Cluster string
}

// Tenants are what was read.
type Tenants struct {
	// All tenants in the order of the files, with templates and defaults worked in.
	All []Tenant
	// Warnings are what works as it always did and should be known.
	Warnings []policy.Problem

	defaultRole Preset
}

// InvalidError says everything that is wrong with tenants files.
type InvalidError struct {
	Problems []policy.Problem
}

// Error has a line for each problem.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = place{p.Location.File, p.Location.Line, p.Location.Column}.String() + ": " + p.Message
		if p.Hint != "" {
			lines[i] += " (" + strings.ReplaceAll(p.Hint, "\n", "; ") + ")"
		}
	}
	return strings.Join(lines, "\n")
}

// Read decodes and validates tenants files. Its error is an *InvalidError with the problems of all files.
func Read(sources []Source, options Options) (*Tenants, error) {
	var documents []*document
	var problems []policy.Problem
	for _, source := range sources {
		found, wrong := decodeFile(source)
		documents = append(documents, found...)
		problems = append(problems, wrong...)
	}
	v := &validator{options: options}
	if v.options.DefaultRole == "" {
		v.options.DefaultRole = PresetClusterAdmin
	}
	if role := v.options.DefaultRole; !role.Valid() {
		return nil, &InvalidError{[]policy.Problem{{Kind: policy.LoadProblem, Message: fmt.Sprintf("there is no default role %q", role), Hint: "roles are " + presetNames()}}}
	}
	templates := v.templates(documents)
	var tenants []resolved
	for _, doc := range documents {
		v.document(doc)
		for i := range doc.Tenants {
			t := doc.Tenants[i]
			path := fmt.Sprintf("tenants[%d]", i)
			v.fields(doc, &t, path)
			tenants = append(tenants, resolved{v.resolve(doc, path, t, templates), doc, path})
		}
	}
	v.together(tenants)
	problems = append(problems, v.problems...)
	if len(problems) > 0 {
		return nil, &InvalidError{problems}
	}
	read := &Tenants{Warnings: v.warnings, defaultRole: v.options.DefaultRole}
	for _, t := range tenants {
		if options.Cluster == "" || len(t.Clusters) == 0 || slices.Contains(t.Clusters, options.Cluster) {
			read.All = append(read.All, t.Tenant)
		}
	}
	return read, nil
}

// resolved is a tenant with everything worked in, and where it was written.
type resolved struct {
	Tenant
	doc  *document
	path string
}

// template is a named set of fields, and where it was written.
type template struct {
	Tenant
	at place
}

// templates gathers the templates of all documents.
func (v *validator) templates(documents []*document) map[string]template {
	all := map[string]template{}
	for _, doc := range documents {
		for _, name := range slices.Sorted(maps.Keys(doc.Templates)) {
			path := "templates." + name
			t := doc.Templates[name]
			v.fields(doc, &t, path)
			v.partial(doc, &t, path)
			if first, twice := all[name]; twice {
				v.add(doc, path, "rename one of them", "the template %q exists twice; first at %s", name, first.at)
				continue
			}
			all[name] = template{t, doc.at(path)}
		}
	}
	return all
}

// resolve works the template, the defaults and the file's service account into a tenant.
func (v *validator) resolve(doc *document, path string, t Tenant, templates map[string]template) Tenant {
	if t.Template != "" {
		if from, known := templates[t.Template]; known {
			inherit(&t, &from.Tenant)
		} else {
			unknown := suggest.Unknown("template", t.Template, slices.Sorted(maps.Keys(templates)), "write it under templates:")
			v.add(doc, path+".template", unknown.Hint(), "%s", unknown.Error())
		}
	}
	if doc.Defaults != nil {
		inherit(&t, doc.Defaults)
	}
	if doc.ServiceAccount != nil {
		t.account, t.fluxDefault = doc.ServiceAccount.Name, doc.ServiceAccount.FluxDefault
	}
	t.origin = doc.at(path)
	return t
}

// inherit gives a tenant the fields that it does not set. Maps are merged key by key; everything else is taken whole.
func inherit(t, from *Tenant) {
	into, source := reflect.ValueOf(t).Elem(), reflect.ValueOf(from).Elem()
	for _, f := range fieldsOf(into.Type()) {
		to, value := into.Field(f.index), source.Field(f.index)
		switch {
		case value.IsZero() || f.name == "template":
		case to.IsZero():
			to.Set(value)
		case to.Kind() == reflect.Map:
			merged := reflect.MakeMap(to.Type())
			for _, m := range []reflect.Value{value, to} {
				for _, key := range m.MapKeys() {
					merged.SetMapIndex(key, m.MapIndex(key))
				}
			}
			to.Set(merged)
		}
	}
}
