package raw

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The decoder bounds aliases too, but only after it has spent a hundred megabytes, and it does so anew for every document
// of a file. People's files stay far below these.
const (
	// maxDocumentExpansion is how many values the aliases of one document may stand for.
	maxDocumentExpansion = 50_000
	// maxFileExpansion is how many those of all documents of a file may stand for.
	maxFileExpansion = 500_000
)

// measureAliases tells how many values the aliases of a document stand for, in time proportional to the document. It fails
// when they are more than the budget. Documents that cannot be measured because they do not parse are left to the
// decoder.
func measureAliases(document []byte, budget int) (expanded int, err error) {
	// Nearly no manifest has an alias; those that mention neither sign are not parsed for it.
	if bytes.IndexByte(document, '*') < 0 || bytes.IndexByte(document, '&') < 0 {
		return 0, nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return 0, nil
	}
	m := measure{sizes: map[*yaml.Node]int{}, limit: min(budget, maxDocumentExpansion)}
	m.size(&root)
	if m.cyclic {
		return 0, errors.New("an anchor contains itself")
	}
	if m.expanded > m.limit {
		return 0, fmt.Errorf("its aliases stand for more than %d values", m.limit)
	}
	return m.expanded, nil
}

// measure counts the values that nodes stand for. All its numbers stop just above the limit.
type measure struct {
	// sizes of anchored nodes; -1 while a node is being measured.
	sizes    map[*yaml.Node]int
	limit    int
	expanded int
	cyclic   bool
}

func (m *measure) size(node *yaml.Node) int {
	if node.Kind == yaml.AliasNode {
		size := m.sizes[node.Alias]
		if size < 0 {
			m.cyclic = true
			return 0
		}
		m.expanded = min(m.expanded+size, m.limit+1)
		return size
	}
	if node.Anchor != "" {
		m.sizes[node] = -1
	}
	size := 1
	for _, child := range node.Content {
		size = min(size+m.size(child), m.limit+1)
	}
	if node.Anchor != "" {
		m.sizes[node] = size
	}
	return size
}
