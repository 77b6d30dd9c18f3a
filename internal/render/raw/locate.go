package raw

import (
	"fmt"
	"strings"
	"weak"

	"go.yaml.in/yaml/v3"

	"github.com/assay-gitops/assay/policy"
)

// Locate returns where a document writes the field at a path, and how many steps of the path are present; the place is then
// the nearest present parent's. Documents are counted from 0, paths begin at the document's root. Keys that contain dots
// may be taken apart in the path.
func (f *File) Locate(document int, path policy.Path) (location policy.Location, present int) {
	locations, present := f.locate(document, path)
	return locations[0], present
}

// LocateLine is the place of a whole line without its indentation; lines are counted from 1.
func (f *File) LocateLine(line int) policy.Location {
	location := policy.Location{File: f.name, Line: line, EndLine: line}
	at := 0
	for n := 1; at < len(f.content); n++ {
		text, next := lineAt(f.content, at)
		if n == line {
			trimmed := strings.TrimRight(string(text), " \t\r")
			indent := len(trimmed) - len(strings.TrimLeft(trimmed, " \t"))
			location.Column = indent + 1
			location.EndColumn = len([]rune(trimmed)) + 1
			return location
		}
		at = next
	}
	return location
}

// locate returns at least one location.
func (f *File) locate(document int, path policy.Path) (locations []policy.Location, present int) {
	if document < 0 || document >= len(f.documents) {
		return []policy.Location{{File: f.name}}, 0
	}
	t, err := f.treeOf(f.documents[document])
	if err != nil {
		// What was decoded nearly always parses for its positions too; where it does not, its first line must do.
		return []policy.Location{f.LocateLine(f.documents[document].line + 1)}, 0
	}
	w := walk{tree: t, file: f.name}
	present = w.follow(path)
	return w.locations(path[present:]), present
}

// treeOf parses a document, or finds it parsed.
func (f *File) treeOf(d *document) (*tree, error) {
	d.parsing.Lock()
	defer d.parsing.Unlock()
	if t := d.tree.Value(); t != nil {
		return t, nil
	}
	t, err := parseTree(f.content[d.start:d.end], d.span, f.json)
	if err != nil {
		return nil, err
	}
	d.tree = weak.Make(t)
	return t, nil
}

// walk follows a path through a tree and through its aliases.
type walk struct {
	tree *tree
	file string
	// key and value are where it stands; key is nil in lists and at the root.
	key, value *yaml.Node
	// jumps are the aliases that it came through.
	jumps []jump
}

// jump is an alias on the way.
type jump struct {
	// key is what the alias is the value of, << with a merge; nil in lists. The value is the alias or, with a merge, may be a
	// list that has it.
	key, value *yaml.Node
	anchor     string
	merge      bool
}

// follow goes as far as the path is present and tells how many of its steps that are.
func (w *walk) follow(path policy.Path) (present int) {
	w.arrive(nil, w.tree.root)
	for present < len(path) {
		used := w.step(path[present:])
		if used == 0 {
			break
		}
		present += used
	}
	return present
}

// arrive stands at a value, or at what it is an alias of.
func (w *walk) arrive(key, value *yaml.Node) {
	w.key, w.value = key, value
	if value.Kind == yaml.AliasNode && value.Alias != nil {
		w.jumps = append(w.jumps, jump{key: key, value: value, anchor: value.Value})
		w.key, w.value = nil, value.Alias
	}
}

// step takes the first step of the path, or its first steps together where only their join is a key; 0 when it is absent.
func (w *walk) step(path policy.Path) (used int) {
	switch w.value.Kind {
	case yaml.SequenceNode:
		if !path[0].IsIndex || path[0].Index < 0 || path[0].Index >= len(w.value.Content) {
			return 0
		}
		w.arrive(nil, w.value.Content[path[0].Index])
		return 1
	case yaml.MappingNode:
		if path[0].IsIndex {
			return 0
		}
		name := path[0].Key
		for used = 1; ; used++ {
			if w.enter(name) {
				return used
			}
			if used == len(path) || path[used].IsIndex {
				return 0
			}
			name += "." + path[used].Key
		}
	}
	return 0
}

// enter goes to the value of a key.
func (w *walk) enter(name string) bool {
	key, value, merges := lookup(w.value, name, 0)
	if key == nil {
		return false
	}
	w.jumps = append(w.jumps, merges...)
	w.arrive(key, value)
	return true
}

// maxMerges bounds how many merges lead to one key.
const maxMerges = 20

// lookup finds a key of a map and the merges that it comes from. As in the decoder the last that sets a key wins, and in a
// list of merged maps the first.
func lookup(mapping *yaml.Node, name string, depth int) (key, value *yaml.Node, merges []jump) {
	if depth > maxMerges {
		return nil, nil, nil
	}
	for i := len(mapping.Content) - 2; i >= 0; i -= 2 {
		k, v := mapping.Content[i], mapping.Content[i+1]
		if !isMerge(k) {
			if k.Kind == yaml.AliasNode && k.Alias != nil && k.Alias.Value == name || k.Kind == yaml.ScalarNode && k.Value == name {
				return k, v, nil
			}
			continue
		}
		for _, merged := range mergedMaps(v) {
			target := merged
			if merged.Kind == yaml.AliasNode {
				target = merged.Alias
			}
			if target == nil || target.Kind != yaml.MappingNode {
				continue
			}
			foundKey, foundValue, further := lookup(target, name, depth+1)
			if foundKey == nil {
				continue
			}
			if merged.Kind == yaml.AliasNode {
				further = append([]jump{{key: k, value: v, anchor: merged.Value, merge: true}}, further...)
			}
			return foundKey, foundValue, further
		}
	}
	return nil, nil, nil
}

func mergedMaps(value *yaml.Node) []*yaml.Node {
	if value.Kind == yaml.SequenceNode {
		return value.Content
	}
	return []*yaml.Node{value}
}

// locations of where the walk stands: the alias that a person meets first, those behind it, and what is written there.
func (w *walk) locations(missing policy.Path) []policy.Location {
	final := w.tree.location(w.key, w.value)
	final.File = w.file
	locations := make([]policy.Location, 0, len(w.jumps)+1)
	for _, j := range w.jumps {
		at := w.tree.location(j.key, j.value)
		at.File = w.file
		at.Note = fmt.Sprintf("the alias *%s stands for it", j.anchor)
		if j.merge {
			at.Note = fmt.Sprintf("merged in from *%s", j.anchor)
		}
		locations = append(locations, at)
	}
	if len(w.jumps) > 0 {
		final.Note = fmt.Sprintf("written here, at the anchor &%s", w.jumps[len(w.jumps)-1].anchor)
	}
	locations = append(locations, final)
	if len(missing) > 0 {
		locations[0].Note = fmt.Sprintf("%q is missing here", missing.String())
	}
	return locations
}
