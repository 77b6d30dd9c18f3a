package kustomize

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"github.com/assay-gitops/assay/policy"
)

// reference is an entry of a kustomization that names a file or folder, or holds the text of one.
type reference struct {
	value string
	path  policy.Path
	kind  referenceKind
}

// referenceKind says what an entry may lead to.
type referenceKind int

const (
	// toFile: nothing but a file.
	toFile referenceKind = iota
	// toFolder: nothing but the folder of another kustomization.
	toFolder
	// toEither: a file, or the folder of another kustomization.
	toEither
	// toPlugin: as toEither, or the configuration of a plugin itself.
	toPlugin
)

// includes are the references to resources, bases and components.
func (l *layer) includes() []reference {
	return slices.Concat(
		entries("resources", l.spec.Resources, toEither),
		entries("bases", l.bases(), toFolder),
		entries("components", l.spec.Components, toFolder),
	)
}

// plugins are the references to generators, transformers and validators.
func (l *layer) plugins() []reference {
	return slices.Concat(
		entries("generators", l.spec.Generators, toPlugin),
		entries("transformers", l.spec.Transformers, toPlugin),
		entries("validators", l.spec.Validators, toPlugin),
	)
}

// reads are the references to files of all other kinds.
func (l *layer) reads() []reference {
	all := slices.Concat(
		entries("crds", l.spec.Crds, toFile),
		entries("configurations", l.spec.Configurations, toFile),
	)
	add := func(value string, path ...policy.Step) {
		if value != "" {
			all = append(all, reference{value: value, path: path})
		}
	}
	patches := func(field string, patches []types.Patch) {
		for i, p := range patches {
			add(p.Path, policy.Key(field), policy.Index(i), policy.Key("path"))
		}
	}
	patches("patches", l.spec.Patches)
	patches("patchesJson6902", l.jsonPatches())
	for i, p := range l.strategicMerges() {
		if !isInline(string(p)) || isDownload(string(p)) {
			add(string(p), policy.Key("patchesStrategicMerge"), policy.Index(i))
		}
	}
	for i, r := range l.spec.Replacements {
		add(r.Path, policy.Key("replacements"), policy.Index(i), policy.Key("path"))
	}
	add(l.spec.OpenAPI["path"], policy.Key("openapi"), policy.Key("path"))
	generators := func(field string, i int, g types.GeneratorArgs) {
		for j, source := range g.FileSources {
			_, file := keyAndFile(source)
			add(file, policy.Key(field), policy.Index(i), policy.Key("files"), policy.Index(j))
		}
		for j, file := range g.EnvSources {
			add(file, policy.Key(field), policy.Index(i), policy.Key("envs"), policy.Index(j))
		}
		add(g.EnvSource, policy.Key(field), policy.Index(i), policy.Key("env"))
	}
	for i, g := range l.spec.ConfigMapGenerator {
		generators("configMapGenerator", i, g.GeneratorArgs)
	}
	for i, g := range l.spec.SecretGenerator {
		generators("secretGenerator", i, g.GeneratorArgs)
	}
	return all
}

func entries(field string, values []string, kind referenceKind) []reference {
	all := make([]reference, len(values))
	for i, value := range values {
		all[i] = reference{value, policy.Path{policy.Key(field), policy.Index(i)}, kind}
	}
	return all
}

// isInline tells whether an entry is the text itself rather than the name of a file.
func isInline(entry string) bool { return strings.ContainsAny(entry, "\n{") }
