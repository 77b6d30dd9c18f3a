package raw

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// duplicateKey is the error that a map sets a key twice.
type duplicateKey struct {
	key string
	// again is where it is set for the second time, first where for the first time, in the coordinates of the tree.
	again, first *yaml.Node
	tree         *tree
}

func (d *duplicateKey) Error() string {
	line, _ := d.tree.place(d.tree.offset(d.first.Line, d.first.Column))
	return fmt.Sprintf("key %q is already set in line %d", d.key, line)
}

// findDuplicate finds the first key that is set twice; nil when there is none or the document does not parse.
func findDuplicate(document []byte, at span, isJSON bool) *duplicateKey {
	t, err := parseTree(document, at, isJSON)
	if err != nil {
		return nil
	}
	duplicate := duplicateIn(t.root)
	if duplicate != nil {
		duplicate.tree = t
	}
	return duplicate
}

func duplicateIn(node *yaml.Node) *duplicateKey {
	if node.Kind == yaml.MappingNode {
		seen := make(map[string]*yaml.Node, len(node.Content)/2)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind != yaml.ScalarNode || isMerge(key) {
				continue
			}
			if first, ok := seen[key.Value]; ok {
				return &duplicateKey{key: key.Value, first: first, again: key}
			}
			seen[key.Value] = key
		}
	}
	for _, child := range node.Content {
		if duplicate := duplicateIn(child); duplicate != nil {
			return duplicate
		}
	}
	return nil
}

// isMerge tells whether a key is YAML's merge key.
func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Tag == "!!merge"
}
