package kustomize

import (
	"path/filepath"
	"slices"
	"sync"

	"sigs.k8s.io/kustomize/api/resource"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// Origin finds out which file of a kustomization set a field.
type Origin struct {
	tree *tree
	top  *layer
	// content is what was built.
	content map[string]any
	// from is what kustomize says about the object's beginning; nil when it says nothing.
	from *resource.Origin

	searching sync.Once
	// chain are the layers from the top one down to the one that names the base.
	chain []*layer
	// base is the object in the file that it was read from; nil for a generated one.
	base *policy.Object
	// known is what the object was known by.
	known identity
}

var _ policy.Origin = (*Origin)(nil)

// Root is the folder of the kustomization that was built.
func (o *Origin) Root() string { return relative(o.tree.root, o.top.dir) }

// Object is where the object begins: in its base file, or the entry of its generator.
func (o *Origin) Object() policy.Location { return o.Field(nil)[0] }

// Field is where the field was set last, and then what leads there.
func (o *Origin) Field(path policy.Path) []policy.Location {
	o.search()
	resolved, present := path.Resolve(o.content)
	var found []policy.Location
	if present == len(resolved) && present > 0 {
		if set, ok := o.set(resolved); ok {
			found = append(found, set)
		}
	}
	found = append(found, o.origins(resolved, present, len(found) > 0)...)
	if len(found) == 0 {
		found = append(found, o.top.source.LocateLine(1))
	}
	if found[0].File != o.top.source.LocateLine(1).File {
		built := o.top.source.LocateLine(1)
		built.Note = "built by"
		found = append(found, built)
	}
	return found
}

// origins are the places of the object's beginnings: the base's field, or the generator's entry. When nothing else set the field
// and a patch knows more of its path than the base, the patch comes first.
func (o *Origin) origins(path policy.Path, present int, isSet bool) []policy.Location {
	if o.base == nil {
		if at, ok := o.generated(path); ok {
			return []policy.Location{at}
		}
		return o.configured()
	}
	mapped, inBase := follow(o.content, o.base.Content, path)
	locations := o.base.Origin.Field(mapped)
	if isSet {
		if inBase == len(path) {
			locations[0].Note = "base"
		} else {
			locations[0].Note = "in base"
		}
		return locations[:1]
	}
	if inBase < present {
		if at, ok := o.nearest(path, inBase); ok {
			locations[0].Note = "in base"
			return append([]policy.Location{at}, locations[:1]...)
		}
	}
	return locations
}

// configured is the configuration of the generator that made the object, where that has a file of its own.
func (o *Origin) configured() []policy.Location {
	if o.from == nil || o.from.ConfiguredIn == "" || o.from.Repo != "" {
		return nil
	}
	file := filepath.Join(o.top.dir, o.from.ConfiguredIn)
	content, err := o.tree.files.readOriginal(file)
	if err != nil {
		return nil
	}
	objects, _ := raw.Parse(relative(o.tree.root, file), content)
	for _, config := range objects {
		if by := o.from.ConfiguredBy; config.Kind() == by.Kind && config.Name() == by.Name {
			return []policy.Location{config.Origin.Object()}
		}
	}
	return nil
}

// nearest is the place of the longest part of the path that something sets, if that is more than a number of steps.
func (o *Origin) nearest(path policy.Path, more int) (policy.Location, bool) {
	for n := len(path) - 1; n > more; n-- {
		if at(o.content, path[:n]) == nil {
			continue
		}
		if set, ok := o.set(path[:n]); ok {
			set.Note = "\"" + path[n:].String() + "\" is missing here"
			return set, true
		}
	}
	return policy.Location{}, false
}

// maxChains bounds how many ways from the top to the base are looked at.
const maxChains = 100

// search finds the chain of layers and the base, once. Where several ways lead to one base, as in a kustomization that includes
// two overlays of it, the way is the one that makes the base's name and namespace the built object's.
func (o *Origin) search() {
	o.searching.Do(func() {
		o.chain = []*layer{o.top}
		defer o.recognise()
		if o.from == nil {
			return
		}
		file := o.from.Path
		if file == "" {
			file = o.from.ConfiguredIn
		}
		target := filepath.Join(o.top.dir, file)
		chains := o.tree.lead(o.top, target, nil, nil)
		var objects []*policy.Object
		if o.from.Path != "" && o.from.Repo == "" {
			if content, err := o.tree.files.readOriginal(target); err == nil {
				objects, _ = raw.Parse(relative(o.tree.root, target), content)
			}
		}
		best := -1
		for _, chain := range chains {
			trial := Origin{tree: o.tree, content: o.content, chain: chain}
			base, fit := trial.match(objects)
			if len(objects) == 0 {
				fit = trial.fitsGenerator()
			}
			if fit > best {
				best, o.chain, o.base = fit, chain, base
			}
		}
	})
}

// recognise finds out what the object was known by, when its chain and its base are known.
func (o *Origin) recognise() {
	built := policy.Object{Content: o.content}
	if o.base != nil {
		o.known = o.identify(o.base.Name(), o.base.Namespace())
	} else {
		o.known = o.identify(o.generatorName(), built.Namespace())
	}
	o.known.names = append(o.known.names, built.Name())
}

// lead appends to the chains those of layers from one to the one that names a file, as a resource or as its own.
func (t *tree) lead(l *layer, target string, above []*layer, chains [][]*layer) [][]*layer {
	if slices.Contains(above, l) || len(chains) == maxChains {
		return chains
	}
	chain := append(above[:len(above):len(above)], l)
	if l.path == target {
		return append(chains, chain)
	}
	for _, r := range slices.Concat(l.includes(), l.plugins()) {
		abs := l.abs(r.value)
		if abs == target {
			return append(chains, chain)
		}
		if included, ok := t.layers[abs]; ok {
			chains = t.lead(included, target, chain, chains)
		}
	}
	return chains
}

// How well the layers of a chain explain what was built.
const (
	// unlikely: the only object of its kind, with another name.
	unlikely = iota
	// sameName: the layers make the name the built one's.
	sameName
	// noNamespace: and it has no namespace although they give it one, as with what belongs to the cluster.
	noNamespace
	// sameObject: and the namespace is that of the built one.
	sameObject
)

// match finds the object that was built among those of its file: of the same kind, with a name that the layers make the built
// one's of; where a patch has changed the name, the only one of the kind.
func (o *Origin) match(objects []*policy.Object) (best *policy.Object, fit int) {
	built := policy.Object{Content: o.content}
	alike := 0
	fit = -1
	for _, candidate := range objects {
		if candidate.Kind() != built.Kind() || candidate.Group() != built.Group() {
			continue
		}
		alike++
		id := o.identify(candidate.Name(), candidate.Namespace())
		this := o.fit(id, id.name() == built.Name())
		if this > fit {
			best, fit = candidate, this
		}
	}
	if fit == unlikely && alike > 1 {
		return nil, -1
	}
	return best, fit
}

// fitsGenerator is the fit of the generator that made the object.
func (o *Origin) fitsGenerator() int {
	built := policy.Object{Content: o.content}
	id := o.identify(o.generatorName(), "")
	return o.fit(id, id.name() == built.Name() || isHashed(built.Name(), id.name()))
}

func (o *Origin) fit(id identity, isNamed bool) int {
	built := policy.Object{Content: o.content}
	switch {
	case !isNamed:
		return unlikely
	case effective(id.namespace) == effective(built.Namespace()):
		return sameObject
	case built.Namespace() == "":
		return noNamespace
	}
	return sameName
}
