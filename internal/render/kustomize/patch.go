package kustomize

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/types"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// patch is an entry of a kustomization that patches objects.
type patch struct {
	layer  *layer
	target *types.Selector
	// file of the patch, or its text with the entry's field that holds it.
	file   string
	inline string
	at     policy.Path
	// documents parses the patch, once; one that cannot be read has none.
	documents func() []document
}

// readPatches returns the entries in the order in which kustomize applies them.
func (t *tree) readPatches(l *layer) []patch {
	var all []patch
	for i, p := range l.strategicMerges() {
		at := policy.Path{policy.Key("patchesStrategicMerge"), policy.Index(i)}
		if isInline(string(p)) {
			all = append(all, patch{layer: l, inline: string(p), at: at})
		} else {
			all = append(all, patch{layer: l, file: string(p), at: at})
		}
	}
	add := func(field string, patches []types.Patch) {
		for i, p := range patches {
			at := policy.Path{policy.Key(field), policy.Index(i), policy.Key("patch")}
			all = append(all, patch{layer: l, target: p.Target, file: p.Path, inline: p.Patch, at: at})
		}
	}
	add("patches", l.spec.Patches)
	add("patchesJson6902", l.jsonPatches())
	for i, p := range all {
		all[i].documents = sync.OnceValue(func() []document { return p.parse(t) })
	}
	return all
}

// document is one document of a patch: an object to merge, or a list of operations.
type document struct {
	content    map[string]any
	operations []operation
	// locate is the place of a path in the document.
	locate func(policy.Path) policy.Location
}

// operation of a JSON patch (RFC 6902), as far as it matters where a field was written.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// parse reads the documents of the patch.
func (p patch) parse(t *tree) []document {
	content := []byte(p.inline)
	fileName := ""
	if p.file != "" {
		path := p.layer.abs(p.file)
		var err error
		if content, err = t.files.readOriginal(path); err != nil {
			return nil
		}
		fileName = relative(t.root, path)
	}
	file := raw.Open(fileName, content)
	place := func(i int) func(policy.Path) policy.Location {
		return func(path policy.Path) policy.Location {
			at, _ := file.Locate(i, path)
			if p.file != "" {
				return at
			}
			return p.outer(t, at)
		}
	}
	var all []document
	for i, text := range splitDocuments(content) {
		var value any
		if i >= file.Documents() || yaml.Unmarshal(text, &value) != nil {
			break
		}
		switch v := value.(type) {
		case map[string]any:
			// Kustomize merges by YAML 1.2, where N is the letter.
			if merged := map[string]any{}; kyaml.Unmarshal(text, &merged) == nil {
				v = merged
			}
			all = append(all, document{content: v, locate: place(i)})
		case []any:
			var operations []operation
			if yaml.Unmarshal(text, &operations) == nil {
				all = append(all, document{operations: operations, locate: place(i)})
			}
		}
	}
	return all
}

// splitDocuments splits a stream as raw.Open counts its documents: those of only comments do not count.
func splitDocuments(content []byte) [][]byte {
	var all [][]byte
	for _, text := range bytes.Split(append([]byte("\n"), content...), []byte("\n---")) {
		meaningful := false
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
				meaningful = true
			}
		}
		if meaningful {
			all = append(all, text)
		}
	}
	return all
}

var blockScalar = regexp.MustCompile(`[|>][-+0-9]*\s*(?:#.*)?$`)

// outer is the place in the kustomization's file of a place in the text that it holds.
func (p patch) outer(t *tree, inner policy.Location) policy.Location {
	key := p.layer.at("", p.at...)
	content, err := t.files.readOriginal(p.layer.path)
	if err != nil {
		return key
	}
	lines := strings.Split(string(content), "\n")
	if key.Line < 1 || key.Line >= len(lines) || !blockScalar.MatchString(strings.TrimRight(lines[key.Line-1], "\r")) {
		return key
	}
	indent := 0
	for _, line := range lines[key.Line:] {
		if trimmed := strings.TrimLeft(line, " "); strings.TrimSpace(trimmed) != "" {
			indent = len(line) - len(trimmed)
			break
		}
	}
	key.Line += inner.Line
	key.Column, key.EndLine, key.EndColumn = inner.Column+indent, key.Line, inner.EndColumn+indent
	if inner.EndLine > inner.Line {
		key.EndLine += inner.EndLine - inner.Line
	}
	return key
}

