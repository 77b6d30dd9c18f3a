package check

import (
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// namespaces finds the Namespace object that an object will live in. A tree often describes several clusters, and
// therefore one namespace several times.
type namespaces struct {
	byName map[string][]*policy.Object
}

// indexNamespaces takes the Namespaces from the groups of objects; earlier groups are preferred.
func indexNamespaces(groups ...[]*policy.Object) *namespaces {
	n := &namespaces{byName: map[string][]*policy.Object{}}
	for _, group := range groups {
		for _, object := range group {
			if object.Kind() == "Namespace" && object.APIVersion() == "v1" {
				n.byName[object.Name()] = append(n.byName[object.Name()], object)
			}
		}
	}
	return n
}

// of returns the Namespace that was rendered from the same kustomization or chart as the object, else the one whose file
// is nearest in the tree; nil when the tree holds none of that name.
func (n *namespaces) of(object *policy.Object) map[string]any {
	candidates := n.byName[object.Namespace()]
	if object.Namespace() == "" || len(candidates) == 0 {
		return nil
	}
	best := candidates[0]
	if len(candidates) > 1 {
		root, file := whereabouts(object)
		nearness := -1
		for _, candidate := range candidates {
			candidateRoot, candidateFile := whereabouts(candidate)
			near := sharedFolders(file, candidateFile)
			if root != "" && root == candidateRoot {
				near = len(file) + 1
			}
			if near > nearness {
				best, nearness = candidate, near
			}
		}
	}
	return best.Content
}

func whereabouts(object *policy.Object) (root, file string) {
	if object.Origin == nil {
		return "", ""
	}
	return object.Origin.Root(), object.Origin.Object().File
}

// sharedFolders counts the folders that two paths have in common from the top.
func sharedFolders(a, b string) int {
	shared := 0
	for {
		folderA, restA, okA := strings.Cut(a, "/")
		folderB, restB, okB := strings.Cut(b, "/")
		if !okA || !okB || folderA != folderB {
			return shared
		}
		a, b = restA, restB
		shared++
	}
}
