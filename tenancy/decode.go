package tenancy

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assay-gitops/assay/internal/suggest"
	"github.com/assay-gitops/assay/policy"
)

// maxNodes bounds what aliases may expand to: 500 tenants with all fields are about 100,000 nodes.
const maxNodes = 1_000_000

// maxDepth bounds how deep values are nested.
const maxDepth = 100

// place is where a value was written.
type place struct {
	file         string
	line, column int
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

func (p place) location() policy.Location {
	return policy.Location{File: p.file, Line: p.line, Column: p.column}
}

// document is one decoded document of a file, and where its values are.
type document struct {
	File
	// places by path, such as tenants[0].namespaces[1].
	places map[string]place
}

// at is the place of a value, or of the nearest that contains it.
func (d *document) at(path string) place {
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return d.places[""]
		}
		path = path[:i]
	}
}

// decoder fills Go values from YAML nodes, as strictly as the types say, and collects everything that is wrong.
type decoder struct {
	file     string
	places   map[string]place
	problems []policy.Problem
	nodes    int
	// exhausted says that the bounds were passed: nothing more is decoded then.
	exhausted bool
}

// decodeFile decodes all documents of a file.
func decodeFile(source Source) ([]*document, []policy.Problem) {
	var documents []*document
	var problems []policy.Problem
	reader := yaml.NewDecoder(strings.NewReader(string(source.Content)))
	for {
		var node yaml.Node
		err := reader.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, problems
		}
		if err != nil {
			return documents, append(problems, syntaxProblem(source.Name, err))
		}
		if len(node.Content) != 1 || isNull(node.Content[0]) {
			continue
		}
		d := decoder{file: source.Name, places: map[string]place{}}
		doc := &document{places: d.places}
		d.decode(node.Content[0], reflect.ValueOf(&doc.File).Elem(), "", 0)
		documents = append(documents, doc)
		problems = append(problems, d.problems...)
	}
}

// syntaxProblem takes the line out of the parser's message: "yaml: line 3: did not find …".
func syntaxProblem(file string, err error) policy.Problem {
	p := policy.Problem{Kind: policy.LoadProblem, Location: policy.Location{File: file}}
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if _, scanErr := fmt.Sscanf(message, "line %d:", &p.Location.Line); scanErr == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	p.Message = "the YAML cannot be read: " + message
	return p
}

func (d *decoder) problem(node *yaml.Node, hint, format string, args ...any) {
	d.problems = append(d.problems, policy.Problem{
		Kind:     policy.LoadProblem,
		Location: policy.Location{File: d.file, Line: node.Line, Column: node.Column},
		Message:  fmt.Sprintf(format, args...),
		Hint:     hint,
	})
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	shorthand       = reflect.TypeFor[interface{ fromScalar(string) }]()
)

// spend counts a node and tells whether the bounds allow it.
func (d *decoder) spend(node *yaml.Node, path string, depth int) bool {
	if d.exhausted {
		return false
	}
	if d.nodes++; d.nodes > maxNodes || depth > maxDepth {
		d.exhausted = true
		d.problem(node, "", "%s: the values are nested too deeply or repeated too often by aliases", orFile(path))
		return false
	}
	return true
}

// decode fills a value from a node; path is for messages and places.
func (d *decoder) decode(node *yaml.Node, into reflect.Value, path string, depth int) {
	if !d.spend(node, path, depth) {
		return
	}
	if _, known := d.places[path]; !known {
		d.places[path] = place{d.file, node.Line, node.Column}
	}
	if node.Kind == yaml.AliasNode {
		d.decode(node.Alias, into, path, depth+1)
		return
	}
	if isNull(node) {
		return
	}
	t := into.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		into.Set(reflect.New(t.Elem()))
		d.decode(node, into.Elem(), path, depth)
	case reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler):
		d.viaJSON(node, into, path, depth)
	case t.Kind() == reflect.Interface:
		if value := d.value(node, path, depth); value != nil {
			into.Set(reflect.ValueOf(value))
		}
	case t.Kind() == reflect.Struct:
		d.structure(node, into, path, depth)
	case t.Kind() == reflect.Map:
		d.mapping(node, into, path, depth)
	case t.Kind() == reflect.Slice:
		d.sequence(node, into, path, depth)
	default:
		d.scalar(node, into, path)
	}
}

func (d *decoder) structure(node *yaml.Node, into reflect.Value, path string, depth int) {
	if node.Kind == yaml.ScalarNode && reflect.PointerTo(into.Type()).Implements(shorthand) {
		if node.Tag != "!!str" {
			d.problem(node, fmt.Sprintf("write %q in quotes", node.Value), "%s must be a string, got %s", orFile(path), describe(node))
			return
		}
		into.Addr().Interface().(interface{ fromScalar(string) }).fromScalar(node.Value)
		return
	}
	if node.Kind != yaml.MappingNode {
		d.problem(node, "", "%s must be a mapping of fields, got %s", orFile(path), describe(node))
		return
	}
	fields := fieldsOf(into.Type())
	d.pairs(node, depth, func(key, value *yaml.Node) {
		index := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		if index < 0 {
			// The old tool decoded without regard to case, and its own documentation has bindRoles with Name and Kind.
			index = slices.IndexFunc(fields, func(f field) bool { return strings.EqualFold(f.name, key.Value) })
		}
		if index < 0 {
			var names []string
			for _, f := range fields {
				names = append(names, f.name)
			}
			hint := "fields are " + strings.Join(names, ", ")
			if nearest := suggest.Nearest(key.Value, names); len(nearest) > 0 {
				hint = "did you mean " + nearest[0] + "?"
			}
			d.problem(key, hint, "%s has no field %q", orFile(path), key.Value)
			return
		}
		d.decode(value, into.Field(fields[index].index), join(path, fields[index].name), depth+1)
	})
}

