package kustomize

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// maxExpansion is how many values the aliases of one file may stand for. Kustomize writes all of them out.
const maxExpansion = 500_000

// checkAliases refuses what kustomize would not survive: an anchor that contains itself ends the process, and aliases of
// aliases of aliases fill the memory. It takes time in proportion to the content. What does not parse is left to kustomize.
func checkAliases(content []byte) error {
	if bytes.IndexByte(content, '*') < 0 || bytes.IndexByte(content, '&') < 0 {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	m := measure{sizes: map[*yaml.Node]int{}}
	total := 0
	for {
		var root yaml.Node
		if decoder.Decode(&root) != nil {
			return nil
		}
		total += m.size(&root)
		switch {
		case m.cyclic:
			return errors.New("an anchor contains itself")
		case total > maxExpansion+len(content):
			return fmt.Errorf("its aliases stand for more than %d values", maxExpansion)
		}
	}
}

// measure counts the values that nodes stand for, up to a number that is too many anyway.
type measure struct {
	// sizes of anchored nodes; -1 while a node is being measured.
	sizes  map[*yaml.Node]int
	cyclic bool
}

func (m *measure) size(node *yaml.Node) int {
	if node.Kind == yaml.AliasNode {
		size := m.sizes[node.Alias]
		if size < 0 {
			m.cyclic = true
			return 0
		}
		return size
	}
	if node.Anchor != "" {
		m.sizes[node] = -1
	}
	size := 1
	for _, child := range node.Content {
		size = min(size+m.size(child), 1<<40)
	}
	if node.Anchor != "" {
		m.sizes[node] = size
	}
	return size
}
