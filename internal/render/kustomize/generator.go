package kustomize

import (
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// generators are the entries of a layer that generate objects of a kind.
func (l *layer) generators(kind any) (field string, all []types.GeneratorArgs) {
	switch kind {
	case "ConfigMap":
		for _, g := range l.spec.ConfigMapGenerator {
			all = append(all, g.GeneratorArgs)
		}
		return "configMapGenerator", all
	case "Secret":
		for _, g := range l.spec.SecretGenerator {
			all = append(all, g.GeneratorArgs)
		}
		return "secretGenerator", all
	}
	return "", nil
}

// generatorName is the name of the generator that made the object: the one that the layers make the built name of, with or
// without a hash. It is the built name where there is none.
func (o *Origin) generatorName() string {
	built := policy.Object{Content: o.content}
	_, all := o.chain[len(o.chain)-1].generators(o.content["kind"])
	for _, g := range all {
		id := o.identify(g.Name, g.Namespace)
		if id.name() == built.Name() || isHashed(built.Name(), id.name()) {
			return g.Name
		}
	}
	return built.Name()
}

// generated is where generators got a field from: the file behind a key, the literal, or the generator's entry. Those of upper
// layers may add to what the one below has made, and replace it.
func (o *Origin) generated(path policy.Path) (policy.Location, bool) {
	var entry policy.Location
	for _, l := range o.chain {
		field, all := l.generators(o.content["kind"])
		for i, g := range all {
			if !slices.Contains(o.known.names, g.Name) {
				continue
			}
			steps := []policy.Step{policy.Key(field), policy.Index(i)}
			if at, ok := o.fromSources(l, g, path, steps); ok {
				return at, true
			}
			if at, ok := fromOptions(l, g, path, steps); ok {
				return at, true
			}
			entry = l.at("", append(steps, policy.Key("name"))...)
		}
	}
	return entry, entry.File != ""
}

// fromSources is where an entry got a key of the data from.
func (o *Origin) fromSources(l *layer, g types.GeneratorArgs, path policy.Path, entry []policy.Step) (policy.Location, bool) {
	key, ok := dataKey(path)
	if !ok {
		return policy.Location{}, false
	}
	for _, source := range g.FileSources {
		if name, file := keyAndFile(source); name == key {
			return policy.Location{File: relative(o.tree.root, l.abs(file)), Line: 1, Column: 1}, true
		}
	}
	for i, literal := range g.LiteralSources {
		if name, _, _ := strings.Cut(literal, "="); name == key {
			return l.at("", append(entry, policy.Key("literals"), policy.Index(i))...), true
		}
	}
	return o.fromEnvFile(l, g, key)
}

// fromOptions is where the options of a generator set a label or an annotation.
func fromOptions(l *layer, g types.GeneratorArgs, path policy.Path, entry []policy.Step) (policy.Location, bool) {
	for _, field := range []string{"labels", "annotations"} {
		key, ok := entryOf(path, field)
		if !ok {
			continue
		}
		for _, from := range []struct {
			options *types.GeneratorOptions
			steps   []policy.Step
		}{{g.Options, append(entry, policy.Key("options"))}, {l.spec.GeneratorOptions, []policy.Step{policy.Key("generatorOptions")}}} {
			if from.options == nil {
				continue
			}
			pairs := from.options.Labels
			if field == "annotations" {
				pairs = from.options.Annotations
			}
			if _, set := pairs[key]; set {
				return l.at("", append(from.steps, policy.Key(field), policy.Key(key))...), true
			}
		}
	}
	return policy.Location{}, false
}

// dataKey is the key of data that a path leads to.
func dataKey(path policy.Path) (string, bool) {
	if len(path) < 2 || path[0] != policy.Key("data") && path[0] != policy.Key("binaryData") {
		return "", false
	}
	return path[1].Key, true
}

// keyAndFile takes key=file apart; without a key it is the file's name.
func keyAndFile(source string) (key, file string) {
	key, file, found := strings.Cut(source, "=")
	if !found {
		return filepath.Base(source), source
	}
	return key, file
}

func (o *Origin) fromEnvFile(l *layer, source types.GeneratorArgs, key string) (policy.Location, bool) {
	files := source.EnvSources
	if source.EnvSource != "" {
		files = append(files, source.EnvSource)
	}
	for _, file := range files {
		path := l.abs(file)
		content, err := o.tree.files.readOriginal(path)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(string(content), "\n") {
			if name, _, _ := strings.Cut(line, "="); strings.TrimSpace(name) == key {
				return raw.Open(relative(o.tree.root, path), content).LocateLine(i + 1), true
			}
		}
	}
	return policy.Location{}, false
}