func (d *decoder) mapping(node *yaml.Node, into reflect.Value, path string, depth int) {
	if node.Kind != yaml.MappingNode {
		d.problem(node, "", "%s must be a mapping, got %s", orFile(path), describe(node))
		return
	}
	t := into.Type()
	into.Set(reflect.MakeMap(t))
	d.pairs(node, depth, func(key, value *yaml.Node) {
		element := reflect.New(t.Elem()).Elem()
		d.decode(value, element, join(path, key.Value), depth+1)
		into.SetMapIndex(reflect.ValueOf(key.Value).Convert(t.Key()), element)
	})
}

// pairs visits the pairs of a mapping, merge keys (<<) included, and refuses keys that occur twice.
func (d *decoder) pairs(node *yaml.Node, depth int, visit func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Tag == "!!merge" {
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.problem(key, "", "a key must be a string, got %s", describe(key))
			continue
		}
		if line, twice := seen[key.Value]; twice {
			d.problem(key, "remove one of them", "the key %q occurs twice; first in line %d", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		visit(key, node.Content[i+1])
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag == "!!merge" {
			d.merge(node.Content[i+1], depth+1, seen, visit)
		}
	}
}

func (d *decoder) merge(node *yaml.Node, depth int, seen map[string]int, visit func(key, value *yaml.Node)) {
	if !d.spend(node, "", depth) {
		return
	}
	switch node.Kind {
	case yaml.AliasNode:
		d.merge(node.Alias, depth+1, seen, visit)
	case yaml.SequenceNode:
		for _, item := range node.Content {
			d.merge(item, depth+1, seen, visit)
		}
	case yaml.MappingNode:
		d.pairs(node, depth, func(key, value *yaml.Node) {
			if _, overridden := seen[key.Value]; !overridden {
				seen[key.Value] = key.Line
				visit(key, value)
			}
		})
	default:
		d.problem(node, "", "<< needs a mapping, got %s", describe(node))
	}
}

func (d *decoder) sequence(node *yaml.Node, into reflect.Value, path string, depth int) {
	if node.Kind != yaml.SequenceNode {
		d.problem(node, "begin the item with a dash: - …", "%s must be a list, got %s", orFile(path), describe(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		if d.exhausted {
			return
		}
		element := fmt.Sprintf("%s[%d]", path, i)
		if isNull(item) {
			d.problem(item, "remove the dash or write a value behind it", "%s is empty", element)
			continue
		}
		d.decode(item, into.Index(i), element, depth+1)
	}
}

func (d *decoder) scalar(node *yaml.Node, into reflect.Value, path string) {
	kind := into.Kind()
	switch {
	case node.Kind != yaml.ScalarNode:
	case kind == reflect.String && (node.Tag == "!!str" || node.Tag == "!!timestamp"):
		into.SetString(node.Value)
		return
	case kind == reflect.Bool && node.Tag == "!!bool", kind != reflect.String && kind != reflect.Bool && node.Tag == "!!int":
		if node.Decode(into.Addr().Interface()) == nil {
			return
		}
	}
	hint := ""
	if kind == reflect.String && node.Kind == yaml.ScalarNode {
		hint = fmt.Sprintf("write %q in quotes", node.Value)
	}
	d.problem(node, hint, "%s must be a %s, got %s", orFile(path), kindName(kind), describe(node))
}

// viaJSON fills types that know themselves how they are written, such as quantities and durations.
func (d *decoder) viaJSON(node *yaml.Node, into reflect.Value, path string, depth int) {
	value := d.value(node, path, depth)
	if node.Kind == yaml.ScalarNode && node.Tag == "!!float" {
		value = node.Value // a quantity such as 0.5 is what was written
	}
	content, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(content, into.Addr().Interface())
	}
	if err != nil {
		d.problem(node, "", "%s: %q is not valid: %v", path, node.Value, err)
	}
}

// value is a node as JSON values.
func (d *decoder) value(node *yaml.Node, path string, depth int) any {
	if !d.spend(node, path, depth) {
		return nil
	}
	switch node.Kind {
	case yaml.AliasNode:
		return d.value(node.Alias, path, depth+1)
	case yaml.MappingNode:
		m := map[string]any{}
		d.pairs(node, depth, func(key, value *yaml.Node) { m[key.Value] = d.value(value, join(path, key.Value), depth+1) })
		return m
	case yaml.SequenceNode:
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			list[i] = d.value(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
		return list
	}
	if node.Tag == "!!str" || node.Tag == "!!timestamp" || node.Tag == "!!binary" {
		return node.Value
	}
	var value any
	if err := node.Decode(&value); err != nil {
		d.problem(node, "", "%s: %v", path, err)
		return nil
	}
	switch n := value.(type) {
	case int:
		return int64(n)
	case uint64:
		d.problem(node, "write it in quotes", "%s: the number %s is too large", path, node.Value)
		return nil
	}
	return value
}

// field of a struct as it is written.
type field struct {
	name  string
	index int
}

// fieldsOf are the fields that can be written, by their JSON names.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields = append(fields, field{name, i})
		}
	}
	return fields
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// orFile names the file's root in messages.
func orFile(path string) string {
	if path == "" {
		return "the tenants file"
	}
	return path
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return describe(node.Alias)
	}
	switch node.Tag {
	case "!!int", "!!float":
		return "the number " + node.Value
	case "!!bool":
		return "the boolean " + node.Value
	case "!!null":
		return "nothing"
	}
	return fmt.Sprintf("%q", node.Value)
}

func kindName(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "boolean, true or false"
	case reflect.String:
		return "string"
	}
	return "whole number"
}
