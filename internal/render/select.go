package render

import (
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// selectKustomizations chooses the kustomizations that are built by themselves: those that were asked for by name, and those
// that no other one uses. Components are never built by themselves; the folders of those that nobody asked for are the
// second result.
func selectKustomizations(all []*unit, uses func(dir string) []string, isComponent func(dir string) bool) (selected []*unit, components map[string]bool) {
	known := make(map[string]*unit, len(all))
	for _, u := range all {
		known[u.real] = u
	}
	used := map[string]bool{}
	bases := make(map[string][]string, len(all))
	for _, u := range all {
		for _, base := range uses(u.path) {
			if real, err := filepath.EvalSymlinks(base); err == nil {
				base = real
			}
			// A kustomization that includes itself has nobody else who would tell.
			if base != u.real {
				used[base] = true
				bases[u.real] = append(bases[u.real], base)
			}
		}
	}
	reached := map[string]bool{}
	var reach func(dir string)
	reach = func(dir string) {
		if !reached[dir] {
			reached[dir] = true
			for _, base := range bases[dir] {
				reach(base)
			}
		}
	}
	components = map[string]bool{}
	var rest []*unit
	for _, u := range all {
		switch {
		case isComponent(u.path):
			components[u.real] = true
		case u.explicit || !used[u.real]:
			selected = append(selected, u)
			reach(u.real)
		default:
			rest = append(rest, u)
		}
	}
	// What is left uses itself in a circle, or is used by such or by a component that nobody includes.
	for _, u := range rest {
		if !reached[u.real] {
			selected = append(selected, u)
			reach(u.real)
		}
	}
	return selected, components
}

// isComponent tells whether the kustomization of a folder is a component.
func (r *run) isComponent(dir string) bool {
	for _, name := range kustomizationNames {
		content, err := readFile(filepath.Join(dir, name), r.maxFileBytes)
		if err != nil {
			continue
		}
		var head struct {
			Kind string `json:"kind"`
		}
		return yaml.Unmarshal(content, &head) == nil && head.Kind == "Component"
	}
	return false
}
