package raw

import (
	"fmt"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

const (
	// maxListDepth bounds lists in lists.
	maxListDepth = 10
	// maxProblems bounds what is reported of one file; nobody reads more.
	maxProblems = 50
)

// Objects returns the Kubernetes objects of the file in the order in which they are written, as Parse does.
func (f *File) Objects() ([]*policy.Object, []policy.Problem) {
	collect := collector{file: f, problems: append([]policy.Problem(nil), f.problems...)}
	budget := maxFileExpansion
	for i, d := range f.documents {
		text := f.content[d.start:d.end]
		value, err := f.decode(d, &budget)
		if err != nil && f.brokenJSON() {
			return nil, []policy.Problem{f.jsonProblem()}
		}
		if err != nil {
			if collect.room() {
				collect.problems = append(collect.problems, f.explain(d, text, err))
			}
			continue
		}
		if content, ok := value.(map[string]any); ok {
			collect.add(content, &Origin{file: f, document: i, content: content})
		}
	}
	if collect.unsaid > 0 {
		collect.problems = append(collect.problems, policy.Problem{
			Kind:     policy.LoadProblem,
			Location: policy.Location{File: f.name},
			Message:  fmt.Sprintf("and %d more problems in this file", collect.unsaid),
		})
	}
	if len(collect.objects) > 0 {
		// The file is a manifest, whatever its broken documents mention.
		for i := range collect.problems {
			collect.problems[i].Warning = false
		}
	}
	return collect.objects, collect.problems
}

// decode returns the value of a document, and takes what its aliases stand for from the budget.
func (f *File) decode(d *document, budget *int) (any, error) {
	text := f.content[d.start:d.end]
	if f.json {
		return decodeJSON(text, d.span)
	}
	expanded, err := measureAliases(text, *budget)
	if err != nil {
		return nil, err
	}
	*budget -= expanded
	return decodeYAML(text, d.span)
}

type collector struct {
	file     *File
	objects  []*policy.Object
	problems []policy.Problem
	// unsaid counts the problems beyond maxProblems.
	unsaid int
}

// room tells whether one more problem is reported, and counts it if not.
func (c *collector) room() bool {
	if len(c.problems) < maxProblems {
		return true
	}
	c.unsaid++
	return false
}

// add collects an object, or the items of a list as kubectl and Flux see lists: whatever has a list of items, of any kind.
func (c *collector) add(content map[string]any, origin *Origin) {
	apiVersion, _ := content["apiVersion"].(string)
	kind, _ := content["kind"].(string)
	if apiVersion == "" || kind == "" {
		return
	}
	items, isList := content["items"].([]any)
	if !isList {
		c.objects = append(c.objects, &policy.Object{Content: content, Origin: origin})
		return
	}
	if len(origin.items) == maxListDepth {
		c.problem(origin, fmt.Sprintf("lists are nested deeper than %d levels", maxListDepth))
		return
	}
	for i, item := range items {
		at := &Origin{file: origin.file, document: origin.document, items: append(origin.items[:len(origin.items):len(origin.items)], i)}
		object, ok := item.(map[string]any)
		if !ok {
			c.problem(at, fmt.Sprintf("item %d of the %s is not an object", i+1, kind))
			continue
		}
		at.content = typed(object, apiVersion, kind)
		c.add(at.content, at)
	}
}

// typed gives an item of a typed list, such as a PodList, the type that the list implies, as kubectl does.
func typed(item map[string]any, listAPIVersion, listKind string) map[string]any {
	kind := strings.TrimSuffix(listKind, "List")
	_, hasVersion := item["apiVersion"]
	_, hasKind := item["kind"]
	if hasVersion || hasKind || kind == "" || kind == listKind {
		return item
	}
	item["apiVersion"], item["kind"] = listAPIVersion, kind
	return item
}

func (c *collector) problem(origin *Origin, message string) {
	if !c.room() {
		return
	}
	c.problems = append(c.problems, policy.Problem{Kind: policy.LoadProblem, Location: origin.Object(), Message: message})
}