// appliesTo tells whether the patch is for the object.
func (p patch) appliesTo(d document, o *Origin) bool {
	if p.target != nil {
		return o.isSelected(p.target)
	}
	return d.content != nil && o.isFor(policy.Object{Content: d.content})
}

// matches tells whether a text matches the anchored regular expression that kustomize takes selectors for; an empty one
// matches everything.
func matches(expression, name string) bool {
	if expression == "" || expression == name {
		return true
	}
	re, err := regexp.Compile("^(?:" + expression + ")$")
	return err == nil && re.MatchString(name)
}

// claims yields where the document sets the field, the last first.
func (d document) claims(o *Origin, path policy.Path, yield func(claim) bool) bool {
	if d.content == nil {
		if !d.operationClaims(o.content, path, yield) {
			return false
		}
		// A patch merged later puts the elements that it has before the others. Those of the base have the indexes that the
		// operation may have meant.
		if before, ok := o.pathInBase(path); ok {
			return d.operationClaims(o.base.Content, before, yield)
		}
		return true
	}
	if identifies(path) {
		return true
	}
	mapped, present := follow(o.content, d.content, path)
	if present < len(path) {
		return true
	}
	return yield(claim{at: d.locate(mapped), value: at(d.content, mapped), isKnown: true})
}

// operationClaims goes through a JSON patch backwards. Where an operation has moved the elements of a list, the path is that of
// the time before.
func (d document) operationClaims(content map[string]any, path policy.Path, yield func(claim) bool) bool {
	then := path
	for i, op := range slices.Backward(d.operations) {
		target := pointer(op.Path)
		rest, ok := below(content, target, then)
		switch {
		case op.Op == "remove" || !ok:
			then = undo(op.Op, target, then)
		case op.Op == "copy" || op.Op == "move":
			if !yield(claim{at: d.locate(policy.Path{policy.Index(i), policy.Key("path")})}) {
				return false
			}
		case op.Op == "add" || op.Op == "replace":
			mapped, present := follow(at(content, path[:len(path)-len(rest)]), op.Value, rest)
			if present < len(rest) {
				continue
			}
			in := append(policy.Path{policy.Index(i), policy.Key("value")}, mapped...)
			if !yield(claim{at: d.locate(in), value: at(op.Value, mapped), isKnown: true}) {
				return false
			}
		}
	}
	return true
}

// undo is the path of a field before an operation has added an element to a list before it, or has taken one away.
func undo(op string, target []string, path policy.Path) policy.Path {
	last := len(target) - 1
	if last < 0 || last >= len(path) || !path[last].IsIndex {
		return path
	}
	index, err := strconv.Atoi(target[last])
	if err != nil || !leads(target[:last], path) {
		return path
	}
	switch {
	case op == "add" && index < path[last].Index:
		index = -1
	case op == "remove" && index <= path[last].Index:
		index = 1
	default:
		return path
	}
	before := slices.Clone(path)
	before[last].Index += index
	return before
}

// leads tells whether a JSON pointer is the beginning of a path.
func leads(target []string, path policy.Path) bool {
	for i, part := range target {
		if path[i].IsIndex && strconv.Itoa(path[i].Index) != part || !path[i].IsIndex && path[i].Key != part {
			return false
		}
	}
	return true
}

// identifies tells whether a field of a patch to merge says what it is for, and sets nothing.
func identifies(path policy.Path) bool {
	switch path.String() {
	case "apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace":
		return true
	}
	return len(path) == 0
}

// pointer takes a JSON pointer (RFC 6901) apart.
func pointer(p string) []string {
	if p == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for i := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(parts[i], "~1", "/"), "~0", "~")
	}
	return parts
}
