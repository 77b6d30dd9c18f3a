package admission

import (
	"strings"

	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

// Limits of what is written for people, in characters. What they cut comes from policies and objects, which may be of any
// size.
const (
	maxEntity  = 400
	maxReason  = 160
	maxMessage = 256
	maxName    = 120
	maxFix     = 256
)

// entity names an object in the words of the old agent.
type entity struct{ kind, name, namespace string }

// entityOf is the object as people know it. While its name is still to be generated, it is the prefix and an asterisk.
func entityOf(o *policy.Object) entity {
	e := entity{kind: strings.ToLower(o.Kind()), name: o.Name(), namespace: o.Namespace()}
	if e.name == "" {
		metadata, _ := o.Content["metadata"].(map[string]any)
		if prefix, _ := metadata["generateName"].(string); prefix != "" {
			e.name = prefix + "*"
		}
	}
	return e
}

// String is the value of the line Entity, of one line: deployment/web in namespace: shop.
func (e entity) String() string {
	s := e.short()
	if e.namespace != "" {
		s += " in namespace: " + e.namespace
	}
	return words.OneLine(s, maxEntity)
}

func (e entity) short() string { return words.OneLine(e.kind+"/"+e.name, maxEntity) }
